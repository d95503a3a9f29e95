// Elementwise passes over flat buffers (1, n), n a multiple of kFlatBlock, in rows of a block each,
// so that a backend can share the rows out.
#pragma once

#include "libcore/tensor/backend.h"

namespace ballast {

inline Tensor blocks_of(const Tensor& flat) {
  return make_tensor(flat.data, flat.dtype, flat.cols / kFlatBlock, kFlatBlock);
}

inline void copy_flat(Backend& backend, const Tensor& to, const Tensor& from) {
  if (from.cols > 0) backend.scale(blocks_of(to), blocks_of(from), 1.0f);
}

// sum += x
inline void add_flat(Backend& backend, const Tensor& sum, const Tensor& x) {
  if (x.cols > 0) backend.add(blocks_of(sum), blocks_of(sum), blocks_of(x));
}

// a <-> b by way of `scratch`, which may be shorter and is overwritten.
inline void exchange_flat(Backend& backend, const Tensor& a, const Tensor& b,
                          const Tensor& scratch) {
  for (int64_t begin = 0; begin < a.cols; begin += scratch.cols) {
    const int64_t n = begin + scratch.cols <= a.cols ? scratch.cols : a.cols - begin;
    const Tensor some_a = cols_of(a, begin, n), some_b = cols_of(b, begin, n),
                 kept = cols_of(scratch, 0, n);
    copy_flat(backend, kept, some_a);
    copy_flat(backend, some_a, some_b);
    copy_flat(backend, some_b, kept);
  }
}

}  // namespace ballast
