#include "kernels/ref/elementwise.h"

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

namespace {

double load(const Tensor& t, int64_t r, int64_t c) {
  switch (t.dtype) {
    case Dtype::f64:
      return t.row<double>(r)[c];
    case Dtype::f32:
      return static_cast<double>(t.row<float>(r)[c]);
    case Dtype::bf16:
      return static_cast<double>(ref::bf16_to_float(t.row<uint16_t>(r)[c]));
    case Dtype::f16:
      return static_cast<double>(ref::f16_to_float(t.row<uint16_t>(r)[c]));
    case Dtype::i32:
      return t.row<int32_t>(r)[c];
    case Dtype::u8:
      return t.row<uint8_t>(r)[c];
  }
  return 0;
}

// f64 goes to the 16-bit types by way of f32.
void store(const Tensor& t, int64_t r, int64_t c, double value) {
  switch (t.dtype) {
    case Dtype::f64:
      t.row<double>(r)[c] = value;
      return;
    case Dtype::f32:
      t.row<float>(r)[c] = static_cast<float>(value);
      return;
    case Dtype::bf16:
      t.row<uint16_t>(r)[c] = ref::float_to_bf16(static_cast<float>(value));
      return;
    case Dtype::f16:
      t.row<uint16_t>(r)[c] = ref::float_to_f16(static_cast<float>(value));
      return;
    case Dtype::i32:
    case Dtype::u8:
      BALLAST_CHECK(false && "cast writes floating-point types only");
  }
}

}  // namespace

void CpuBackend::add(const Tensor& y, const Tensor& a, const Tensor& b) {
  BALLAST_CHECK(y.rows == a.rows && y.rows == b.rows && y.cols == a.cols && y.cols == b.cols);
  pool_.parallel_for(y.rows, chunk_of(y.rows, y.cols), [&](int64_t begin, int64_t end) {
    ref::add(ref::view<float>(rows_of(y, begin, end - begin)),
             ref::view<float>(rows_of(a, begin, end - begin)),
             ref::view<float>(rows_of(b, begin, end - begin)));
  });
}

void CpuBackend::scale(const Tensor& y, const Tensor& x, float factor) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols);
  pool_.parallel_for(y.rows, chunk_of(y.rows, y.cols), [&](int64_t begin, int64_t end) {
    ref::scale(ref::view<float>(rows_of(y, begin, end - begin)),
               ref::view<float>(rows_of(x, begin, end - begin)), factor);
  });
}

void CpuBackend::cast(const Tensor& y, const Tensor& x) {
  BALLAST_CHECK(y.rows == x.rows && y.cols == x.cols);
  pool_.parallel_for(y.rows, chunk_of(y.rows, y.cols), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < y.cols; ++c) store(y, r, c, load(x, r, c));
    }
  });
}

}  // namespace ballast
