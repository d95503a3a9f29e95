// Matrix products of CudaBackend: cuBLASLt on a device, plain loops in the emulation. Weights stay
// f32; with bf16 activations a product reads a bf16 copy, made once per update.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "kernels/cuda/runtime.h"
#include "libcore/tensor/backend.h"

namespace ballast {

// D (m, n) = alpha op(A) op(B) + beta C, f32 sums. A and B have one type, f32 or bf16; C has D's
// type: that of A, or f32.
struct GemmCall {
  Tensor d, a, b, c;
  bool transpose_a, transpose_b;
  float alpha, beta;
};

class GemmEngine {
 public:
  explicit GemmEngine(Runtime& runtime);
  ~GemmEngine();
  GemmEngine(const GemmEngine&) = delete;
  GemmEngine& operator=(const GemmEngine&) = delete;

  std::string description() const;
  void run(const Stream& stream, const GemmCall& call);

  // Marks the bf16 copy of an f32 weight as old.
  void prepare(const Tensor& weight);
  // The copy, and whether it has to be filled. The weight must have been prepared.
  Tensor copy_of(const Tensor& weight, bool& stale);

 private:
  struct Copy {
    void* data = nullptr;
    bool stale = true;
  };
  using Key = std::tuple<const void*, int64_t, int64_t, int64_t>;
  struct State;
  Runtime& runtime_;
  std::map<Key, Copy> copies_;
  std::unique_ptr<State> state_;
};

}  // namespace ballast
