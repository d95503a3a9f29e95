// What cuBLASLt and the emulation share: the bf16 copies of weights.
#include "kernels/cuda/gemm_engine.h"

namespace ballast {

namespace {
constexpr int64_t kRowAlignment = 8;  // elements: rows of a copy begin at 16 bytes
int64_t stride_of_copy(int64_t cols) {
  return (cols + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}
}  // namespace

void GemmEngine::prepare(const Tensor& weight) {
  if (weight.dtype != Dtype::f32) return;
  Copy& copy = copies_[{weight.data, weight.rows, weight.cols, weight.stride}];
  copy.stale = true;
  if (copy.data != nullptr || copy.imaginary) return;
  copy.bytes = weight.rows * stride_of_copy(weight.cols) * 2;
  copy.imaginary = rehearsal_ == Rehearsed::imaginary;
  if (!copy.imaginary) copy.data = runtime_.allocate(copy.bytes);
}

int64_t GemmEngine::end_rehearsal() {
  int64_t bytes = 0;
  for (auto& [key, copy] : copies_) {
    bytes += copy.bytes;
    copy.stale = true;  // nothing was filled
  }
  std::erase_if(copies_, [](const auto& entry) { return entry.second.imaginary; });
  rehearsal_ = Rehearsed::no;
  return bytes;
}

Tensor GemmEngine::copy_of(const Tensor& weight, bool& stale) {
  const auto found = copies_.find({weight.data, weight.rows, weight.cols, weight.stride});
  BALLAST_CHECK(found != copies_.end());
  stale = found->second.stale;
  found->second.stale = false;
  return {found->second.data, Dtype::bf16, weight.rows, weight.cols, stride_of_copy(weight.cols)};
}

}  // namespace ballast
