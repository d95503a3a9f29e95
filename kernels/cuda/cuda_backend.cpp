#include "kernels/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <exception>

#include "kernels/cuda/attention_hopper.h"
#include "kernels/open_backend.h"

namespace ballast {

CudaBackend::CudaBackend(const BackendOptions& options)
    : pool_(options.threads),
      runtime_(options.device, options.local_rank, pool_),
      compute_(options.compute),
      gemm_(runtime_),
      hopper_attention_(attn::choose_hopper(runtime_)) {
  BALLAST_CHECK(compute_ == Dtype::bf16 || compute_ == Dtype::f32);
}

CudaBackend::~CudaBackend() {
  if (workspace_ != nullptr) runtime_.release(workspace_);
}

std::string CudaBackend::description() const {
  return fmt::format("{}; {}; {} attention; {}", runtime_.description(), gemm_.description(),
                     hopper_attention_ ? "hopper" : "portable",
                     compute_ == Dtype::bf16 ? "bf16" : "fp32");
}

void* CudaBackend::allocate(int64_t bytes, bool) { return runtime_.allocate(bytes); }
void CudaBackend::release(void* data) { runtime_.release(data); }
void CudaBackend::copy_in(void* device, const void* host, int64_t bytes, StreamId stream) {
  runtime_.copy_in(device, host, bytes, stream);
}
void CudaBackend::copy_out(void* host, const void* device, int64_t bytes, StreamId stream) {
  runtime_.copy_out(host, device, bytes, stream);
}
void CudaBackend::zero(void* device, int64_t bytes) {
  runtime_.zero(device, bytes, StreamId::compute);
}

void* CudaBackend::workspace(int64_t bytes) {
  if (bytes > workspace_bytes_) {
    runtime_.synchronize(runtime_.record(StreamId::compute));
    if (workspace_ != nullptr) runtime_.release(workspace_);
    workspace_ = nullptr;
    workspace_ = runtime_.allocate(bytes);
    workspace_bytes_ = bytes;
  }
  return workspace_;
}

}  // namespace ballast

extern "C" ballast::Backend* ballast_open_backend(const ballast::BackendOptions* options,
                                                  std::string* error) {
  try {
    return new ballast::CudaBackend(*options);
  } catch (const std::exception& failure) {
    *error = failure.what();
    return nullptr;
  }
}
