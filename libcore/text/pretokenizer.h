// Cuts text into the pieces that BPE encodes, as the `pre_tokenizer` of a tokenizer.json says:
// ByteLevel, Split and Sequence; others are refused by name. A single Split (or ByteLevel) with a
// known pattern runs on a hand-written scanner without copies; everything else goes stage by stage.
// Immutable after from_json(); any thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"
#include "libcore/text/regex_splitter.h"
#include "libcore/text/split_pattern.h"

namespace ballast {

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// How matches and the gaps between them become pieces (never empty). `matches` ascend.
std::vector<TextRange> apply_split(std::span<const TextRange> matches, size_t text_bytes,
                                   SplitBehavior behavior, bool invert);

class PreTokenizer {
 public:
  // The value of the key `pre_tokenizer`. Kind corrupt for a malformed value, kind usage for one
  // that is well formed and not built.
  static Result<PreTokenizer> from_json(const Json& value, const std::string& where);

  // tiktoken's way: the matches of a regular expression are the pieces, and what lies between them
  // is left out.
  static Result<PreTokenizer> from_pattern(const std::string& regex, const std::string& where);

  // Set when one scanner does the whole work.
  SplitFunction direct() const { return direct_; }

  // The pieces of a text; views into `text` or into `storage`, which holds pieces that were
  // changed.
  Result<std::vector<std::string_view>> pieces(std::string_view text,
                                               std::deque<std::string>& storage) const;

 private:
  struct Split {
    std::variant<SplitFunction, RegexSplitter, std::string> pattern;
    SplitBehavior behavior = SplitBehavior::isolated;
    bool invert = false;
  };
  struct PrefixSpace {};
  using Stage = std::variant<Split, PrefixSpace>;

  Result<void> add(const Json& value, const std::string& where);
  Result<void> add_split(const Json& value, const std::string& where);
  Result<void> add_byte_level(const Json& value, const std::string& where);
  static Result<Split> regex_split(const std::string& regex, const std::string& where);
  void find_direct();
  static Result<std::vector<TextRange>> ranges(const Split& split, std::string_view text);

  std::vector<Stage> stages_;
  bool byte_level_ = false;
  SplitFunction direct_ = nullptr;
};

}  // namespace ballast
