#include "kernels/comm/staged_comm.h"

#include <functional>
#include <vector>

namespace ballast {

namespace {

class StagedComm final : public Comm {
 public:
  StagedComm(Backend& backend, std::unique_ptr<Comm> host)
      : backend_(backend), host_(std::move(host)) {}

  std::string name() const override { return host_->name(); }
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  int local_rank() const override { return host_->local_rank(); }
  int local_size() const override { return host_->local_size(); }

  EventId all_reduce(const Tensor& x, ReduceOp op, EventId after) override {
    Copy copy = out_of(x, after);
    const EventId event = host_->all_reduce(copy.tensor, op, 0);
    return finish(event, std::move(copy), x, 0);
  }
  EventId reduce_scatter(const Tensor& out, const Tensor& x, ReduceOp op, EventId after) override {
    Copy from = out_of(x, after), to = room_for(out);
    const EventId event = host_->reduce_scatter(to.tensor, from.tensor, op, 0);
    return finish(event, std::move(to), out, 0, std::move(from));
  }
  EventId all_gather(const Tensor& out, const Tensor& x, EventId after) override {
    Copy from = out_of(x, after), to = room_for(out);
    const EventId event = host_->all_gather(to.tensor, from.tensor, 0);
    return finish(event, std::move(to), out, 0, std::move(from));
  }
  EventId reduce_parts(const Tensor& x, std::span<const int64_t> borders, ReduceOp op,
                       EventId after) override {
    Copy copy = out_of(x, after);
    const EventId event = host_->reduce_parts(copy.tensor, borders, op, 0);
    return finish(event, std::move(copy), own_part(x, borders), own_begin(borders));
  }
  EventId gather_parts(const Tensor& x, std::span<const int64_t> borders, EventId after) override {
    Copy copy = out_of(x, after);
    const EventId event = host_->gather_parts(copy.tensor, borders, 0);
    return finish(event, std::move(copy), x, 0);
  }
  EventId broadcast(const Tensor& x, int root, EventId after) override {
    Copy copy = out_of(x, after);
    const EventId event = host_->broadcast(copy.tensor, root, 0);
    return finish(event, std::move(copy), x, 0);
  }
  EventId send(const Tensor& x, int to, EventId after) override {
    Copy copy = out_of(x, after);
    const EventId event = host_->send(copy.tensor, to, 0);
    return finish(event, std::move(copy), Tensor(), 0);
  }
  EventId receive(const Tensor& x, int from, EventId after) override {
    backend_.synchronize(after);
    Copy copy = room_for(x);
    const EventId event = host_->receive(copy.tensor, from, 0);
    return finish(event, std::move(copy), x, 0);
  }
  void group_begin() override {
    grouped_ = true;
    host_->group_begin();
  }
  EventId group_end() override {
    grouped_ = false;
    host_->join(host_->group_end());
    for (const std::function<void()>& write_back : pending_) write_back();
    pending_.clear();
    return 0;
  }
  void join(EventId) override {}  // everything has run
  void barrier() override { host_->barrier(); }
  std::unique_ptr<Comm> split(int color) override {
    return make_staged_comm(backend_, host_->split(color));
  }
  void abort() override { host_->abort(); }
  Comm& host() override { return *host_; }
  void all_reduce_host(std::span<double> values, ReduceOp op) override {
    host_->all_reduce_host(values, op);
  }

 private:
  // Of a device tensor (1, n), in host memory. std::vector keeps its address when it is moved.
  struct Copy {
    std::vector<char> bytes;
    Tensor tensor;
  };

  static int64_t bytes_in(const Tensor& x) {
    BALLAST_CHECK(x.contiguous());
    return x.elements() * bytes_of(x.dtype);
  }
  static Copy room_for(const Tensor& x) {
    Copy copy;
    copy.bytes.resize(static_cast<size_t>(bytes_in(x)));
    copy.tensor = make_tensor(copy.bytes.data(), x.dtype, x.rows, x.cols);
    return copy;
  }
  Copy out_of(const Tensor& x, EventId after) {
    Copy copy = room_for(x);
    backend_.wait(StreamId::copy, after);
    backend_.copy_out(copy.bytes.data(), x.data, bytes_in(x), StreamId::copy);
    backend_.synchronize(backend_.record(StreamId::copy));
    return copy;
  }

  int64_t own_begin(std::span<const int64_t> borders) const {
    return borders[static_cast<size_t>(rank())];
  }
  Tensor own_part(const Tensor& x, std::span<const int64_t> borders) const {
    const int64_t end = borders[static_cast<size_t>(rank()) + 1];
    return cols_of(x, own_begin(borders), end - own_begin(borders));
  }

  // After the exchange: `to` gets the elements of the copy from `begin` on. `kept` lives as long as
  // the exchange.
  EventId finish(EventId event, Copy copy, const Tensor& to, int64_t begin, Copy kept = {}) {
    if (!grouped_) {
      host_->join(event);
      write_back(copy, to, begin);
      return 0;
    }
    // Shared: std::function wants to copy.
    const auto both = std::make_shared<std::pair<Copy, Copy>>(std::move(copy), std::move(kept));
    pending_.push_back([this, both, to, begin] { write_back(both->first, to, begin); });
    return 0;
  }
  void write_back(const Copy& copy, const Tensor& to, int64_t begin) {
    if (to.empty() || to.elements() == 0) return;
    backend_.copy_in(to.data, copy.bytes.data() + begin * bytes_of(to.dtype), bytes_in(to),
                     StreamId::copy);
    backend_.synchronize(backend_.record(StreamId::copy));
  }

  Backend& backend_;
  std::unique_ptr<Comm> host_;
  bool grouped_ = false;
  std::vector<std::function<void()>> pending_;
};

}  // namespace

std::unique_ptr<Comm> make_staged_comm(Backend& backend, std::unique_ptr<Comm> host) {
  return std::make_unique<StagedComm>(backend, std::move(host));
}

}  // namespace ballast
