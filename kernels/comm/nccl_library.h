// NcclLibrary: NCCL as a table of function pointers, found when it is asked for and not before: the
// file that BALLAST_NCCL names, else libnccl.so.2 as the loader finds it, else the one among the
// Python packages of an active environment (VIRTUAL_ENV, CONDA_PREFIX). It stays loaded.
#pragma once

#include <nccl.h>

#include <memory>
#include <string>

#include "libcore/base/result.h"

namespace ballast {

// ncclConfig_t has `blocking` since 2.14; communicators that do not block are dependable, and the
// calls of a group polled as one, since about 2.18.
inline constexpr int kOldestNccl = NCCL_VERSION(2, 18, 1);
inline constexpr int kFirstUnknownNccl = NCCL_VERSION(3, 0, 0);

// X(name) for every call that has to be there.
#define BALLAST_NCCL_CALLS(X) \
  X(ncclGetUniqueId)          \
  X(ncclCommInitRankConfig)   \
  X(ncclCommFinalize)         \
  X(ncclCommDestroy)          \
  X(ncclCommAbort)            \
  X(ncclCommGetAsyncError)    \
  X(ncclGetErrorString)       \
  X(ncclGetLastError)         \
  X(ncclAllReduce)            \
  X(ncclReduceScatter)        \
  X(ncclAllGather)            \
  X(ncclReduce)               \
  X(ncclBroadcast)            \
  X(ncclSend)                 \
  X(ncclRecv)                 \
  X(ncclGroupStart)           \
  X(ncclGroupEnd)

// Since 2.19: registered memory. All or none is used.
#define BALLAST_NCCL_MEMORY_CALLS(X) \
  X(ncclMemAlloc)                    \
  X(ncclMemFree)                     \
  X(ncclCommRegister)                \
  X(ncclCommDeregister)

struct NcclLibrary {
  std::string path;
  int version = 0;           // as NCCL_VERSION()
  bool only_a_test = false;  // it works on host memory, and has nothing to do with NCCL
  bool has_memory = false;

#define BALLAST_NCCL_MEMBER(name) decltype(&::name) name = nullptr;
  BALLAST_NCCL_CALLS(BALLAST_NCCL_MEMBER)
  BALLAST_NCCL_MEMORY_CALLS(BALLAST_NCCL_MEMBER)
#undef BALLAST_NCCL_MEMBER

  std::string description() const;  // "NCCL 2.28.9"
};

// Kind device: not found, too old, a call missing; says what was tried.
Result<std::shared_ptr<const NcclLibrary>> load_nccl();

std::string nccl_version_text(int version);  // "2.28.9"

}  // namespace ballast
