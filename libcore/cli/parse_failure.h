// What CLI11 says of a bad command line, in our words. Internal to libcore/cli.
#pragma once

#include <CLI/CLI.hpp>

#include "libcore/base/result.h"

namespace ballast {

// One line: the option, the value, and what is accepted.
Error parse_failure(const CLI::ParseError& error, const CLI::App& app);

}  // namespace ballast
