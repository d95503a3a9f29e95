// LayerScale (Touvron et al. 2021): y = x * gain, one gain per channel. dgain accumulates.
#pragma once

#include "kernels/ref/matrix.h"

namespace ballast::ref {

template <class T>
void scale_channels(Matrix<T> y, Matrix<T> x, Matrix<T> gain) {
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int64_t h = 0; h < x.cols; ++h) y(n, h) = x(n, h) * gain(0, h);
  }
}

template <class T>
void scale_channels_bwd(Matrix<T> dx, Matrix<T> dgain, Matrix<T> dy, Matrix<T> x, Matrix<T> gain) {
  for (int64_t n = 0; n < x.rows; ++n) {
    for (int64_t h = 0; h < x.cols; ++h) {
      dgain(0, h) += dy(n, h) * x(n, h);
      dx(n, h) = dy(n, h) * gain(0, h);
    }
  }
}

}  // namespace ballast::ref
