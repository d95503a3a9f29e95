// Options of verbs that can do their job in parts, by one process or many.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/parts/parts_folder.h"
#include "tools/tokshard/task.h"

namespace ballast {

struct PartsFlags {
  std::string folder, task;
  int64_t part_bytes = int64_t{256} << 20;
  std::vector<CLI::Option*> dependent;  // that mean nothing without a folder

  bool given() const { return !folder.empty(); }
  // A task leaves it to `tokshard merge` to put the parts together.
  bool shared() const { return !task.empty(); }
};

// `flags` must outlive the parsing.
void add_parts_flags(CLI::App& app, PartsFlags& flags);

// Kind usage when one of the outputs (option and value) lies among the parts, where it might
// replace one.
Result<void> refuse_outputs_in_parts(
    const std::string& folder, const std::vector<std::pair<const char*, std::string>>& outputs);
// Kind usage for options without --parts, inputs that cannot be read twice, and outputs of a task
// or among the parts.
Result<void> check_parts_flags(const PartsFlags& flags, const std::vector<std::string>& inputs,
                               const std::vector<std::pair<const char*, std::string>>& outputs);

// Everything given on `app` that decides what the parts hold: all options but where outputs go and
// how the work is done. Of a path its content counts.
// `files` are named within options that are no paths.
Result<PartsPlan> make_parts_plan(const CLI::App& app, const CommonOptions& common,
                                  const PartsFlags& flags, const std::vector<std::string>& inputs,
                                  const std::vector<std::string>& files = {});

}  // namespace ballast
