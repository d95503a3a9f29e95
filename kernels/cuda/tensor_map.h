// Tensor maps, which tell TMA where boxes of a tensor lie. native/tensor_map.cpp asks the driver,
// emu/tensor_map.cpp fills in the emulation's struct.
#pragma once

#include <cstdint>

#ifdef BALLAST_EMULATION
#include "kernels/cuda/emu/async.h"
#endif

namespace ballast {

#ifdef BALLAST_EMULATION
using emu::TensorMap;
#else
// A CUtensorMap; a kernel's parameter of this type is a __grid_constant__.
struct alignas(64) TensorMap {
  uint64_t opaque[16];
};
#endif

// Four dimensions of bf16, innermost first. Strides in bytes, of the second to the fourth;
// multiples of 16, as is the address.
struct TensorPlan {
  const void* data;
  int64_t size[4], stride[3];
  int box[4];  // the first at most 64: a row of the 128-byte swizzle
};
// Swizzled by 128 bytes, zeros outside. Throws DeviceError for a plan that TMA cannot do.
TensorMap make_tensor_map(const TensorPlan& plan);

}  // namespace ballast
