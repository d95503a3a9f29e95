#include "libcore/text/quality/duplicates.h"
#include "libcore/text/quality/rules.h"
#include "libcore/text/quality/word_class.h"

namespace ballast {

QualityDrop check_fineweb(MeasuredText& text, const FineWebLimits& limits, RuleBuffers& buffers) {
  const uint32_t* masks = word_masks();
  const auto feeds = std::count(text.text().begin(), text.text().end(), '\n');
  buffers.strings.reset(static_cast<size_t>(feeds) + 1);
  Duplicates lines;
  double ended = 0, small = 0;
  for (std::string_view rest = text.text();;) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (!strip_front(line, masks).empty()) {
      lines.add(line, buffers.strings);
      ended += (text_char_before(line, line.size(), masks).mask & kTerminal) != 0 ? 1 : 0;
      small += static_cast<double>(count_chars(line)) <= limits.short_line_length ? 1 : 0;
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (lines.pieces == 0) return {"empty", {}, {}};
  const double punctuated = ended / lines.pieces;
  if (punctuated < limits.line_punct_thr && !(punctuated == 0 && limits.line_punct_exclude_zero))
    return {"line_punct_ratio", punctuated, limits.line_punct_thr};
  const double short_lines = small / lines.pieces;
  if (short_lines > limits.short_line_thr)
    return {"short_line_ratio", short_lines, limits.short_line_thr};
  const double repeated = lines.chars / static_cast<double>(text.chars() - feeds);
  if (repeated > limits.char_duplicates_ratio)
    return {"char_dup_ratio", repeated, limits.char_duplicates_ratio};
  const double feeds_per_word =
      static_cast<double>(feeds) / static_cast<double>(text.words().size());
  if (feeds_per_word > limits.new_line_ratio)
    return {"list_ratio", feeds_per_word, limits.new_line_ratio};
  return {};
}

}  // namespace ballast
