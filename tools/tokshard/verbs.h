// The verbs of tokshard, one file each.
#pragma once

#include "libcore/cli/tool.h"

namespace ballast {

VerbRun add_vocab(CLI::App& app, const CommonOptions& common);
VerbRun add_build(CLI::App& app, const CommonOptions& common);
VerbRun add_encode(CLI::App& app, const CommonOptions& common);
VerbRun add_merge(CLI::App& app, const CommonOptions& common);
VerbRun add_split(CLI::App& app, const CommonOptions& common);
VerbRun add_adopt(CLI::App& app, const CommonOptions& common);
VerbRun add_export(CLI::App& app, const CommonOptions& common);
VerbRun add_decode(CLI::App& app, const CommonOptions& common);
VerbRun add_inspect(CLI::App& app, const CommonOptions& common);
VerbRun add_stat(CLI::App& app, const CommonOptions& common);
VerbRun add_locate(CLI::App& app, const CommonOptions& common);
VerbRun add_seen(CLI::App& app, const CommonOptions& common);
VerbRun add_verify(CLI::App& app, const CommonOptions& common);
VerbRun add_filter(CLI::App& app, const CommonOptions& common);
VerbRun add_dedup(CLI::App& app, const CommonOptions& common);
VerbRun add_decontaminate(CLI::App& app, const CommonOptions& common);
VerbRun add_mix(CLI::App& app, const CommonOptions& common);
VerbRun add_quantile(CLI::App& app, const CommonOptions& common);
VerbRun add_robots(CLI::App& app, const CommonOptions& common);
VerbRun add_recheck(CLI::App& app, const CommonOptions& common);
VerbRun add_redact(CLI::App& app, const CommonOptions& common);

}  // namespace ballast
