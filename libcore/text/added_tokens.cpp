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
    lengths_.push_back(content.size());
  }
  std::sort(lengths_.rbegin(), lengths_.rend());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
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
  size_t done = 0;  // end of the last part
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token =
        starts_[static_cast<uint8_t>(text[at])] ? longest_at(text.substr(at)) : nullptr;
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
