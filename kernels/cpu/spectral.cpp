// Sigma-reparametrisation: products of a matrix with its singular vectors, in vectors of floats
// along rows; sums over rows in double, in row order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spectral.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/norm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

float dot_row(const float* a, const float* b, int64_t n) {
  return sum_terms(n, [&](int64_t i, int64_t left) HWY_ATTR {
    return hn::Mul(load_up_to(a + i, left), load_up_to(b + i, left));
  });
}

// y = factor * x
void scale_row(float* y, const float* x, float factor, int64_t n) {
  const Vector f = hn::Set(Floats(), factor);
  for (int64_t i = 0; i < n; i += lanes())
    store_up_to(hn::Mul(f, load_up_to(x + i, n - i)), y + i, n - i);
}

// y += factor * x
void add_scaled_row(float* y, const float* x, float factor, int64_t n) {
  const Vector f = hn::Set(Floats(), factor);
  for (int64_t i = 0; i < n; i += lanes()) {
    const int64_t left = n - i;
    store_up_to(hn::MulAdd(f, load_up_to(x + i, left), load_up_to(y + i, left)), y + i, left);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(dot_row);
HWY_EXPORT(scale_row);
HWY_EXPORT(add_scaled_row);

namespace {

void check_shapes(const Tensor& w, const Tensor& u, const Tensor& v) {
  BALLAST_CHECK(w.rows > 0 && w.cols > 0 && u.cols == w.cols && v.cols == w.rows);
}

// x / |x|; a zero vector stays one.
void normalise(float* x, int64_t n) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  if (squares == 0) return;
  HWY_DYNAMIC_DISPATCH(scale_row)(x, x, static_cast<float>(1 / std::sqrt(squares)), n);
}

}  // namespace

void CpuBackend::spectral_scale(const Tensor& hat, const Tensor& sigma, const Tensor& w,
                                const Tensor& gain, const Tensor& u, const Tensor& v) {
  check_shapes(w, u, v);
  std::vector<double> sums(static_cast<size_t>(w.rows));
  const int64_t grain = chunk_of(w.rows, w.cols);
  pool_.parallel_for(w.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float product = HWY_DYNAMIC_DISPATCH(dot_row)(w.row<float>(i), u.as<float>(), w.cols);
      sums[static_cast<size_t>(i)] =
          static_cast<double>(product) * static_cast<double>(v.as<float>()[i]);
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  *sigma.as<float>() = static_cast<float>(total);
  const auto factor = static_cast<float>(static_cast<double>(*gain.as<float>()) / total);
  pool_.parallel_for(w.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      HWY_DYNAMIC_DISPATCH(scale_row)(hat.row<float>(i), w.row<float>(i), factor, w.cols);
  });
}

void CpuBackend::spectral_scale_bwd(const Tensor& dw, const Tensor& dgain, const Tensor& dhat,
                                    const Tensor& w, const Tensor& gain, const Tensor& sigma,
                                    const Tensor& u, const Tensor& v) {
  check_shapes(w, u, v);
  BALLAST_CHECK(dhat.rows == w.rows && dhat.cols == w.cols && dw.rows == w.rows);
  std::vector<double> sums(static_cast<size_t>(w.rows));
  const int64_t grain = chunk_of(w.rows, w.cols);
  pool_.parallel_for(w.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      sums[static_cast<size_t>(i)] = static_cast<double>(
          HWY_DYNAMIC_DISPATCH(dot_row)(dhat.row<float>(i), w.row<float>(i), w.cols));
    }
  });
  double inner = 0;
  for (const double sum : sums) inner += sum;
  const double s = static_cast<double>(*sigma.as<float>()), g = inner / s;
  const double factor = static_cast<double>(*gain.as<float>()) / s;
  *dgain.as<float>() += static_cast<float>(g);
  pool_.parallel_for(w.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double left = factor * g * static_cast<double>(v.as<float>()[i]);
      HWY_DYNAMIC_DISPATCH(add_scaled_row)
      (dw.row<float>(i), dhat.row<float>(i), static_cast<float>(factor), w.cols);
      HWY_DYNAMIC_DISPATCH(add_scaled_row)
      (dw.row<float>(i), u.as<float>(), static_cast<float>(-left), w.cols);
    }
  });
}

void CpuBackend::power_iteration(const Tensor& u, const Tensor& v, const Tensor& w) {
  check_shapes(w, u, v);
  pool_.parallel_for(w.rows, chunk_of(w.rows, w.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      v.as<float>()[i] = HWY_DYNAMIC_DISPATCH(dot_row)(w.row<float>(i), u.as<float>(), w.cols);
    }
  });
  normalise(v.as<float>(), v.cols);
  // Columns in parts, each over all rows in order: the same bits with any number of threads.
  pool_.parallel_for(w.cols, 256, [&](int64_t begin, int64_t end) {
    float* part = u.as<float>() + begin;
    std::fill_n(part, end - begin, 0.0f);
    for (int64_t i = 0; i < w.rows; ++i) {
      HWY_DYNAMIC_DISPATCH(add_scaled_row)
      (part, w.row<float>(i) + begin, v.as<float>()[i], end - begin);
    }
  });
  normalise(u.as<float>(), u.cols);
}

}  // namespace ballast
#endif  // HWY_ONCE
