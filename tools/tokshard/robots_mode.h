// --mode of the verbs that read robots.txt.
#pragma once

#include <string>

#include "libcore/base/result.h"

namespace ballast {

// Only `rfc` is built; the other two of ballast's names are refused by name.
inline Result<void> check_robots_mode(const std::string& mode) {
  if (mode == "rfc") return {};
  if (mode == "google" || mode == "protego") {
    return usage_error("robots mode '" + mode + "' is not built", "--mode", "built: rfc");
  }
  return usage_error("unknown robots mode '" + mode + "'", "--mode", "built: rfc");
}

}  // namespace ballast
