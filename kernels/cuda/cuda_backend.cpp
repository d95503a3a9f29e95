#include "kernels/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "kernels/cuda/attention_hopper.h"
#include "kernels/open_backend.h"
#include "libcore/base/device_error.h"

namespace ballast {

CudaBackend::CudaBackend(const BackendOptions& options)
    : pool_(options.threads),
      runtime_(options.device, options.local_rank, pool_),
      staging_(runtime_),
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

namespace {

// Addresses without memory: no process has these.
constexpr uintptr_t kImaginary = uintptr_t{1} << 56;
bool imaginary(const void* data) { return reinterpret_cast<uintptr_t>(data) >= kImaginary; }

}  // namespace

void* CudaBackend::allocate(int64_t bytes, bool registered) {
  if (rehearsal_ != Kind::imaginary) {
    return registered && registered_ != nullptr ? registered_->allocate(bytes)
                                                : runtime_.allocate(bytes);
  }
  constexpr int64_t kAlignment = 256;
  void* const address = reinterpret_cast<void*>(kImaginary + static_cast<uintptr_t>(imagined_));
  imagined_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return address;
}
void CudaBackend::release(void* data) {
  if (imaginary(data)) return;
  if (registered_ == nullptr || !registered_->owns(data)) return runtime_.release(data);
  try {  // it goes without waiting for the work on it
    for (const StreamId stream : {StreamId::compute, StreamId::communication, StreamId::copy})
      runtime_.synchronize(runtime_.record(stream));
  } catch (const DeviceError&) {  // a device that has failed works no more
  }
  registered_->release(data);
}
void CudaBackend::copy_in(void* device, const void* host, int64_t bytes, StreamId stream) {
  if (!rehearsal_) staging_.copy_in(device, host, bytes, stream);
}
void CudaBackend::copy_out(void* host, const void* device, int64_t bytes, StreamId stream) {
  if (!rehearsal_) staging_.copy_out(host, device, bytes, stream);
}
void CudaBackend::synchronize(EventId event) {
  runtime_.synchronize(event);
  staging_.deliver();
}
void CudaBackend::zero(void* device, int64_t bytes) {
  runtime_.zero(device, bytes, StreamId::compute);
}

void CudaBackend::begin_rehearsal(Kind kind) {
  BALLAST_CHECK(!rehearsal_);
  rehearsal_ = kind;
  rehearsed_workspace_ = 0;
  runtime_.mute(true);
  gemm_.begin_rehearsal(kind == Kind::real);
}

RehearsedMemory CudaBackend::end_rehearsal() {
  const bool real = rehearsal_ == Kind::real;
  RehearsedMemory memory;
  memory.workspace = rehearsed_workspace_;
  memory.weight_copies = gemm_.end_rehearsal();
  memory.products = GemmEngine::workspace_bytes();
  runtime_.mute(false);
  rehearsal_.reset();
  if (real) workspace(rehearsed_workspace_);
  return memory;
}

void* CudaBackend::workspace(int64_t bytes) {
  if (rehearsal_) {
    rehearsed_workspace_ = std::max(rehearsed_workspace_, bytes);
    return reinterpret_cast<void*>(kImaginary);
  }
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

extern "C" ballast::DeviceAccess* ballast_device_access(ballast::Backend* backend) {
  return static_cast<ballast::CudaBackend*>(backend);
}
