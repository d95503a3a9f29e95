// Thrown by device and collective code (a CUDA call, a lost rank) and caught once, in run_tool():
// exit 4. The message names the op, the shapes and the place.
#pragma once

#include <stdexcept>

namespace ballast {

class DeviceError final : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ballast
