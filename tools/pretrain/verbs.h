// The verbs of pretrain, one file each.
#pragma once

#include "libcore/cli/tool.h"

namespace ballast {

VerbRun add_train(CLI::App& app, const CommonOptions& common);
VerbRun add_plan(CLI::App& app, const CommonOptions& common);
VerbRun add_eval(CLI::App& app, const CommonOptions& common);
VerbRun add_generate(CLI::App& app, const CommonOptions& common);
VerbRun add_coord_check(CLI::App& app, const CommonOptions& common);

}  // namespace ballast
