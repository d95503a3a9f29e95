// International bank account numbers by ISO 13616: the country's length and the check digits (the
// number, its first four characters moved to the end and letters read as 10 to 35, leaves 1 when
// divided by 97). Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace ballast {

inline constexpr size_t kMaxIbanLength = 34;

// Characters of an IBAN of this country, by its two capitals; 0: it has none (SWIFT's registry,
// release 101: 89 countries).
size_t iban_length(std::string_view country);

// `compact` has capitals and digits alone.
bool is_iban(std::string_view compact);

}  // namespace ballast
