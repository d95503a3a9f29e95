// One unit of attention work: a key-value head of one sequence with the query heads that share it.
// Pointers are to the first row of the sequence; rows are `..._stride` elements apart.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/tensor/backend.h"

namespace ballast {

struct AttentionTask {
  AttentionShape shape;
  ScorePolicy policy;
  const SoftClip* clip = nullptr;  // of the probabilities; null: none
  int64_t kv_head = 0;
  const float* qkv = nullptr;
  int64_t qkv_stride = 0;
  float* o = nullptr;
  int64_t o_stride = 0;
  float* lse = nullptr;
  int64_t lse_stride = 0;
  const int32_t* doc_start = nullptr;
  float* tops = nullptr;        // forward: largest score per query head so far
  const float* dout = nullptr;  // backward
  int64_t dout_stride = 0;
  float* dqkv = nullptr;
  int64_t dqkv_stride = 0;
};

// The calling thread's working memory, kept between tasks; contents unspecified. Parts start on
// cache lines.
class TaskScratch {
 public:
  explicit TaskScratch(int64_t floats) {
    const size_t wanted = static_cast<size_t>(floats) + 16 * kLine;
    if (memory().size() < wanted) memory().resize(wanted);
  }
  float* take(int64_t floats) {
    const auto address = reinterpret_cast<uintptr_t>(memory().data() + used_);
    used_ += static_cast<size_t>((64 - address % 64) % 64 / sizeof(float));
    float* part = memory().data() + used_;
    used_ += static_cast<size_t>(floats);
    BALLAST_CHECK(used_ <= memory().size());
    return part;
  }

 private:
  static constexpr size_t kLine = 64 / sizeof(float);
  static std::vector<float>& memory() {
    thread_local std::vector<float> floats;
    return floats;
  }
  size_t used_ = 0;
};

}  // namespace ballast
