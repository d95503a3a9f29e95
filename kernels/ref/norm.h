// RMSNorm (Zhang & Sennrich 2019): y = x * r * w with r = (mean x^2 + eps)^-1/2 per run of D =
// w.cols columns. Backward:
//   dx = r * (w * dy) - x * r^3 / D * sum(w * dy * x),   dw = sum over runs of dy * x * r.
// LayerNorm (Ba et al. 2016): with xh = (x - mean) r, y = xh * w + bias. Backward:
//   dx = r * (w dy - mean(w dy) - xh * mean(w dy xh)),   dw = sum dy * xh,   dbias = sum dy.
#pragma once

#include "kernels/ref/matrix.h"

namespace ballast::ref {

template <class T>
T norm_row(T* y, const T* x, const T* w, int64_t n, T eps) {
  T sum{0};
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  const T r = T{1} / std::sqrt(sum / static_cast<T>(static_cast<double>(n)) + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * r * w[i];
  return r;
}

// dw accumulates; dx may alias dy.
template <class T>
void norm_row_bwd(T* dx, T* dw, const T* dy, const T* x, const T* w, T r, int64_t n) {
  T sum{0};
  for (int64_t i = 0; i < n; ++i) sum += w[i] * dy[i] * x[i];
  const T slope = r * r * r * sum / static_cast<T>(static_cast<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    dw[i] += dy[i] * x[i] * r;
    dx[i] = r * w[i] * dy[i] - x[i] * slope;
  }
}

// y, x (N, G*D), w (1, D), rstd (1, N*G).
template <class T>
void norm(Matrix<T> y, Matrix<T> rstd, Matrix<T> x, Matrix<T> w, T eps) {
  const int64_t d = w.cols, groups = x.cols / d;
  for (int64_t run = 0; run < x.rows * groups; ++run) {
    const int64_t n = run / groups, at = run % groups * d;
    rstd(0, run) = norm_row(y.row(n) + at, x.row(n) + at, w.row(0), d, eps);
  }
}

template <class T>
void add_norm(Matrix<T> y, Matrix<T> rstd, Matrix<T> sum, Matrix<T> x, Matrix<T> branch,
              Matrix<T> w, T eps) {
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int64_t h = 0; h < x.cols; ++h) sum(n, h) = x(n, h) + branch(n, h);
  }
  norm(y, rstd, sum, w, eps);
}

template <class T>
void norm_bwd(Matrix<T> dx, Matrix<T> dw, Matrix<T> dy, Matrix<T> x, Matrix<T> w, Matrix<T> rstd) {
  const int64_t d = w.cols, groups = x.cols / d;
  for (int64_t run = 0; run < x.rows * groups; ++run) {
    const int64_t n = run / groups, at = run % groups * d;
    norm_row_bwd(dx.row(n) + at, dw.row(0), dy.row(n) + at, x.row(n) + at, w.row(0), rstd(0, run),
                 d);
  }
}

template <class T>
struct LayerStats {
  T mean, rstd;
};

template <class T>
LayerStats<T> layer_norm_row(T* y, const T* x, const T* w, const T* bias, int64_t n, T eps) {
  const T count = static_cast<T>(static_cast<double>(n));
  T sum{0}, squares{0};
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  const T mean = sum / count;
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const T r = T{1} / std::sqrt(squares / count + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * r * w[i] + bias[i];
  return {mean, r};
}

// dw and dbias accumulate; dx may alias dy.
template <class T>
void layer_norm_row_bwd(T* dx, T* dw, T* dbias, const T* dy, const T* x, const T* w,
                        const LayerStats<T>& s, int64_t n) {
  const T count = static_cast<T>(static_cast<double>(n));
  T sum{0}, inner{0};
  for (int64_t i = 0; i < n; ++i) {
    sum += w[i] * dy[i];
    inner += w[i] * dy[i] * (x[i] - s.mean) * s.rstd;
  }
  for (int64_t i = 0; i < n; ++i) {
    const T xh = (x[i] - s.mean) * s.rstd;
    dw[i] += dy[i] * xh;
    dbias[i] += dy[i];
    dx[i] = s.rstd * (w[i] * dy[i] - sum / count - xh * inner / count);
  }
}

// mean, rstd (1, N*G), w, bias (1, D).
template <class T>
void layer_norm(Matrix<T> y, Matrix<T> mean, Matrix<T> rstd, Matrix<T> x, Matrix<T> w,
                Matrix<T> bias, T eps) {
  const int64_t d = w.cols, groups = x.cols / d;
  for (int64_t run = 0; run < x.rows * groups; ++run) {
    const int64_t n = run / groups, at = run % groups * d;
    const LayerStats<T> s =
        layer_norm_row(y.row(n) + at, x.row(n) + at, w.row(0), bias.row(0), d, eps);
    mean(0, run) = s.mean;
    rstd(0, run) = s.rstd;
  }
}

template <class T>
void layer_norm_bwd(Matrix<T> dx, Matrix<T> dw, Matrix<T> dbias, Matrix<T> dy, Matrix<T> x,
                    Matrix<T> w, Matrix<T> mean, Matrix<T> rstd) {
  const int64_t d = w.cols, groups = x.cols / d;
  for (int64_t run = 0; run < x.rows * groups; ++run) {
    const int64_t n = run / groups, at = run % groups * d;
    layer_norm_row_bwd<T>(dx.row(n) + at, dw.row(0), dbias.row(0), dy.row(n) + at, x.row(n) + at,
                          w.row(0), {mean(0, run), rstd(0, run)}, d);
  }
}

}  // namespace ballast::ref
