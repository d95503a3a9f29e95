#include "libcore/text/pretokenizer.h"

#include <fmt/format.h>

#include <array>

namespace ballast {
namespace {

Result<bool> flag(const Json& object, const char* key, bool fallback, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) return fallback;
  if (!found->is_boolean())
    return corrupt_error(fmt::format("'{}' is not true or false", key), where);
  return found->get<bool>();
}

Result<SplitBehavior> behavior_of(const std::string& word, const std::string& where) {
  if (word == "Removed") return SplitBehavior::removed;
  if (word == "Isolated") return SplitBehavior::isolated;
  if (word == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (word == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (word == "Contiguous") return SplitBehavior::contiguous;
  return corrupt_error("unknown split behavior '" + word + "'", where);
}

std::vector<TextRange> scan(SplitFunction split, std::string_view text) {
  std::vector<TextRange> found;
  std::array<size_t, 256> ends;
  size_t from = 0;
  while (const size_t count = split(text, from, ends)) {
    for (size_t i = 0; i < count; ++i) {
      found.push_back({from, ends[i]});
      from = ends[i];
    }
  }
  return found;
}

// As in `\p{N}{1,3}+`: Oniguruma, which Hugging Face uses, repeats the interval; others make it
// possessive.
bool has_plus_after_interval(std::string_view regex) {
  for (size_t at = regex.find("}+"); at != regex.npos; at = regex.find("}+", at + 1)) {
    size_t open = at;
    while (open > 0 &&
           (regex[open - 1] == ',' || (regex[open - 1] >= '0' && regex[open - 1] <= '9')))
      --open;
    if (open < at && open > 0 && regex[open - 1] == '{') return true;
  }
  return false;
}

std::vector<TextRange> find_all(std::string_view needle, std::string_view text) {
  std::vector<TextRange> found;
  if (needle.empty()) return found;
  for (size_t at = text.find(needle); at != text.npos; at = text.find(needle, at + needle.size()))
    found.push_back({at, at + needle.size()});
  return found;
}

}  // namespace

std::vector<TextRange> apply_split(std::span<const TextRange> matches, size_t text_bytes,
                                   SplitBehavior behavior, bool invert) {
  struct Part {
    TextRange range;
    bool match;
  };
  std::vector<Part> parts;
  size_t at = 0;
  for (const TextRange& match : matches) {
    if (match.begin > at) parts.push_back({{at, match.begin}, invert});
    if (match.end > match.begin) parts.push_back({match, !invert});
    at = match.end;
  }
  if (at < text_bytes) parts.push_back({{at, text_bytes}, invert});

  std::vector<TextRange> pieces;
  bool previous_match = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    bool join = false;  // with the piece before
    switch (behavior) {
      case SplitBehavior::removed:
        if (part.match) continue;
        break;
      case SplitBehavior::isolated:
        break;
      case SplitBehavior::merged_with_previous:
        join = part.match && i > 0 && !previous_match;
        break;
      case SplitBehavior::merged_with_next:
        join = !part.match && i > 0 && previous_match;
        break;
      case SplitBehavior::contiguous:
        join = i > 0 && part.match == previous_match;
        break;
    }
    if (join)
      pieces.back().end = part.range.end;
    else
      pieces.push_back(part.range);
    previous_match = part.match;
  }
  return pieces;
}

Result<PreTokenizer> PreTokenizer::from_json(const Json& value, const std::string& where) {
  PreTokenizer made;
  if (value.is_null())
    return usage_error("tokenizer has no pre_tokenizer", where, "only byte-level BPE is supported");
  BALLAST_TRY(made.add(value, where));
  if (!made.byte_level_)
    return usage_error("pre_tokenizer is not byte-level", where,
                       "only byte-level BPE is supported");
  made.find_direct();
  return made;
}

Result<PreTokenizer> PreTokenizer::from_pattern(const std::string& regex,
                                                const std::string& where) {
  PreTokenizer made;
  Split split = BALLAST_TRY(regex_split(regex, where));
  split.behavior = SplitBehavior::removed;
  split.invert = true;
  made.stages_.emplace_back(std::move(split));
  made.find_direct();
  return made;
}

void PreTokenizer::find_direct() {
  if (stages_.size() != 1) return;
  const auto* split = std::get_if<Split>(&stages_[0]);
  const auto* scanner = split ? std::get_if<SplitFunction>(&split->pattern) : nullptr;
  if (!scanner) return;
  // The matches of a known pattern cover the text, so there are no gaps to keep or drop.
  const bool only_matches = split->behavior == SplitBehavior::removed && split->invert;
  if (split->behavior == SplitBehavior::isolated || only_matches) direct_ = *scanner;
}

Result<PreTokenizer::Split> PreTokenizer::regex_split(const std::string& regex,
                                                      const std::string& where) {
  Split split;
  if (const auto known = known_split_pattern(regex))
    split.pattern = split_function(*known);
  else
    split.pattern = BALLAST_TRY(RegexSplitter::compile(regex, where));
  return split;
}

Result<void> PreTokenizer::add(const Json& value, const std::string& where) {
  const std::string type = BALLAST_TRY(string_member(value, "type", where));
  if (type != "Sequence" && byte_level_)
    return usage_error("pre_tokenizer '" + type + "' after ByteLevel is not supported", where);
  if (type == "Split") return add_split(value, where);
  if (type == "ByteLevel") return add_byte_level(value, where);
  if (type != "Sequence")
    return usage_error("pre_tokenizer '" + type + "' is not supported", where,
                       "supported: ByteLevel, Split, Sequence");
  const Json* list = BALLAST_TRY(member(value, "pretokenizers", where));
  if (!list->is_array()) return corrupt_error("'pretokenizers' is not a list", where);
  for (const Json& one : *list) BALLAST_TRY(add(one, where));
  return {};
}

Result<void> PreTokenizer::add_split(const Json& value, const std::string& where) {
  Split split;
  const Json* pattern = BALLAST_TRY(member(value, "pattern", where));
  if (pattern->contains("String")) {
    split.pattern = BALLAST_TRY(string_member(*pattern, "String", where));
  } else {
    const std::string regex = BALLAST_TRY(string_member(*pattern, "Regex", where));
    if (has_plus_after_interval(regex))
      return usage_error("split pattern with '{n,m}+' is not supported", where,
                         "engines read it in two ways; spell the interval without '+'");
    split = BALLAST_TRY(regex_split(regex, where));
  }
  const std::string behavior = BALLAST_TRY(string_member(value, "behavior", where));
  split.behavior = BALLAST_TRY(behavior_of(behavior, where));
  split.invert = BALLAST_TRY(flag(value, "invert", false, where));
  stages_.emplace_back(std::move(split));
  return {};
}

Result<void> PreTokenizer::add_byte_level(const Json& value, const std::string& where) {
  byte_level_ = true;
  if (BALLAST_TRY(flag(value, "add_prefix_space", true, where)))
    stages_.emplace_back(PrefixSpace{});
  if (BALLAST_TRY(flag(value, "use_regex", true, where))) {
    Split split;
    split.pattern = split_function(SplitPattern::gpt2);
    stages_.emplace_back(std::move(split));
  }
  return {};
}

Result<std::vector<TextRange>> PreTokenizer::ranges(const Split& split, std::string_view text) {
  std::vector<TextRange> matches;
  if (const auto* scanner = std::get_if<SplitFunction>(&split.pattern))
    matches = scan(*scanner, text);
  else if (const auto* regex = std::get_if<RegexSplitter>(&split.pattern))
    matches = BALLAST_TRY(regex->matches(text));
  else
    matches = find_all(std::get<std::string>(split.pattern), text);
  return apply_split(matches, text.size(), split.behavior, split.invert);
}

Result<std::vector<std::string_view>> PreTokenizer::pieces(std::string_view text,
                                                           std::deque<std::string>& storage) const {
  std::vector<std::string_view> current;
  if (!text.empty()) current.push_back(text);
  for (const Stage& stage : stages_) {
    std::vector<std::string_view> next;
    for (const std::string_view piece : current) {
      if (const auto* split = std::get_if<Split>(&stage)) {
        for (const TextRange& range : BALLAST_TRY(ranges(*split, piece)))
          next.push_back(piece.substr(range.begin, range.end - range.begin));
      } else if (piece.front() == ' ') {
        next.push_back(piece);
      } else {
        next.push_back(storage.emplace_back(" " + std::string(piece)));
      }
    }
    current = std::move(next);
  }
  return current;
}

}  // namespace ballast
