// A fixed pool of threads for kernels and pipelines; the only source of threads for compute.
// parallel_for splits a range into chunks whose borders depend only on the range and the grain,
// never on the number of threads, so a kernel whose chunks write disjoint outputs gives the same
// bits with any number of threads. Calls from several threads are serialised; nested calls run
// inline. What a body throws (out of memory) ends the range early and is thrown by parallel_for,
// when every thread has left the body; of several the first.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace ballast {

class ThreadPool {
 public:
  // `threads` includes the caller; 0 means one per available core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return threads_; }

  // body(begin, end) for consecutive chunks of at most `grain` items that cover [0, n).
  void parallel_for(int64_t n, int64_t grain,
                    const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct State;
  void run_worker();
  int threads_;
  std::unique_ptr<State> state_;
};

// Cores this process may use (affinity and cgroup limits counted), at least 1.
int available_cores();

}  // namespace ballast
