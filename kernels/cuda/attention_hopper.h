// Attention in bf16 with wgmma and TMA, for sm_90a: what attention.cu calls where the backend chose
// it. It takes what the mma.sync kernels take; results differ from theirs in rounding.
#pragma once

#include "kernels/cuda/runtime.h"
#include "libcore/tensor/backend.h"

namespace ballast::attn {

struct RowStats;

// Whether attention of this backend runs on wgmma: BALLAST_ATTENTION in the environment ("hopper",
// "portable"), else on every device that has it; the emulation only when told. Throws DeviceError.
bool choose_hopper(Runtime& runtime);

// Whether the machine code that this device runs is that of sm_90a: a build for other architectures
// has nothing in the place of these kernels. Asks the device.
bool has_hopper_code(Runtime& runtime);

// Rows of a sequence that share one element of `tops`.
inline constexpr int64_t kHopperTopRows = 16;

void hopper_forward(const Stream& stream, const Tensor& o, const Tensor& lse, float* tops,
                    const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                    const ScorePolicy& policy);

// `stats` as of the mma.sync kernels: lse in units of log 2.
void hopper_backward(const Stream& stream, const Tensor& dqkv, const Tensor& dout,
                     const RowStats* stats, const Tensor& qkv, const Tensor& doc_start,
                     const AttentionShape& shape, const ScorePolicy& policy);

}  // namespace ballast::attn
