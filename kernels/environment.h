// Variables that a launcher sets, read with a message that names them.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string>

#include "libcore/base/result.h"

namespace ballast {

// "" when it is not set.
inline std::string environment_text(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Kind usage when it is not a whole number from low to high.
inline Result<int> environment_integer(const char* name, int low, int high) {
  const std::string text = environment_text(name);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    return usage_error(fmt::format("cannot use {}", name), text.empty() ? "not set" : text,
                       fmt::format("a whole number from {} to {}", low, high));
  }
  return value;
}

}  // namespace ballast
