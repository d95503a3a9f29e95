// Numbers as people write them on a command line. One place, so that every tool takes the same
// forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

// "4096", "0.5M", "4B" (K, M, G or B, T: powers of 1000), "64KiB", "2GiB" (powers of 1024). Whole,
// >= 0.
Result<int64_t> parse_count(std::string_view text);
// "90", "90s", "30m", "2h", "1d" in seconds, >= 0.
Result<double> parse_seconds(std::string_view text);
Result<double> parse_double(std::string_view text);  // finite

// A training length: "4B" counts tokens, "1000steps" counts steps.
struct Length {
  int64_t count = 0;
  bool steps = false;
};
Result<Length> parse_length(std::string_view text);

std::string format_count(int64_t count);     // 1234567 -> "1.23M"
std::string format_bytes(int64_t bytes);     // 1234567 -> "1.18 MiB"
std::string format_seconds(double seconds);  // 5025 -> "1h23m"

// Shortest decimal that reads back as the same double; "NaN", "Infinity", "-Infinity" otherwise.
std::string format_double(double value);

}  // namespace ballast
