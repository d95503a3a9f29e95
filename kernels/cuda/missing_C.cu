#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.h"
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
void CudaBackend::update_ratio(const Tensor&, const OptimizerStep&) {
  throw DeviceError("update_ratio is missing");
}
void CudaBackend::optimizer_step(const OptimizerStep&) {
  throw DeviceError("optimizer_step is missing");
}

}  // namespace ballast
