// Rehearsal: what a device would otherwise find out in its first step, found out before it. A
// backend that implements it (the CUDA backend does, the CPU backend has no need) runs nothing
// between begin and end: ops only note the workspace that they will want, prepare() the copies of
// weights, gemm() the shapes. So a step allocates nothing and measures no algorithm, and `pretrain
// plan` counts what a run takes. Asked for by dynamic_cast from Backend. One thread.
#pragma once

#include <cstdint>
#include <string>

namespace ballast {

struct RehearsedMemory {
  int64_t workspace = 0;      // of ops, bytes
  int64_t weight_copies = 0;  // of prepare()
  int64_t products = 0;       // the library's workspace
  int64_t total() const { return workspace + weight_copies + products; }
};

class Rehearsal {
 public:
  virtual ~Rehearsal() = default;
  enum class Kind : uint8_t {
    real,  // tensors are those of the run: at the end the workspace stands, algorithms are chosen
    imaginary,  // allocate() hands out addresses without memory, and nothing stays
  };
  virtual void begin_rehearsal(Kind kind) = 0;
  virtual RehearsedMemory end_rehearsal() = 0;

  // The algorithm of every product so far, one line of text each; empty: the device has no choice.
  // The same algorithms give the same bits.
  virtual std::string product_choices() const = 0;
  // Takes the choices of another run for the shapes that it names, instead of measuring. False:
  // they are of another library or device, and are left alone.
  virtual bool take_product_choices(const std::string& choices) = 0;
};

}  // namespace ballast
