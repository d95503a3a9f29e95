// What is true of this run only, for the `run` of a manifest: time, host, command line.
#pragma once

#include "libcore/cli/tool.h"
#include "libcore/io/json.h"

namespace ballast {

Json run_record(const CommonOptions& common);

}  // namespace ballast
