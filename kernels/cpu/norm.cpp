// RMSNorm and LayerNorm by rows of one or more runs each.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/norm.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/norm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

// `groups` runs of n values side by side; rstd has one value per run.
void norm_row(float* y, float* rstd, const float* x, const float* w, int64_t groups, int64_t n,
              float eps) {
  for (int64_t g = 0; g < groups; ++g) rstd[g] = rms_run(y + g * n, x + g * n, w, n, eps);
}

void norm_row_bwd(float* dx, float* dw, const float* dy, const float* x, const float* w,
                  const float* rstd, int64_t groups, int64_t n) {
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t at = g * n;
    rms_run_bwd(dx + at, dw, dy + at, x + at, w, rstd[g], n);
  }
}

void layer_norm_row(float* y, float* mean, float* rstd, const float* x, const float* w,
                    const float* bias, int64_t groups, int64_t n, float eps) {
  for (int64_t g = 0; g < groups; ++g) {
    const MeanRstd s = layer_run(y + g * n, x + g * n, w, bias, n, eps);
    mean[g] = s.mean;
    rstd[g] = s.rstd;
  }
}

void layer_norm_row_bwd(float* dx, float* dw, float* dbias, const float* dy, const float* x,
                        const float* w, const float* mean, const float* rstd, int64_t groups,
                        int64_t n) {
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t at = g * n;
    layer_run_bwd(dx + at, dw, dbias, dy + at, x + at, w, {mean[g], rstd[g]}, n);
  }
}

void add_row(float* y, const float* a, const float* b, int64_t n) {
  for (int64_t i = 0; i < n; i += lanes()) {
    store_up_to(hn::Add(load_up_to(a + i, n - i), load_up_to(b + i, n - i)), y + i, n - i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(norm_row);
HWY_EXPORT(norm_row_bwd);
HWY_EXPORT(layer_norm_row);
HWY_EXPORT(layer_norm_row_bwd);
HWY_EXPORT(add_row);

namespace {

// Runs per row of x.
int64_t groups_of(const Tensor& x, const Tensor& w, const Tensor& rstd) {
  BALLAST_CHECK(w.cols > 0 && x.cols % w.cols == 0);
  const int64_t groups = x.cols / w.cols;
  BALLAST_CHECK(rstd.rows == 1 && rstd.cols == x.rows * groups);
  return groups;
}

bool same_shape(const Tensor& a, const Tensor& b) { return a.rows == b.rows && a.cols == b.cols; }

}  // namespace

void CpuBackend::norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                      float eps) {
  const int64_t groups = groups_of(x, w, rstd);
  BALLAST_CHECK(same_shape(y, x));
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(norm_row)
      (y.row<float>(n), rstd.as<float>() + n * groups, x.row<float>(n), w.as<float>(), groups,
       w.cols, eps);
    }
  });
}

void CpuBackend::add_norm(const Tensor& y, const Tensor& rstd, const Tensor& sum, const Tensor& x,
                          const Tensor& branch, const Tensor& w, float eps) {
  BALLAST_CHECK(groups_of(x, w, rstd) == 1);
  BALLAST_CHECK(same_shape(y, x) && same_shape(sum, x) && same_shape(branch, x));
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(add_row)
      (sum.row<float>(n), x.row<float>(n), branch.row<float>(n), x.cols);
      HWY_DYNAMIC_DISPATCH(norm_row)
      (y.row<float>(n), rstd.as<float>() + n, sum.row<float>(n), w.as<float>(), 1, x.cols, eps);
    }
  });
}

void CpuBackend::norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                          const Tensor& w, const Tensor& rstd) {
  const int64_t groups = groups_of(x, w, rstd);
  BALLAST_CHECK(same_shape(dx, x) && same_shape(dy, x) && dw.cols == w.cols);
  accumulate_rows(dw.as<float>(), x.rows, w.cols, [&](int64_t begin, int64_t end, float* partial) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(norm_row_bwd)
      (dx.row<float>(n), partial, dy.row<float>(n), x.row<float>(n), w.as<float>(),
       rstd.as<float>() + n * groups, groups, w.cols);
    }
  });
}

void CpuBackend::layer_norm(const Tensor& y, const Tensor& mean, const Tensor& rstd,
                            const Tensor& x, const Tensor& w, const Tensor& bias, float eps) {
  const int64_t groups = groups_of(x, w, rstd);
  BALLAST_CHECK(same_shape(y, x) && mean.cols == rstd.cols && bias.cols == w.cols);
  pool_.parallel_for(x.rows, chunk_of(x.rows, x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(layer_norm_row)
      (y.row<float>(n), mean.as<float>() + n * groups, rstd.as<float>() + n * groups,
       x.row<float>(n), w.as<float>(), bias.as<float>(), groups, w.cols, eps);
    }
  });
}

void CpuBackend::layer_norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dbias,
                                const Tensor& dy, const Tensor& x, const Tensor& w,
                                const Tensor& mean, const Tensor& rstd) {
  const int64_t groups = groups_of(x, w, rstd), d = w.cols;
  BALLAST_CHECK(same_shape(dx, x) && same_shape(dy, x) && mean.cols == rstd.cols);
  BALLAST_CHECK(dw.cols == d && dbias.cols == d);
  std::vector<float> sums(static_cast<size_t>(2 * d));  // dw, dbias side by side
  accumulate_rows(sums.data(), x.rows, 2 * d, [&](int64_t begin, int64_t end, float* partial) {
    for (int64_t n = begin; n < end; ++n) {
      HWY_DYNAMIC_DISPATCH(layer_norm_row_bwd)
      (dx.row<float>(n), partial, partial + d, dy.row<float>(n), x.row<float>(n), w.as<float>(),
       mean.as<float>() + n * groups, rstd.as<float>() + n * groups, groups, d);
    }
  });
  for (int64_t i = 0; i < d; ++i) {
    dw.as<float>()[i] += sums[static_cast<size_t>(i)];
    dbias.as<float>()[i] += sums[static_cast<size_t>(d + i)];
  }
}

}  // namespace ballast
#endif  // HWY_ONCE
