#include "libcore/tensor/arena.h"

#include <algorithm>

namespace ballast {

Arena::Arena(Backend& backend, int64_t bytes, bool registered)
    : backend_(&backend),
      base_(static_cast<char*>(backend.allocate(std::max<int64_t>(bytes, 1), registered))),
      capacity_(bytes) {}

Arena::~Arena() {
  if (backend_ != nullptr) backend_->release(base_);
}

Tensor Arena::take(Dtype dtype, int64_t rows, int64_t cols) {
  constexpr int64_t kAlignment = 256;
  const int64_t bytes = (rows * cols * bytes_of(dtype) + kAlignment - 1) / kAlignment * kAlignment;
  void* data = counting() ? nullptr : base_ + used_;
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  BALLAST_CHECK(counting() || used_ <= capacity_);
  return make_tensor(data, dtype, rows, cols);
}

Tensor Arena::take_activations(Dtype dtype, int64_t rows, int64_t cols) {
  constexpr int64_t kPage = 4096, kLine = 64;
  const bool apart = rows > 1 && cols * bytes_of(dtype) % kPage == 0;
  const int64_t stride = apart ? cols + kLine / bytes_of(dtype) : cols;
  return cols_of(take(dtype, rows, stride), 0, cols);
}

}  // namespace ballast
