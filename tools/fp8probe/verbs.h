// The verbs of fp8probe; one file each.
#pragma once

#include "libcore/cli/tool.h"

namespace ballast {

VerbRun add_scan(CLI::App& app, const CommonOptions& common);
VerbRun add_gate(CLI::App& app, const CommonOptions& common);

}  // namespace ballast
