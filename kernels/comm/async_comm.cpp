#include "kernels/comm/async_comm.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace ballast {

namespace {

// The thread and its queue. Tasks are numbered from 1.
class Worker {
 public:
  Worker() : thread_([this] { loop(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  EventId post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
    return ++posted_;
  }

  // Waits for a task; throws what any task so far has thrown.
  void wait(EventId event) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ >= event || failure_ != nullptr; });
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  // The same for a task that must run whatever went wrong before.
  void run_last(std::function<void()> task) {
    const EventId event = post(std::move(task));
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ >= event; });
  }

 private:
  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      std::exception_ptr failure;
      try {
        task();
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure_ == nullptr) failure_ = failure;
      ++done_;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  EventId posted_ = 0, done_ = 0;
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

class AsyncComm final : public Comm {
 public:
  AsyncComm(std::shared_ptr<Worker> worker, std::unique_ptr<Comm> comm)
      : worker_(std::move(worker)),
        comm_(std::move(comm)),
        broken_(std::make_shared<bool>(false)) {}
  ~AsyncComm() override {
    worker_->run_last([this] { comm_.reset(); });
  }

  std::string name() const override { return comm_->name(); }
  int rank() const override { return comm_->rank(); }
  int size() const override { return comm_->size(); }
  int local_rank() const override { return comm_->local_rank(); }
  int local_size() const override { return comm_->local_size(); }

  EventId all_reduce(const Tensor& x, ReduceOp op, EventId after) override {
    return post([=](Comm& c) { c.all_reduce(x, op, after); });
  }
  EventId reduce_scatter(const Tensor& out, const Tensor& x, ReduceOp op, EventId after) override {
    return post([=](Comm& c) { c.reduce_scatter(out, x, op, after); });
  }
  EventId all_gather(const Tensor& out, const Tensor& x, EventId after) override {
    return post([=](Comm& c) { c.all_gather(out, x, after); });
  }
  EventId reduce_parts(const Tensor& x, std::span<const int64_t> borders, ReduceOp op,
                       EventId after) override {
    const std::vector<int64_t> kept(borders.begin(), borders.end());
    return post([=](Comm& c) { c.reduce_parts(x, kept, op, after); });
  }
  EventId gather_parts(const Tensor& x, std::span<const int64_t> borders, EventId after) override {
    const std::vector<int64_t> kept(borders.begin(), borders.end());
    return post([=](Comm& c) { c.gather_parts(x, kept, after); });
  }
  EventId broadcast(const Tensor& x, int root, EventId after) override {
    return post([=](Comm& c) { c.broadcast(x, root, after); });
  }
  EventId send(const Tensor& x, int to, EventId after) override {
    return post([=](Comm& c) { c.send(x, to, after); });
  }
  EventId receive(const Tensor& x, int from, EventId after) override {
    return post([=](Comm& c) { c.receive(x, from, after); });
  }
  void group_begin() override {
    post([](Comm& c) { c.group_begin(); });
  }
  EventId group_end() override {
    return post([](Comm& c) { c.group_end(); });
  }
  void join(EventId event) override { worker_->wait(event); }
  void barrier() override {
    join(post([](Comm& c) { c.barrier(); }));
  }
  std::unique_ptr<Comm> split(int color) override {
    std::unique_ptr<Comm> part;
    join(post([&](Comm& c) { part = c.split(color); }));
    return std::make_unique<AsyncComm>(worker_, std::move(part));
  }
  void abort() override { comm_->abort(); }
  void all_reduce_host(std::span<double> values, ReduceOp op) override {
    join(post([=](Comm& c) { c.all_reduce_host(values, op); }));
  }

 private:
  // After a failure ranks no longer agree on what comes next, so nothing more is sent.
  template <class Call>
  EventId post(Call call) {
    return worker_->post([this, broken = broken_, call] {
      if (*broken) return;
      *broken = true;
      call(*comm_);
      *broken = false;
    });
  }

  std::shared_ptr<Worker> worker_;
  std::unique_ptr<Comm> comm_;
  std::shared_ptr<bool> broken_;  // of the worker's thread alone
};

}  // namespace

Result<std::unique_ptr<Comm>> make_async_comm(const CommOpener& open) {
  auto worker = std::make_shared<Worker>();
  std::unique_ptr<Comm> comm;
  Error error;
  worker->wait(worker->post([&] {
    Result<std::unique_ptr<Comm>> opened = open();
    if (opened.ok()) {
      comm = opened.take_value();
    } else {
      error = opened.take_error();
    }
  }));
  if (comm == nullptr) return error;
  return std::unique_ptr<Comm>(std::make_unique<AsyncComm>(std::move(worker), std::move(comm)));
}

}  // namespace ballast
