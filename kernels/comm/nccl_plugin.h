// What ballast_nccl.so exports, with C linkage. Null or false and a text in *error on failure.
#pragma once

#include <string>

#include "kernels/cuda/device_access.h"
#include "libcore/tensor/backend.h"
#include "libcore/tensor/comm.h"

namespace ballast {

struct NcclOpening {
  Backend* backend = nullptr;
  DeviceAccess* device = nullptr;  // of the backend
  int timeout_s = 300;             // for the start, and for anything that does not move
  std::string settings;            // that the order of sums depends on, for Comm::sums()
};

// Whether NCCL can be loaded for this device; *description: "NCCL 2.28.9".
using FindNcclFunction = bool (*)(const NcclOpening* opening, std::string* description,
                                  std::string* error);
// A Comm of the ranks of `host`, which it takes over unless it fails. Every rank must call it.
using OpenNcclFunction = Comm* (*)(const NcclOpening* opening, Comm* host, std::string* error);

inline constexpr const char* kFindNcclSymbol = "ballast_find_nccl";
inline constexpr const char* kOpenNcclSymbol = "ballast_open_nccl";

}  // namespace ballast
