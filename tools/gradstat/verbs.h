// The verbs of gradstat, one per file of the same name.
#pragma once

#include "libcore/cli/tool.h"

namespace ballast {

VerbRun add_summary(CLI::App& app, const CommonOptions& common);
VerbRun add_spikes(CLI::App& app, const CommonOptions& common);
VerbRun add_clip(CLI::App& app, const CommonOptions& common);
VerbRun add_compare(CLI::App& app, const CommonOptions& common);
VerbRun add_sweep(CLI::App& app, const CommonOptions& common);
VerbRun add_events(CLI::App& app, const CommonOptions& common);
VerbRun add_drift(CLI::App& app, const CommonOptions& common);
VerbRun add_diff(CLI::App& app, const CommonOptions& common);
VerbRun add_normality(CLI::App& app, const CommonOptions& common);
VerbRun add_plot(CLI::App& app, const CommonOptions& common);
VerbRun add_report(CLI::App& app, const CommonOptions& common);
VerbRun add_follow(CLI::App& app, const CommonOptions& common);
VerbRun add_lr(CLI::App& app, const CommonOptions& common);
VerbRun add_scaling(CLI::App& app, const CommonOptions& common);
VerbRun add_import(CLI::App& app, const CommonOptions& common);

}  // namespace ballast
