#include "libcore/text/added_tokens.h"

#include <algorithm>

#include "libcore/text/unicode_class.h"

namespace ballast {
namespace {

// Begin of the last character of a non-empty text.
size_t last_char(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

uint8_t mask_at(std::string_view text, size_t at) {
  return char_at(text.data() + at, text.data() + text.size(), char_masks()).mask;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    by_content_.emplace(content, i);
    starts_[static_cast<uint8_t>(content[0])] = true;
    if (content.size() > 1) seconds_[static_cast<uint8_t>(content[1])] = true;
    one_byte_ = one_byte_ || content.size() == 1;
    all_special_ = all_special_ && tokens_[i].special;
    lengths_.push_back(content.size());
  }
  single_start_ = std::count(starts_.begin(), starts_.end(), true) == 1;
  std::sort(lengths_.rbegin(), lengths_.rend());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
}

size_t AddedTokenMatcher::next_start(std::string_view text, size_t at) const {
  for (; at < text.size(); ++at) {
    if (single_start_) {
      at = text.find(tokens_.front().content[0], at);
      if (at == text.npos) break;
    } else if (!starts_[static_cast<uint8_t>(text[at])]) {
      continue;
    }
    // Markup is full of bytes that begin a token.
    if (one_byte_ || (at + 1 < text.size() && seconds_[static_cast<uint8_t>(text[at + 1])]))
      return at;
  }
  return text.size();
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text) const {
  for (const size_t length : lengths_) {
    if (length > text.size()) continue;
    const auto found = by_content_.find(text.substr(0, length));
    if (found != by_content_.end()) return &tokens_[found->second];
  }
  return nullptr;
}

bool AddedTokenMatcher::is_single_word(std::string_view text, size_t begin, size_t end) const {
  if (begin > 0 && (mask_at(text, last_char(text.substr(0, begin))) & kWord)) return false;
  return end == text.size() || !(mask_at(text, end) & kWord);
}

void AddedTokenMatcher::cut(std::string_view text, bool escape_special,
                            std::vector<Part>& parts) const {
  size_t done = 0;                                                       // end of the last part
  const size_t from = escape_special && all_special_ ? text.size() : 0;  // nothing to find
  for (size_t at = next_start(text, from); at < text.size(); at = next_start(text, at)) {
    const AddedToken* token = longest_at(text.substr(at));
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (escape_special && token->special) continue;
    if (token->single_word && !is_single_word(text, begin, end)) continue;
    if (token->lstrip)
      while (begin > done) {
        const size_t previous = last_char(text.substr(0, begin));
        if (!(mask_at(text, previous) & kSpace)) break;
        begin = previous;
      }
    if (token->rstrip)
      while (end < text.size() && (mask_at(text, end) & kSpace))
        end += char_at(text.data() + end, text.data() + text.size(), char_masks()).bytes;
    begin = std::max(begin, done);
    if (begin > done) parts.push_back({text.substr(done, begin - done), -1});
    parts.push_back({text.substr(begin, std::max(begin, end) - begin), token->id});
    done = std::max(begin, end);
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
}

}  // namespace ballast
