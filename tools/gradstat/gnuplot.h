// The gnuplot program, started as a child without a shell.
#pragma once

#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

// Runs gnuplot on the script and gives the picture. Kind io when it is missing or fails.
Result<std::string> run_gnuplot(const std::string& script);

// Text inside single quotes of a script: quotes doubled, control characters as spaces.
std::string gnuplot_escaped(std::string_view text);

}  // namespace ballast
