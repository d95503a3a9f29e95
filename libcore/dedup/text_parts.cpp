#include "libcore/dedup/text_parts.h"

#include <algorithm>

#include "libcore/text/count_chars.h"
#include "libcore/text/quality/word_class.h"

namespace ballast {

void cut_parts(std::string_view text, PartKind kind, std::vector<TextPart>& parts) {
  const uint32_t* masks = word_masks();
  parts.clear();
  bool open = false;  // the last part is a paragraph that may go on
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const bool blank = strip_front(text.substr(begin, end - begin), masks).empty();
    if (blank) {
      open = false;
    } else if (open && kind == PartKind::paragraph) {
      parts.back().end = end;
    } else {
      parts.push_back({.begin = begin, .end = end, .hash = {}});
      open = true;
    }
    begin = end + 1;
  }
  for (TextPart& part : parts) {
    const std::string_view content = strip(text.substr(part.begin, part.end - part.begin), masks);
    part.chars = count_chars(content);
    part.hash = xxh3_128(as_bytes(content));
  }
}

std::string join_parts(std::string_view text, const std::vector<TextPart>& parts) {
  std::string joined;
  std::string_view separator;
  size_t before = 0;  // end of the part before, kept or not
  for (const TextPart& part : parts) {
    const std::string_view between = text.substr(before, part.begin - before);
    if (between.size() > separator.size()) separator = between;
    before = part.end;
    if (part.removed) continue;
    const bool first = &part == parts.data();
    if (first || !joined.empty()) joined += separator;
    joined.append(text, part.begin, part.end - part.begin);
    separator = {};
  }
  if (joined.empty()) return joined;
  if (!parts.back().removed) {
    joined.append(text, before);
  } else if (text.ends_with('\n')) {
    joined += '\n';
  }
  return joined;
}

}  // namespace ballast
