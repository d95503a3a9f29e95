// Shell completions generated from the tools themselves: hidden `--generate-completion=SHELL` of
// every tool. The results are committed in completions/; a test compares.
#pragma once

#include <string>

#include "libcore/cli/tool.h"

namespace ballast {

// Prints the script for bash, zsh or fish; returns the exit code.
int generate_completion(const Tool& tool, const std::string& shell);

}  // namespace ballast
