#include "libcore/cli/exit_code.h"

namespace ballast {

int exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return kExitUsage;
    case ErrorKind::io:
    case ErrorKind::corrupt:
      return kExitIo;
    case ErrorKind::device:
      return kExitDevice;
    case ErrorKind::guard:
      return kExitGuard;
    case ErrorKind::hardware:
      return kExitHardware;
    case ErrorKind::insufficient:
      return kExitInsufficient;
  }
  return kExitIo;
}

}  // namespace ballast
