// A text with what several rules want to know of it, worked out at most once. Keeps its buffers
// between texts: one per thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libcore/text/count_chars.h"
#include "libcore/text/quality/words.h"

namespace ballast {

class MeasuredText {
 public:
  // The text must outlive its use.
  void reset(std::string_view text) {
    text_ = text;
    chars_ = -1;
    split_ = false;
  }
  std::string_view text() const { return text_; }
  int64_t chars() {
    if (chars_ < 0) chars_ = count_chars(text_);
    return chars_;
  }
  const std::vector<Word>& words() {
    if (!split_) splitter_.split(text_, words_);
    split_ = true;
    return words_;
  }
  int64_t count_sentences(std::string_view line) { return splitter_.count_sentences(line); }

 private:
  std::string_view text_;
  int64_t chars_ = -1;
  bool split_ = false;
  WordSplitter splitter_;
  std::vector<Word> words_;
};

}  // namespace ballast
