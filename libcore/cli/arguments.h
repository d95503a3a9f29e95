// From what was typed to what CLI11 parses. The words are walked once with the verb's option table,
// so that unknown options are named with their nearest neighbour, --set becomes the flag it stands
// for, and values from BALLAST_<FLAG> and --config fill in for options that were not typed.
// Precedence: flag (--set is one, the later wins) > environment > file > default.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

// The value of an environment variable, or nullptr.
using Environment = std::function<const char*(const std::string& name)>;

struct Arguments {
  std::vector<std::string> words;  // for CLI11
  bool help = false;
  bool version = false;
  bool typed_any = false;
};

Result<Arguments> resolve_arguments(const CLI::App& app, FileSystem& fs,
                                    const std::vector<std::string>& typed,
                                    const Environment& environment);

// Words for the options in the TOML `text`, in file order, but for those in `given`. Unknown and
// repeated keys are kind usage with path:line.
// Has a stronger level decided this option, by giving it or one that excludes it (--tokens,
// --steps)?
bool is_settled(const CLI::Option& option, const std::vector<const CLI::Option*>& given);

Result<std::vector<std::string>> config_words(const CLI::App& app, const std::string& text,
                                              const std::string& path,
                                              const std::vector<const CLI::Option*>& given);

// The option of a key ("dry_run"), or nullptr.
const CLI::Option* option_of_key(const CLI::App& app, const std::string& key);
std::string key_of(const CLI::Option& option);
// ": did you mean 'x'?" parts: the nearest key, or "".
std::string nearest_key(const CLI::App& app, const std::string& key);

}  // namespace ballast
