// What NCCL reads from the environment and what the order of its sums depends on: algorithms,
// protocol, channels. Some choices (NVLS, CollNet) add in an order that differs from call to call,
// and a choice by size or load is none that a run can promise to repeat.
#pragma once

#include <string>

#include "libcore/base/result.h"

namespace ballast {

struct NcclSettings {
  std::string all;   // "NCCL_ALGO=Ring, NCCL_PROTO=Simple, ...": what is in force
  std::string made;  // of these, what nobody had set; may be empty
};

// Sets what nobody has set; never changes what somebody has. Kind usage, with the variable's name:
// what is set does not give the same bits in every run.
Result<NcclSettings> settle_nccl_environment();

}  // namespace ballast
