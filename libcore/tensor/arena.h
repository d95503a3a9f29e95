// Arena: one allocation of a backend, handed out by a plan. A plan is made by running the same
// carving code over a null arena, which only counts: so peak memory is known before step 0 and
// `plan` agrees with what is allocated. Owner of the memory; one thread.
#pragma once

#include <cstdint>

#include "libcore/tensor/backend.h"

namespace ballast {

class Arena {
 public:
  Arena() = default;  // counts only
  Arena(Backend& backend, int64_t bytes, bool registered = false);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // The next tensor, 256-byte aligned; data is null while counting.
  Tensor take(Dtype dtype, int64_t rows, int64_t cols);
  // The same with rows moved apart where one would begin a multiple of a page after the last:
  // products that read down such columns would find them all in the same sets of the cache.
  Tensor take_activations(Dtype dtype, int64_t rows, int64_t cols);
  int64_t mark() const { return used_; }
  void rewind(int64_t mark) { used_ = mark; }  // what was taken since may be overwritten
  int64_t peak_bytes() const { return peak_; }
  bool counting() const { return backend_ == nullptr; }

 private:
  Backend* backend_ = nullptr;
  char* base_ = nullptr;
  int64_t capacity_ = 0;
  int64_t used_ = 0;
  int64_t peak_ = 0;
};

}  // namespace ballast
