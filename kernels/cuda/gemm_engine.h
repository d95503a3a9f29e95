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
  static int64_t workspace_bytes();  // allocated at the start
  void run(const Stream& stream, const GemmCall& call);

  // Marks the bf16 copy of an f32 weight as old.
  void prepare(const Tensor& weight);
  // The copy, and whether it has to be filled. The weight must have been prepared.
  Tensor copy_of(const Tensor& weight, bool& stale);

  // Until the end run() only chooses algorithms. `real`: tensors have memory, and copies of weights
  // get theirs; otherwise nothing stays.
  void begin_rehearsal(bool real) { rehearsal_ = real ? Rehearsed::real : Rehearsed::imaginary; }
  int64_t end_rehearsal();  // bytes of all copies of weights

  // One line for each shape.
  std::string choices() const;
  bool take_choices(const std::string& choices);

 private:
  struct Copy {
    void* data = nullptr;
    bool stale = true;
    int64_t bytes = 0;
    bool imaginary = false;  // without memory
  };
  enum class Rehearsed : uint8_t { no, real, imaginary };
  using Key = std::tuple<const void*, int64_t, int64_t, int64_t>;
  struct State;
  Runtime& runtime_;
  std::map<Key, Copy> copies_;
  Rehearsed rehearsal_ = Rehearsed::no;
  std::unique_ptr<State> state_;
};

}  // namespace ballast
