// SwiGLU and squared ReLU in vectors; GELU, which no preset trains with, by the reference.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/activation.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd-inl.h"
#include "kernels/ref/activation.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

void swiglu_row(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    const Vector gate = load_up_to(x + i, left), up = load_up_to(x + n + i, left);
    store_up_to(hn::Mul(hn::Mul(gate, sigmoid_of(gate)), up), y + i, left);
  }
}

void swiglu_row_bwd(float* dx, const float* dy, const float* x, int64_t n) {
  const Vector one = hn::Set(Floats(), 1.0f);
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    const Vector gate = load_up_to(x + i, left), up = load_up_to(x + n + i, left);
    const Vector g = load_up_to(dy + i, left), s = sigmoid_of(gate);
    const Vector slope = hn::Mul(s, hn::MulAdd(gate, hn::Sub(one, s), one));
    store_up_to(hn::Mul(hn::Mul(g, up), slope), dx + i, left);
    store_up_to(hn::Mul(g, hn::Mul(gate, s)), dx + n + i, left);
  }
}

void squared_relu_row(float* y, const float* x, int64_t n) {
  const Vector zero = hn::Zero(Floats());
  for (int64_t i = 0; i < n; i += lanes()) {
    const Vector v = load_up_to(x + i, n - i);
    store_up_to(hn::IfThenZeroElse(hn::Le(v, zero), hn::Mul(v, v)), y + i, n - i);
  }
}

void squared_relu_row_bwd(float* dx, const float* dy, const float* x, int64_t n) {
  const Vector zero = hn::Zero(Floats());
  for (int64_t i = 0; i < n; i += lanes()) {
    const Vector v = load_up_to(x + i, n - i), g = load_up_to(dy + i, n - i);
    const Vector slope = hn::IfThenZeroElse(hn::Le(v, zero), hn::Add(v, v));
    store_up_to(hn::Mul(g, slope), dx + i, n - i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(swiglu_row);
HWY_EXPORT(squared_relu_row);
HWY_EXPORT(squared_relu_row_bwd);
HWY_EXPORT(swiglu_row_bwd);

void CpuBackend::activation(const Tensor& y, const Tensor& x, Activation kind) {
  BALLAST_CHECK(y.rows == x.rows && x.cols == y.cols * (kind == Activation::swiglu ? 2 : 1));
  BALLAST_CHECK(kind != Activation::xielu);
  pool_.parallel_for(y.rows, chunk_of(y.rows, y.cols), [&](int64_t begin, int64_t end) {
    if (kind == Activation::gelu) {
      ref::activation(ref::view<float>(rows_of(y, begin, end - begin)),
                      ref::view<float>(rows_of(x, begin, end - begin)), kind);
      return;
    }
    for (int64_t n = begin; n < end; ++n) {
      if (kind == Activation::swiglu) {
        HWY_DYNAMIC_DISPATCH(swiglu_row)(y.row<float>(n), x.row<float>(n), y.cols);
      } else {
        HWY_DYNAMIC_DISPATCH(squared_relu_row)(y.row<float>(n), x.row<float>(n), y.cols);
      }
    }
  });
}

void CpuBackend::activation_bwd(const Tensor& dx, const Tensor& dy, const Tensor& x,
                                Activation kind) {
  BALLAST_CHECK(dy.rows == x.rows && x.cols == dy.cols * (kind == Activation::swiglu ? 2 : 1));
  BALLAST_CHECK(dx.rows == x.rows && dx.cols == x.cols);
  BALLAST_CHECK(kind != Activation::xielu);
  pool_.parallel_for(dy.rows, chunk_of(dy.rows, dy.cols), [&](int64_t begin, int64_t end) {
    if (kind == Activation::gelu) {
      ref::activation_bwd(ref::view<float>(rows_of(dx, begin, end - begin)),
                          ref::view<float>(rows_of(dy, begin, end - begin)),
                          ref::view<float>(rows_of(x, begin, end - begin)), kind);
      return;
    }
    for (int64_t n = begin; n < end; ++n) {
      float* to = dx.row<float>(n);
      if (kind == Activation::swiglu) {
        HWY_DYNAMIC_DISPATCH(swiglu_row_bwd)(to, dy.row<float>(n), x.row<float>(n), dy.cols);
      } else {
        HWY_DYNAMIC_DISPATCH(squared_relu_row_bwd)(to, dy.row<float>(n), x.row<float>(n), dy.cols);
      }
    }
  });
}

}  // namespace ballast
#endif  // HWY_ONCE
