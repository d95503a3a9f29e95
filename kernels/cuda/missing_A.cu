#include "kernels/cuda/cuda_backend.h"
#include "libcore/base/device_error.h"

namespace ballast {

void CudaBackend::qk_norm_rope(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                               const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                               const Tensor&, const AttentionShape&, float) {
  throw DeviceError("qk_norm_rope is missing");
}
void CudaBackend::qk_norm_rope_bwd(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                   const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                   const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                   const AttentionShape&) {
  throw DeviceError("qk_norm_rope_bwd is missing");
}

}  // namespace ballast
