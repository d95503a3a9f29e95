// The words of a text as scikit-learn's CountVectorizer cuts them unless told otherwise: the text
// in lower case (Unicode's full mapping, final sigma included), then runs of at least two letters,
// digits, other numbers or underscores.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

struct WordBuffers {
  std::string lowered;
  std::string joined;           // the words, each with one blank behind it
  std::vector<int64_t> begins;  // of the words in `joined`, and its size

  int64_t words() const { return static_cast<int64_t>(begins.size()) - 1; }
  // `count` words from word `first` on, one blank between them.
  std::string_view words_from(int64_t first, int64_t count) const {
    const auto begin = static_cast<size_t>(begins[static_cast<size_t>(first)]);
    const auto end = static_cast<size_t>(begins[static_cast<size_t>(first + count)]);
    return std::string_view(joined).substr(begin, end - 1 - begin);
  }
};

// Ill-formed bytes part words.
void find_words(std::string_view text, bool lower_case, WordBuffers& buffers);

}  // namespace ballast
