// The lines or paragraphs of a text, and the text without some of them. A line ends at LF; a
// paragraph is a run of lines that are not blank. Parts are equal when their content without blanks
// at both ends is. Pure; texts are valid UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/hash.h"

namespace ballast {

enum class PartKind { line, paragraph };

struct TextPart {
  size_t begin = 0, end = 0;  // bytes of the text; blank lines and the LF behind lie between parts
  int64_t chars = 0;          // code points of its content
  Hash128 hash;               // xxh3-128 of its content
  bool removed = false;
};

// Replaces the content of `parts`.
void cut_parts(std::string_view text, PartKind kind, std::vector<TextPart>& parts);

// The text without the removed parts. Of the separators around them the longest stays, so that what
// stood in two paragraphs does not become one; a text that ended with LF still does. Empty when all
// parts are removed.
std::string join_parts(std::string_view text, const std::vector<TextPart>& parts);

}  // namespace ballast
