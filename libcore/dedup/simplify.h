// A text as MinHash compares it, by datatrove's rules (its utils.text.simplify_text with defaults):
// lower case, numbers become 0, punctuation and control characters become blanks, blanks fold into
// one and go at the ends, marks that NFD splits off (category Mn) go. Classes of characters are
// those of the quality rules, mappings ICU's. Pure; tables are built once at first use (some 20
// ms).
#pragma once

#include <string>
#include <string_view>

namespace ballast {

// Replaces the content of `out`. The text must be valid UTF-8.
void simplify_text(std::string_view text, std::string& out);

}  // namespace ballast
