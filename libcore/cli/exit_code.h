// Exit codes of all tools (ballast(7)).
#pragma once

#include "libcore/base/result.h"

namespace ballast {

enum ExitCode : int {
  kExitDone = 0,  // done, and the answer is yes
  kExitNo = 1,  // done, and the answer is no: gate failed, damage or a difference found, --fail-on
                // matched
  kExitUsage = 2,         // usage or configuration; nothing was touched
  kExitIo = 3,            // input/output failed, or input was corrupt
  kExitDevice = 4,        // device, driver or collective failed
  kExitGuard = 5,         // the guard stopped training, or three restarts made no progress
  kExitHardware = 6,      // suspected hardware: a rerun gave other bits, replicas differ
  kExitInsufficient = 7,  // not enough data for a verdict
  kExitStopped = 75,      // stopped on request with a complete checkpoint: run me again
};

int exit_code_of(ErrorKind kind);

}  // namespace ballast
