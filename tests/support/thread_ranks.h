// Ranks as threads of a test: the collectives of ExchangeComm over memory, with a count of what
// each rank sends.
#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/comm/async_comm.h"
#include "kernels/comm/exchange_comm.h"
#include "kernels/comm/link.h"

namespace ballast {

// Messages on their way, by (from, to).
struct Mailboxes {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::pair<int, int>, std::deque<std::vector<char>>> messages;
};

class ThreadLink final : public Link {
 public:
  ThreadLink(std::shared_ptr<Mailboxes> boxes, int rank, int size)
      : boxes_(std::move(boxes)), rank_(rank), size_(size) {}
  std::string name() const override { return "threads"; }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void exchange(std::span<const Transfer> transfers) override {
    std::unique_lock lock(boxes_->mutex);
    for (const Transfer& t : transfers) {
      if (t.send_bytes == 0) continue;
      const char* bytes = static_cast<const char*>(t.send);
      boxes_->messages[{rank_, t.peer}].emplace_back(bytes, bytes + t.send_bytes);
      sent_ += t.send_bytes;
    }
    boxes_->changed.notify_all();
    for (const Transfer& t : transfers) {
      if (t.receive_bytes == 0) continue;
      auto& box = boxes_->messages[{t.peer, rank_}];
      boxes_->changed.wait(lock, [&] { return !box.empty(); });
      BALLAST_CHECK(static_cast<int64_t>(box.front().size()) == t.receive_bytes);
      std::memcpy(t.receive, box.front().data(), box.front().size());
      box.pop_front();
    }
  }
  void abort() override {}
  int64_t take_sent() { return std::exchange(sent_, 0); }

 private:
  std::shared_ptr<Mailboxes> boxes_;
  int rank_, size_;
  int64_t sent_ = 0;
};

// body(comm, link) on every rank; its rank is comm.rank(). `async`: through AsyncComm.
inline void with_thread_ranks(int size, const std::function<void(Comm&, ThreadLink&)>& body,
                              bool async = false) {
  const auto boxes = std::make_shared<Mailboxes>();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&body, boxes, rank, size, async] {
      const auto link = std::make_shared<ThreadLink>(boxes, rank, size);
      const auto open = [&]() -> Result<std::unique_ptr<Comm>> { return make_exchange_comm(link); };
      const std::unique_ptr<Comm> comm = (async ? make_async_comm(open) : open()).take_value();
      link->take_sent();
      body(*comm, *link);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace ballast
