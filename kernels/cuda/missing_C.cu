#include "kernels/cuda/cuda_backend.h"
#include "libcore/base/device_error.h"

namespace ballast {

void CudaBackend::spectral_scale(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                 const Tensor&, const Tensor&) {
  throw DeviceError("spectral_scale is missing");
}
void CudaBackend::spectral_scale_bwd(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                     const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  throw DeviceError("spectral_scale_bwd is missing");
}
void CudaBackend::power_iteration(const Tensor&, const Tensor&, const Tensor&) {
  throw DeviceError("power_iteration is missing");
}
}  // namespace ballast
