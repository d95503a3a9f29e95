// How wide text is on a terminal: by Unicode's East Asian width, marks and format characters 0.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ballast {

// Of valid UTF-8; a byte that is none of a character's counts as one.
size_t display_cells(std::string_view text);
// The longest beginning that takes at most `cells`, marks on its last character included.
std::string_view fit_cells(std::string_view text, size_t cells);
// At most `cells`, at least 5: "..." stands where the middle was cut out, since names differ at
// either end.
std::string elide_middle(std::string_view text, size_t cells);
// With blanks behind it, and the middle cut out, so that it takes just so many.
std::string column_of(std::string_view text, size_t cells);

}  // namespace ballast
