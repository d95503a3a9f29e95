// Dictionaries of structured HTTP fields (RFC 9651 4.2.2), of which the token values are wanted:
// `train-ai=n, search=y;p="x"`. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ballast {

// Keys with their tokens; a value of another type is an empty string. Of a repeated key the last
// value counts, parameters are parsed and passed over. Nullopt when the text is no dictionary, even
// if only its end is not: then nothing of it counts.
std::optional<std::map<std::string, std::string>> parse_token_dictionary(std::string_view text);

}  // namespace ballast
