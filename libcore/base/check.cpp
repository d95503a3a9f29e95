#include "libcore/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ballast {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "ballast: internal error: check failed: %s (%s:%d)\n", expression, file,
               line);
  std::abort();
}

}  // namespace ballast
