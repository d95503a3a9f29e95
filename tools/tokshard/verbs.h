// The verbs of tokshard, one file each.
#pragma once

#include "libcore/cli/tool.h"

namespace ballast {

VerbRun add_filter(CLI::App& app, const CommonOptions& common);
VerbRun add_robots(CLI::App& app, const CommonOptions& common);

}  // namespace ballast
