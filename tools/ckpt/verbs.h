// The verbs of ckpt; one file each.
#pragma once

#include "libcore/cli/tool.h"

namespace ballast {

VerbRun add_list(CLI::App& app, const CommonOptions& common);
VerbRun add_inspect(CLI::App& app, const CommonOptions& common);
VerbRun add_verify(CLI::App& app, const CommonOptions& common);
VerbRun add_diff(CLI::App& app, const CommonOptions& common);
VerbRun add_rollback(CLI::App& app, const CommonOptions& common);
VerbRun add_prune(CLI::App& app, const CommonOptions& common);
VerbRun add_pin(CLI::App& app, const CommonOptions& common);
VerbRun add_journal(CLI::App& app, const CommonOptions& common);
VerbRun add_convert(CLI::App& app, const CommonOptions& common);

}  // namespace ballast
