// What is wrong with outputs, before anything is written to them.
#pragma once

#include <span>
#include <string>

#include "libcore/io/file_system.h"

namespace ballast {

// Found before hours of work, not behind them: what a file at `path` would be refused for at its
// first byte (no folder, a folder, there and not to be replaced). "-" and devices are fine.
Result<void> check_output(FileSystem& fs, const std::string& path, bool force);

// Kind usage when two of `outputs` would be one file, by whatever names. "" is an output that was
// not asked for.
Result<void> refuse_same_outputs(FileSystem& fs, std::span<const std::string> outputs);

}  // namespace ballast
