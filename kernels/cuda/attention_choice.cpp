#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "kernels/cuda/attention_hopper.h"
#include "libcore/base/device_error.h"

namespace ballast::attn {

namespace {

#ifdef BALLAST_EMULATION
constexpr bool kByDefault = false;
#else
constexpr bool kByDefault = true;
#endif

}  // namespace

bool choose_hopper(Runtime& runtime) {
  const char* const value = std::getenv("BALLAST_ATTENTION");
  const std::string kind = value == nullptr ? "" : value;
  if (kind.empty()) {
    return kByDefault && runtime.has_warpgroups() && has_hopper_code(runtime);
  }
  if (kind == "portable") return false;
  if (kind != "hopper") {
    throw DeviceError(
        fmt::format("BALLAST_ATTENTION is \"{}\": use \"hopper\" or \"portable\"", kind));
  }
  if (!runtime.has_warpgroups()) {
    throw DeviceError(fmt::format(
        "BALLAST_ATTENTION is \"hopper\", but {} has not compute capability 9.0", runtime.name()));
  }
  if (!has_hopper_code(runtime)) {
    throw DeviceError("BALLAST_ATTENTION is \"hopper\", but this build has no code for sm_90a");
  }
  return true;
}

}  // namespace ballast::attn
