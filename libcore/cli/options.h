// What the frame knows about options beyond CLI11: the common block, the kinds of values, and the
// texts made from them (help, completions). Internal to libcore/cli.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"

namespace ballast {

// Adds the common block to `app`; `common` must outlive it.
void add_common_options(CLI::App& app, CommonOptions& common);

// A verb's app: common options, the verb's own, and our rules for repeated options (the last one
// wins; options that take a list take one value each).
std::unique_ptr<CLI::App> make_verb_app(const Tool& tool, const Verb& verb, CommonOptions& common,
                                        VerbRun* run);

inline constexpr const char* kCommonGroup = "Common";
inline constexpr const char* kPathType = "PATH";

bool is_flag(const CLI::Option& option);        // takes no value
bool is_repeatable(const CLI::Option& option);  // each use adds a value
bool is_path(const CLI::Option& option);
std::vector<std::string> choices_of(const CLI::Option& option);  // empty: any value
std::string value_name(const CLI::Option& option);               // "PATH", "N", "auto|always|never"
std::string long_name(const CLI::Option& option);                // "dry-run", or ""
std::string shown_name(const CLI::Option& option);               // "--dry-run", "-v", or "PREFIX"

std::string usage_text(const Tool& tool, const Verb& verb,
                       const CLI::App& app);  // "usage: ..." line(s)
std::string help_text(const Tool& tool, const Verb& verb, const CLI::App& app);
std::string tool_usage_text(const Tool& tool);
std::string tool_help_text(const Tool& tool);

}  // namespace ballast
