// BALLAST_CHECK aborts with file and line when one of our own invariants is broken; it is never for
// bad input.
#pragma once

namespace ballast {
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
}  // namespace ballast

#define BALLAST_CHECK(condition)                                               \
  do {                                                                         \
    if (!(condition)) ::ballast::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
