// Tensor: a view of a matrix on some backend, with one row stride. It owns nothing, is copied
// freely, and knows no device. Higher ranks are written in the rows and columns, as the comment of
// each op says: (B*T, H) is batch major.
#pragma once

#include <cstdint>

#include "libcore/base/check.h"

namespace ballast {

enum class Dtype : uint8_t { f64, f32, bf16, f16, i32, u8 };

constexpr int64_t bytes_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return 8;
    case Dtype::f32:
    case Dtype::i32:
      return 4;
    case Dtype::bf16:
    case Dtype::f16:
      return 2;
    case Dtype::u8:
      return 1;
  }
  return 0;
}

struct Tensor {
  void* data = nullptr;
  Dtype dtype = Dtype::f32;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // elements from one row to the next, >= cols

  int64_t elements() const { return rows * cols; }
  bool empty() const { return data == nullptr; }
  bool contiguous() const { return stride == cols || rows <= 1; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  template <class T>
  T* row(int64_t r) const {
    return static_cast<T*>(data) + r * stride;
  }
};

inline Tensor make_tensor(void* data, Dtype dtype, int64_t rows, int64_t cols) {
  return {data, dtype, rows, cols, cols};
}

// Rows [begin, begin + count), or columns, of the same memory.
inline Tensor rows_of(const Tensor& t, int64_t begin, int64_t count) {
  BALLAST_CHECK(begin >= 0 && begin + count <= t.rows);
  return {static_cast<char*>(t.data) + begin * t.stride * bytes_of(t.dtype), t.dtype, count, t.cols,
          t.stride};
}
inline Tensor cols_of(const Tensor& t, int64_t begin, int64_t count) {
  BALLAST_CHECK(begin >= 0 && begin + count <= t.cols);
  return {static_cast<char*>(t.data) + begin * bytes_of(t.dtype), t.dtype, t.rows, count, t.stride};
}

}  // namespace ballast
