// Streams of blocks through all threads of a pool: a block is read, worked on and taken, each by
// whichever thread is free. Of one stream one block is read at a time, and blocks are taken in the
// order in which they were read; what is taken therefore depends neither on the number of threads
// nor on their luck. Several streams are under way side by side where one alone cannot feed the
// threads. At most `most_blocks` blocks exist at a time, so memory does not grow with the input.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/thread_pool.h"

namespace ballast {

template <class Block>
class BlockStream {
 public:
  virtual ~BlockStream() = default;
  // The next block into an empty one; false at the end. One call at a time, by any thread.
  virtual Result<bool> read(Block& block) = 0;
  // What needs neither order nor other blocks; any number of calls at a time. `worker` is below the
  // pool's size, and no two calls with the same one overlap.
  virtual void work(Block& block, int worker) = 0;
  // In the order of read(), one call at a time.
  virtual Result<void> take(Block& block) = 0;
};

template <class Block>
class BlockPipeline {
 public:
  using Stream = BlockStream<Block>;
  // Gives the streams one after the other; null after the last. Called under a lock: opens nothing.
  using NextStream = std::function<std::unique_ptr<Stream>()>;
  struct Failure {
    int64_t stream = 0;  // counted from 0 in the order of NextStream
    Error error;
  };

  BlockPipeline(ThreadPool& pool, NextStream next)
      : pool_(pool),
        next_(std::move(next)),
        most_streams_(static_cast<size_t>(pool.size())),
        most_blocks_(2 * pool.size() + 1) {}

  // Runs every stream to its end. A stream that fails ends there, after the blocks before were
  // taken; the others go on. Failures in the order of streams. What a call throws ends all of them
  // and is thrown.
  std::vector<Failure> run() {
    pool_.parallel_for(pool_.size(), 1,
                       [&](int64_t begin, int64_t) { work_until_done(static_cast<int>(begin)); });
    std::sort(failures_.begin(), failures_.end(),
              [](const Failure& a, const Failure& b) { return a.stream < b.stream; });
    return std::move(failures_);
  }

 private:
  struct Slot {
    Block block;
    bool worked = false;
  };
  struct Open {
    int64_t number = 0;
    std::unique_ptr<Stream> stream;
    std::deque<std::unique_ptr<Slot>> slots;  // read and not taken, in order
    bool reading = false, taking = false, ended = false;
    bool broken = false;         // its blocks are let go, not taken
    std::optional<Error> error;  // counts when the blocks before it are taken
  };
  using Lock = std::unique_lock<std::mutex>;

  void work_until_done(int worker) {
    try {
      Lock lock(mutex_);
      while (!done()) {
        if (take_one(lock) || read_ahead(lock) || work_one(lock, worker) || read_one(lock))
          continue;
        if (!done()) changed_.wait(lock);
      }
    } catch (...) {
      const Lock lock(mutex_);
      abandoned_ = true;
      changed_.notify_all();
      throw;
    }
  }

  bool done() const { return abandoned_ || (drained_ && open_.empty()); }

  bool take_one(Lock& lock) {
    for (const auto& entry : open_) {
      Open& open = *entry;
      if (open.taking || open.slots.empty() || !open.slots.front()->worked) continue;
      open.taking = true;
      const std::unique_ptr<Slot> slot = std::move(open.slots.front());
      open.slots.pop_front();
      const bool wanted = !open.broken;
      lock.unlock();
      Result<void> taken;
      if (wanted) taken = open.stream->take(slot->block);
      slot->block = Block();
      lock.lock();
      open.taking = false;
      --blocks_;
      if (!taken.ok()) {
        open.error = taken.take_error();
        open.broken = open.ended = true;
      }
      close_if_done(open);
      changed_.notify_all();
      return true;
    }
    return false;
  }

  bool work_one(Lock& lock, int worker) {
    if (ready_.empty()) return false;
    const auto [open, slot] = ready_.front();
    ready_.pop_front();
    const bool wanted = !open->broken;
    lock.unlock();
    if (wanted) open->stream->work(slot->block, worker);
    lock.lock();
    slot->worked = true;
    changed_.notify_all();
    return true;
  }

  // While other threads are busy with blocks, one sees to it that they find more.
  bool read_ahead(Lock& lock) {
    return static_cast<int>(ready_.size()) + 1 < pool_.size() && read_one(lock);
  }

  bool read_one(Lock& lock) {
    if (blocks_ >= most_blocks_) return false;
    Open* const open = stream_to_read();
    if (open == nullptr) return false;
    open->reading = true;
    ++blocks_;
    auto slot = std::make_unique<Slot>();
    lock.unlock();
    Result<bool> more = open->stream->read(slot->block);
    lock.lock();
    open->reading = false;
    if (more.ok() && *more && !open->broken) {
      ready_.emplace_back(open, slot.get());
      open->slots.push_back(std::move(slot));
    } else {
      --blocks_;
      open->ended = true;
      if (!more.ok() && !open->error) open->error = more.take_error();
    }
    close_if_done(*open);
    changed_.notify_all();
    return true;
  }

  // The first stream that may be read, opened if need be.
  Open* stream_to_read() {
    for (const auto& open : open_)
      if (!open->reading && !open->ended) return open.get();
    if (drained_ || open_.size() >= most_streams_) return nullptr;
    std::unique_ptr<Stream> stream = next_();
    if (!stream) {
      drained_ = true;
      changed_.notify_all();
      return nullptr;
    }
    open_.push_back(std::make_unique<Open>());
    open_.back()->number = numbered_++;
    open_.back()->stream = std::move(stream);
    return open_.back().get();
  }

  void close_if_done(Open& open) {
    if (!open.ended || open.reading || open.taking || !open.slots.empty()) return;
    if (open.error) failures_.push_back({open.number, std::move(*open.error)});
    open_.erase(std::find_if(open_.begin(), open_.end(),
                             [&](const auto& entry) { return entry.get() == &open; }));
  }

  ThreadPool& pool_;
  NextStream next_;
  const size_t most_streams_;
  const int most_blocks_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Open>> open_;
  std::deque<std::pair<Open*, Slot*>> ready_;
  int blocks_ = 0;  // being read, worked on, waiting or being taken
  int64_t numbered_ = 0;
  bool drained_ = false, abandoned_ = false;
  std::vector<Failure> failures_;
};

}  // namespace ballast
