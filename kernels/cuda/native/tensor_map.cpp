#include "kernels/cuda/tensor_map.h"

#include <cuda.h>
#include <cuda_runtime.h>
#include <fmt/format.h>

#include <bit>

#include "kernels/cuda/native/cuda_error.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

// From the driver that is loaded: linking it would keep the plugin from loading where there is
// none.
Encode encoder() {
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  constexpr unsigned kSince = 12000;
  check_cuda(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, kSince,
                                              cudaEnableDefault, &found),
             "asking the driver for tensor maps");
  if (found != cudaDriverEntryPointSuccess || entry == nullptr) {
    throw DeviceError("cuda: this driver makes no tensor maps");
  }
  return reinterpret_cast<Encode>(entry);
}

}  // namespace

TensorMap make_tensor_map(const TensorPlan& plan) {
  static const Encode encode = encoder();
  constexpr cuuint32_t kRank = 4;
  cuuint64_t size[kRank], stride[kRank - 1];
  cuuint32_t box[kRank];
  const cuuint32_t step[kRank] = {1, 1, 1, 1};
  for (cuuint32_t d = 0; d < kRank; ++d) {
    size[d] = static_cast<cuuint64_t>(plan.size[d]);
    box[d] = static_cast<cuuint32_t>(plan.box[d]);
  }
  for (cuuint32_t d = 0; d + 1 < kRank; ++d) stride[d] = static_cast<cuuint64_t>(plan.stride[d]);
  CUtensorMap map;
  const CUresult result =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, kRank, const_cast<void*>(plan.data), size,
             stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw DeviceError(fmt::format("cuda: no tensor map of {} x {} x {} x {} (CUresult {})",
                                  plan.size[0], plan.size[1], plan.size[2], plan.size[3],
                                  static_cast<int>(result)));
  }
  static_assert(sizeof(CUtensorMap) == sizeof(TensorMap));
  return std::bit_cast<TensorMap>(map);
}

}  // namespace ballast
