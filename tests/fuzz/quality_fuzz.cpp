// Any text through the quality rules: words are in order, do not overlap and leave out nothing but
// blanks; a refused text is untouched, a kept one no longer than it was.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/io/utf8.h"
#include "libcore/text/quality/quality.h"
#include "libcore/text/quality/word_class.h"

namespace {

void check_words(std::string_view text) {
  ballast::WordSplitter splitter;
  std::vector<ballast::Word> words;
  splitter.split(text, words);
  words.push_back({static_cast<uint32_t>(text.size()), static_cast<uint32_t>(text.size())});
  uint32_t end = 0;
  for (const ballast::Word& word : words) {
    BALLAST_CHECK(word.begin >= end && word.end >= word.begin);
    const std::string_view between = text.substr(end, word.begin - end);
    BALLAST_CHECK(ballast::strip(between, ballast::word_masks()).empty());
    end = word.end;
  }
  BALLAST_CHECK(splitter.count_sentences(text) >= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ballast::QualityPlan plans[] = {
      ballast::QualityPlan::parse("gopher:min_doc_words=off,min_stop_words=off,c4,fineweb", "plan")
          .take_value(),
      ballast::QualityPlan::parse("c4:min_num_sentences=off,filter_no_terminal_punct=off,"
                                  "gopher-repetition:dup_line_frac=off,top_2_gram=1",
                                  "plan")
          .take_value()};
  int64_t replaced = 0;
  const std::string text = ballast::replace_invalid_utf8(
      std::string_view(reinterpret_cast<const char*>(data), size), &replaced);
  check_words(text);
  ballast::QualityBuffers buffers;
  for (const ballast::QualityPlan& plan : plans) {
    std::string changed = text;
    const ballast::QualityVerdict verdict = plan.check(changed, buffers);
    BALLAST_CHECK(verdict.kept() || changed == text);
    BALLAST_CHECK(changed.size() <= text.size() && ballast::is_valid_utf8(changed));
  }
  return 0;
}
