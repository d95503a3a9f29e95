// The parsers of units.h, and the shortest decimal of a double.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "libcore/base/check.h"
#include "libcore/base/units.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto count = parse_count(text);
  if (count.ok()) {
    BALLAST_CHECK(*count >= 0);
    BALLAST_CHECK(*parse_count(std::to_string(*count)) == *count);
    BALLAST_CHECK(!format_count(*count).empty() && !format_bytes(*count).empty());
    BALLAST_CHECK(parse_length(text).ok());
  }
  const auto seconds = parse_seconds(text);
  if (seconds.ok()) BALLAST_CHECK(*seconds >= 0 && !format_seconds(*seconds).empty());
  if (const auto length = parse_length(text); length.ok()) BALLAST_CHECK(length->count >= 0);
  if (const auto number = parse_double(text); number.ok()) BALLAST_CHECK(std::isfinite(*number));
  double value = 0;
  if (size >= sizeof value) std::memcpy(&value, data, sizeof value);
  const auto back = parse_double(format_double(value));
  BALLAST_CHECK(back.ok() == std::isfinite(value));
  if (back.ok()) BALLAST_CHECK(std::memcmp(&*back, &value, sizeof value) == 0);
  return 0;
}
