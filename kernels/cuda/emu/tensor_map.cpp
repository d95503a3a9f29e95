#include "kernels/cuda/tensor_map.h"

#include <fmt/format.h>

#include "libcore/base/device_error.h"

namespace ballast {

// What cuTensorMapEncodeTiled refuses is refused here.
TensorMap make_tensor_map(const TensorPlan& plan) {
  constexpr int kRank = 4;
  TensorMap map{.data = plan.data, .rank = kRank, .swizzle = true};
  bool fits =
      reinterpret_cast<uintptr_t>(plan.data) % 16 == 0 && plan.box[0] <= 64 && plan.box[0] % 8 == 0;
  for (int d = 0; d < kRank; ++d) {
    fits &= plan.size[d] >= 1 && plan.size[d] <= int64_t{1} << 32;
    fits &= plan.box[d] >= 1 && plan.box[d] <= 256;
    map.size[d] = static_cast<uint64_t>(plan.size[d]);
    map.box[d] = static_cast<uint32_t>(plan.box[d]);
  }
  for (int d = 0; d + 1 < kRank; ++d) {
    fits &= plan.stride[d] % 16 == 0 && plan.stride[d] > 0 && plan.stride[d] < int64_t{1} << 40;
    map.stride[d] = static_cast<uint64_t>(plan.stride[d]);
  }
  if (!fits) {
    throw DeviceError(fmt::format("emu: no tensor map of {} x {} x {} x {}", plan.size[0],
                                  plan.size[1], plan.size[2], plan.size[3]));
  }
  return map;
}

}  // namespace ballast
