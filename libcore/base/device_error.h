// The one exception of Ballast besides std::bad_alloc: a device, driver or collective failed inside
// an op. It carries op, shapes and place in its text and is caught once, in run_tool(): exit 4.
#pragma once

#include <stdexcept>
#include <string>

namespace ballast {

class DeviceError : public std::runtime_error {
 public:
  explicit DeviceError(const std::string& text) : std::runtime_error(text) {}
};

}  // namespace ballast
