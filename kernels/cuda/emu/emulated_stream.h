// A stream of the emulation, as the address that stands for a cudaStream_t there: work is appended
// and runs, in order, once somebody waits. One thread.
#pragma once

#include <functional>

namespace ballast {

class EmulatedStream {
 public:
  virtual ~EmulatedStream() = default;
  virtual void enqueue(std::function<void()> work) = 0;
};

}  // namespace ballast
