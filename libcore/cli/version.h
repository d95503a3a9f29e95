// The text of --version.
#pragma once

#include <string>

#include "libcore/cli/tool.h"

namespace ballast {

std::string version_text(const Tool& tool);
std::string version_json(const Tool& tool);  // one line, "v":1

}  // namespace ballast
