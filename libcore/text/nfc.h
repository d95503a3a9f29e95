// Normalisation form C of UTF-8 text, by ICU. Time is n log n in the worst case too: ICU puts marks
// into their canonical order one by one, which is quadratic in the length of a run of marks, so
// long runs are ordered before it sees them. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ballast {

// `text` itself when it is in that form already, else its form in `storage`. Valid UTF-8, less than
// 2 GiB.
std::string_view to_nfc(std::string_view text, std::string& storage);

}  // namespace ballast
