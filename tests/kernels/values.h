// Inputs and outputs of op tests: the same numbers as an f32 tensor for the backend and as a double
// matrix for kernels/ref. Rows are a few elements apart from each other, so that kernels which
// ignore the stride fail; the gap holds NaN, so that kernels which read it fail too.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <vector>

#include "kernels/open_backend.h"
#include "kernels/ref/matrix.h"
#include "libcore/base/rng.h"

namespace ballast {

inline constexpr double kUnitRoundoff = 0x1p-24;  // of f32

// A CpuBackend with that many threads, loaded as the tools load it.
std::unique_ptr<Backend> open_cpu(int threads);

class Values {
 public:
  static constexpr int64_t kGap = 3;

  Values(int64_t rows, int64_t cols, double value = 0)
      : rows_(rows),
        cols_(cols),
        floats_(static_cast<size_t>(rows * (cols + kGap)), std::numeric_limits<float>::quiet_NaN()),
        doubles_(static_cast<size_t>(rows * cols)) {
    fill([&](int64_t) { return value; });
  }

  // Normal numbers; the seed is the caller's, so every tensor of a test has its own.
  static Values random(int64_t rows, int64_t cols, uint64_t seed, double deviation = 1) {
    Values values(rows, cols);
    values.fill(
        [&](int64_t i) { return deviation * random_normal(seed, 1, static_cast<uint64_t>(i)); });
    return values;
  }

  template <class Function>
  void fill(const Function& value_at) {
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < cols_; ++c) set(r, c, value_at(r * cols_ + c));
    }
  }
  void set(int64_t r, int64_t c, double value) {
    floats_[static_cast<size_t>(r * (cols_ + kGap) + c)] = static_cast<float>(value);
    doubles_[static_cast<size_t>(r * cols_ + c)] = static_cast<double>(static_cast<float>(value));
  }
  double got(int64_t r, int64_t c) const {
    return static_cast<double>(floats_[static_cast<size_t>(r * (cols_ + kGap) + c)]);
  }
  double wanted(int64_t r, int64_t c) const { return doubles_[static_cast<size_t>(r * cols_ + c)]; }

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  Tensor tensor() { return {floats_.data(), Dtype::f32, rows_, cols_, cols_ + kGap}; }
  ref::Matrix<double> matrix() { return {doubles_.data(), rows_, cols_, cols_}; }
  const std::vector<float>& bits() const { return floats_; }

 private:
  int64_t rows_, cols_;
  std::vector<float> floats_;
  std::vector<double> doubles_;
};

struct Integers {
  int64_t rows, cols;
  std::vector<int32_t> data;
  Tensor tensor() { return {data.data(), Dtype::i32, rows, cols, cols}; }
  ref::Matrix<int32_t> matrix() { return {data.data(), rows, cols, cols}; }
};

// The backend's result against the reference's: c * u * sqrt(n) on the norm of the difference, n
// being the longest sum behind an element, and the same bound times the largest element on each.
// Where terms of a known size cancel, `floor` is that size: smaller results count as large as that.
testing::AssertionResult close(const Values& values, int64_t n, double c = 8, double floor = 0);

// Whether the backend wrote the same bits into both.
bool same_bits(const Values& a, const Values& b);

// doc_start of `batch` sequences with borders that differ between sequences.
Integers documents(int64_t batch, int64_t seq);

}  // namespace ballast
