// Rows of a table by token id, and the scatter-add of their gradients.
#pragma once

#include "kernels/ref/matrix.h"

namespace ballast::ref {

// y (N, H), table (V, H), tokens (1, N).
template <class T>
void embed(Matrix<T> y, Matrix<T> table, Matrix<int32_t> tokens) {
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t h = 0; h < y.cols; ++h) y(n, h) = table(tokens(0, n), h);
  }
}

template <class T>
void embed_bwd(Matrix<T> dtable, Matrix<T> dy, Matrix<int32_t> tokens) {
  for (int64_t n = 0; n < dy.rows; ++n) {
    for (int64_t h = 0; h < dy.cols; ++h) dtable(tokens(0, n), h) += dy(n, h);
  }
}

}  // namespace ballast::ref
