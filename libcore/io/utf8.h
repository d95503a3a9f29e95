// UTF-8: validity and repair.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ballast {

bool is_valid_utf8(std::string_view text);
// Replaces each maximal ill-formed sequence by U+FFFD (as Unicode and Python's "replace" do);
// counts them.
std::string replace_invalid_utf8(std::string_view text, int64_t* replaced);
void append_utf8(std::string& text, char32_t code_point);
// Control characters, terminal escapes and invalid bytes as \xNN, for names that came from a file
// and go to a terminal.
std::string printable(std::string_view text);

}  // namespace ballast
