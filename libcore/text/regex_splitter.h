// Splits text by any regular expression of a tokenizer file, with PCRE2 (JIT when the machine has
// it). Slower than split_pattern.h, which known patterns use. `\s` and `\S` are read as
// White_Space, as the engines of tokenizer files do. Immutable after compile(); any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

// Half-open byte range.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const TextRange&) const = default;
};

class RegexSplitter {
 public:
  // Kind corrupt with the position when the pattern does not compile.
  static Result<RegexSplitter> compile(std::string_view pattern, const std::string& where);
  RegexSplitter(RegexSplitter&&) noexcept;
  RegexSplitter& operator=(RegexSplitter&&) noexcept;
  ~RegexSplitter();

  // The non-empty matches from left to right; text must be valid UTF-8. Kind corrupt when the
  // engine gives up (its backtracking limit).
  Result<std::vector<TextRange>> matches(std::string_view text) const;

 private:
  struct Code;
  explicit RegexSplitter(std::unique_ptr<Code> code);
  std::unique_ptr<Code> code_;
};

}  // namespace ballast
