#include "libcore/base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "libcore/base/check.h"

namespace ballast {

namespace {
thread_local bool inside_parallel_for = false;
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

struct ThreadPool::State {
  std::mutex serial;  // one parallel_for at a time
  std::mutex mutex;
  std::condition_variable start, done;
  uint64_t generation = 0;
  bool stopping = false;
  int busy = 0;
  const std::function<void(int64_t, int64_t)>* body = nullptr;
  int64_t n = 0, grain = 1;
  std::atomic<int64_t> next{0};
  std::exception_ptr thrown;
  std::vector<std::thread> workers;

  void work() {
    inside_parallel_for = true;
    try {
      for (;;) {
        const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
        if (begin >= n) break;
        (*body)(begin, std::min(n, begin + grain));
      }
    } catch (...) {
      next.store(n, std::memory_order_relaxed);
      const std::lock_guard lock(mutex);
      if (!thrown) thrown = std::current_exception();
    }
    inside_parallel_for = false;
  }
};

ThreadPool::ThreadPool(int threads)
    : threads_(threads > 0 ? threads : available_cores()), state_(std::make_unique<State>()) {
  for (int i = 1; i < threads_; ++i) state_->workers.emplace_back([this] { run_worker(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->start.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void ThreadPool::run_worker() {
  State& state = *state_;
  uint64_t seen = 0;
  for (;;) {
    std::unique_lock lock(state.mutex);
    state.start.wait(lock, [&] { return state.stopping || state.generation != seen; });
    if (state.stopping) return;
    seen = state.generation;
    lock.unlock();
    state.work();
    lock.lock();
    if (--state.busy == 0) state.done.notify_one();
  }
}

void ThreadPool::parallel_for(int64_t n, int64_t grain,
                              const std::function<void(int64_t, int64_t)>& body) {
  BALLAST_CHECK(grain > 0);
  if (n <= 0) return;
  if (threads_ == 1 || n <= grain || inside_parallel_for) {
    for (int64_t begin = 0; begin < n; begin += grain) body(begin, std::min(n, begin + grain));
    return;
  }
  State& state = *state_;
  const std::lock_guard serial(state.serial);
  {
    const std::lock_guard lock(state.mutex);
    state.body = &body;
    state.n = n;
    state.grain = grain;
    state.next.store(0, std::memory_order_relaxed);
    state.busy = threads_ - 1;
    ++state.generation;
  }
  state.start.notify_all();
  state.work();
  std::unique_lock lock(state.mutex);
  state.done.wait(lock, [&] { return state.busy == 0; });
  if (state.thrown) std::rethrow_exception(std::exchange(state.thrown, nullptr));
}

}  // namespace ballast
