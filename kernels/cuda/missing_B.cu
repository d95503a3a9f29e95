#include "kernels/cuda/cuda_backend.h"
#include "libcore/base/device_error.h"

namespace ballast {

void CudaBackend::attention(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                            const Tensor&, const AttentionShape&, const ScorePolicy&) {
  throw DeviceError("attention is missing");
}
void CudaBackend::attention_bwd(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                const Tensor&, const Tensor&, const AttentionShape&,
                                const ScorePolicy&) {
  throw DeviceError("attention_bwd is missing");
}
void CudaBackend::clipped_attention(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                    const Tensor&, const AttentionShape&, const ScorePolicy&,
                                    const SoftClip&) {
  throw DeviceError("clipped_attention is missing");
}
void CudaBackend::clipped_attention_bwd(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                        const Tensor&, const AttentionShape&, const ScorePolicy&,
                                        const SoftClip&) {
  throw DeviceError("clipped_attention_bwd is missing");
}

}  // namespace ballast
