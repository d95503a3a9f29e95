// JSON of strangers and of our own. Strict: duplicate keys (escaped spellings too), invalid UTF-8,
// bad numbers and nesting over 64 levels are kind corrupt with the byte position. Building goes
// through nlohmann::ordered_json so that keys keep the order in which a record is documented.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

using Json = nlohmann::ordered_json;

// `where` names the source in messages (path or path:line).
Result<Json> parse_json(std::string_view text, const std::string& where);

// Appends `text` as a JSON string with quotes; invalid UTF-8 is replaced.
void append_json_string(std::string& out, std::string_view text);

// Compact, one line, UTF-8 with invalid bytes replaced; doubles shortest round-trip, non-finite
// ones as the strings "NaN", "Infinity", "-Infinity" (ballast-trace(5)).
std::string to_json_line(const Json& value);
// Indented by two, for files people read; ends with LF.
std::string to_json_text(const Json& value);

// A double that may be one of the three strings above.
Json json_number(double value);
Result<double> number_of(const Json& value, const std::string& where);

// Typed access with messages: "missing key 'x'", "'x' is not a whole number".
Result<const Json*> member(const Json& object, const std::string& key, const std::string& where);
Result<std::string> string_member(const Json& object, const std::string& key,
                                  const std::string& where);
Result<int64_t> integer_member(const Json& object, const std::string& key,
                               const std::string& where);
Result<double> number_member(const Json& object, const std::string& key, const std::string& where);

}  // namespace ballast
