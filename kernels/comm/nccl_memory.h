// NcclMemory: device memory from ncclMemAlloc, registered with a communicator, so that collectives
// on the flat buffers move them without copies. It may outlive the communicator. One thread.
#pragma once

#include <map>
#include <memory>

#include "kernels/comm/nccl_communicator.h"
#include "kernels/cuda/device_access.h"

namespace ballast {

class NcclMemory final : public RegisteredMemory {
 public:
  NcclMemory(NcclCommunicator& communicator, std::shared_ptr<const NcclLibrary> library)
      : communicator_(&communicator), library_(std::move(library)) {}
  void* allocate(int64_t bytes) override;
  bool owns(void* data) const override { return handles_.contains(data); }
  void release(void* data) override;
  // The communicator ends.
  void detach() noexcept;

 private:
  void deregister(void* handle);

  NcclCommunicator* communicator_;
  std::shared_ptr<const NcclLibrary> library_;
  std::map<void*, void*> handles_;  // of what was allocated
};

}  // namespace ballast
