// Errors of the CUDA runtime as DeviceError.
#pragma once

#include <cuda_runtime.h>

namespace ballast {

// Throws DeviceError unless cudaSuccess; `what` was being done.
void check_cuda(cudaError_t error, const char* what);

}  // namespace ballast
