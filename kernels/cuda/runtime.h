// One device as CudaBackend needs it: memory, streams, events. native/runtime.cpp is the CUDA
// runtime, emu/runtime.cpp the host. All calls throw DeviceError. While it is muted nothing is
// queued: launches, copies and waits of streams are dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libcore/base/thread_pool.h"
#include "libcore/tensor/backend.h"

namespace ballast {

// Where kernels are queued.
class Stream {
 public:
  Stream(void* handle, ThreadPool* pool, const bool* muted)
      : handle_(handle), pool_(pool), muted_(muted) {}
  void* handle() const { return handle_; }
  // Of the emulation.
  ThreadPool& pool() const { return *pool_; }
  void enqueue(std::function<void()> work) const;
  void launch(const char* name, const void* kernel, int64_t x, unsigned y, unsigned z,
              unsigned threads, size_t shared_bytes, void** arguments) const;

 private:
  void* handle_;
  ThreadPool* pool_;
  const bool* muted_;
};

// What a process has asked of its device. With BALLAST_DEVICE_STATISTICS=FILE the runtime appends
// it to FILE as a line of JSON when it ends.
struct DeviceCounts {
  int64_t waits = 0;        // of the host, for work that was not done yet
  int64_t allocations = 0;  // of device memory
  int64_t bytes = 0, peak_bytes = 0;
};
void write_counts(const std::string& device, const DeviceCounts& counts);

class Runtime {
 public:
  // `device` -1: the one that is this rank's when the ranks of a host take turns.
  Runtime(int device, int local_rank, ThreadPool& pool);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  std::string name() const;         // "cuda:0", "emu"
  std::string description() const;  // device and versions
  bool has_warpgroups() const;      // wgmma and TMA, as kernels for sm_90a use them
  // 256-byte aligned. The emulation gives every allocation a heap block of exactly its size, filled
  // with the pattern of its settings.
  void* allocate(int64_t bytes);
  void release(void* data);
  // Page-locked memory of the host; copies to and from it run beside the host.
  void* allocate_host(int64_t bytes);
  void release_host(void* data);
  // `host` must stay as it is until the copy has run.
  void copy_in(void* device, const void* host, int64_t bytes, StreamId stream);
  void copy_out(void* host, const void* device, int64_t bytes, StreamId stream);
  void zero(void* device, int64_t bytes, StreamId stream);

  EventId record(StreamId stream);
  void wait(StreamId stream, EventId event);
  void synchronize(EventId event);
  bool reached(EventId event) const;  // any thread
  void mute(bool muted);
  const DeviceCounts& counts() const;
  std::string identity() const;  // different for every device of a host
  const Stream& stream(StreamId id) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace ballast
