#include "kernels/comm/self_comm.h"

#include "libcore/base/device_error.h"

namespace ballast {

namespace {

class SelfComm final : public Comm {
 public:
  explicit SelfComm(Backend& backend) : backend_(backend) {}

  std::string name() const override { return "self"; }
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int local_rank() const override { return 0; }
  int local_size() const override { return 1; }

  EventId all_reduce(const Tensor&, ReduceOp, EventId after) override { return after; }
  EventId reduce_scatter(const Tensor& out, const Tensor& x, ReduceOp, EventId after) override {
    return copy(out, x, after);
  }
  EventId all_gather(const Tensor& out, const Tensor& x, EventId after) override {
    return copy(out, x, after);
  }
  EventId reduce_parts(const Tensor&, std::span<const int64_t>, ReduceOp, EventId after) override {
    return after;
  }
  EventId gather_parts(const Tensor&, std::span<const int64_t>, EventId after) override {
    return after;
  }
  EventId broadcast(const Tensor&, int root, EventId after) override {
    BALLAST_CHECK(root == 0);
    return after;
  }
  EventId send(const Tensor&, int, EventId) override { throw DeviceError("self: no other rank"); }
  EventId receive(const Tensor&, int, EventId) override {
    throw DeviceError("self: no other rank");
  }
  void group_begin() override {}
  EventId group_end() override { return 0; }
  void join(EventId event) override { backend_.wait(StreamId::compute, event); }
  void barrier() override {}
  std::unique_ptr<Comm> split(int) override { return make_self_comm(backend_); }
  void abort() override {}
  void all_reduce_host(std::span<double>, ReduceOp) override {}

 private:
  EventId copy(const Tensor& out, const Tensor& x, EventId after) {
    BALLAST_CHECK(out.elements() == x.elements() && out.dtype == x.dtype);
    if (out.data == x.data) return after;
    // A backend's cast between equal types is a copy on its compute stream.
    backend_.wait(StreamId::compute, after);
    backend_.cast(out, x);
    return backend_.record(StreamId::compute);
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<Comm> make_self_comm(Backend& backend) {
  return std::make_unique<SelfComm>(backend);
}

}  // namespace ballast
