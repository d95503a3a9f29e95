// --mode of verbs that read robots.txt by the RFC only.
#pragma once

#include <string>

#include "libcore/base/result.h"

namespace ballast {

inline Result<void> check_robots_mode(const std::string& mode) {
  if (mode == "rfc") return {};
  if (mode == "google" || mode == "protego") {
    return usage_error("robots mode '" + mode + "' is not built here", "--mode", "built: rfc");
  }
  return usage_error("unknown robots mode '" + mode + "'", "--mode", "built: rfc");
}

}  // namespace ballast
