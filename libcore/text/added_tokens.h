// The added tokens of a tokenizer: strings cut out of a text before BPE sees it, each with one id.
// Matching is leftmost-longest without overlap; single_word, lstrip and rstrip act as in Hugging
// Face tokenizers, where a match that fails its single_word check is passed over whole. Immutable
// after construction; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ballast {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;      // control token: by default not recognised in documents
  bool single_word = false;  // only where its neighbours are not \w
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for after normalisation
};

class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // One stretch of a text: a token (id >= 0) or text between tokens (id = -1).
  struct Part {
    std::string_view text;
    int32_t id = -1;
  };
  // Appends the parts of `text` in order. With `escape_special` special tokens stay text.
  void cut(std::string_view text, bool escape_special, std::vector<Part>& parts) const;

 private:
  // Where a token may begin, from `at` on; the size of the text if nowhere.
  size_t next_start(std::string_view text, size_t at) const;
  const AddedToken* longest_at(std::string_view text) const;
  bool is_single_word(std::string_view text, size_t begin, size_t end) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string_view, size_t> by_content_;  // views into tokens_
  std::array<bool, 256> starts_{};                           // bytes that begin a token
  std::array<bool, 256> seconds_{};                          // bytes behind them
  bool single_start_ = false;                                // most vocabularies: '<'
  bool one_byte_ = false;                                    // a token has a single byte
  bool all_special_ = true;
  std::vector<size_t> lengths_;  // descending, distinct
};

}  // namespace ballast
