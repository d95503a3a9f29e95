#include "kernels/comm/nccl_memory.h"

#include <fmt/format.h>

#include "libcore/base/device_error.h"

namespace ballast {

void* NcclMemory::allocate(int64_t bytes) {
  void* data = nullptr;
  const ncclResult_t result = library_->ncclMemAlloc(&data, static_cast<size_t>(bytes));
  if (result != ncclSuccess) {
    throw DeviceError(fmt::format("nccl: no registered memory for {} bytes: {}", bytes,
                                  library_->ncclGetErrorString(result)));
  }
  void*& handle = handles_[data];
  if (communicator_ == nullptr) return data;
  communicator_->call("ncclCommRegister", [&](const NcclLibrary& nccl, ncclComm_t comm) {
    return nccl.ncclCommRegister(comm, data, static_cast<size_t>(bytes), &handle);
  });
  return data;
}

void NcclMemory::release(void* data) {
  const auto found = handles_.find(data);
  BALLAST_CHECK(found != handles_.end());
  deregister(found->second);
  handles_.erase(found);
  library_->ncclMemFree(data);
}

void NcclMemory::detach() noexcept {
  for (auto& [data, handle] : handles_) {
    deregister(handle);
    handle = nullptr;
  }
  communicator_ = nullptr;
}

// A communicator that has given up took its registrations along.
void NcclMemory::deregister(void* handle) {
  if (handle == nullptr || communicator_ == nullptr) return;
  try {
    communicator_->call("ncclCommDeregister", [&](const NcclLibrary& nccl, ncclComm_t comm) {
      return nccl.ncclCommDeregister(comm, handle);
    });
  } catch (const DeviceError&) {
  }
}

}  // namespace ballast
