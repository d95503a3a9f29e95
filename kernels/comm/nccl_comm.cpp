// The nccl transport: collectives of device memory on the backend's communication stream, loaded as
// ballast_nccl.so. What stands in host memory, the id of the communicator, barriers and the
// watchdog go over a transport of the host's, which it owns. One host thread drives it; abort() may
// come from any.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/comm/nccl_communicator.h"
#include "kernels/comm/nccl_memory.h"
#include "kernels/comm/nccl_plugin.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {

ncclDataType_t type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return ncclFloat64;
    case Dtype::f32:
      return ncclFloat32;
    case Dtype::bf16:
      return ncclBfloat16;
    case Dtype::f16:
      return ncclFloat16;
    case Dtype::i32:
      return ncclInt32;
    case Dtype::u8:
      return ncclUint8;
  }
  return ncclUint8;
}

ncclRedOp_t operation(ReduceOp op) { return op == ReduceOp::sum ? ncclSum : ncclMax; }

size_t count_of(const Tensor& x) {
  BALLAST_CHECK(x.contiguous());
  return static_cast<size_t>(x.elements());
}

char* bytes_at(const Tensor& x, int64_t element) {
  return static_cast<char*>(x.data) + element * bytes_of(x.dtype);
}

// The size of every part; 0: they differ, or there is nothing.
int64_t equal_part(std::span<const int64_t> borders) {
  const int64_t first = borders[1] - borders[0];
  for (size_t r = 1; r + 1 < borders.size(); ++r)
    if (borders[r + 1] - borders[r] != first) return 0;
  return first;
}

class NcclComm final : public Comm {
 public:
  NcclComm(const NcclOpening& opening, std::shared_ptr<const NcclLibrary> library, Comm& host)
      : opening_(opening),
        library_(std::move(library)),
        stream_(static_cast<cudaStream_t>(opening.device->stream_handle(StreamId::communication))),
        communicator_(library_, *opening.device, host.size(), host.rank(), share_id(host),
                      opening.timeout_s) {}
  // Only now, so that a failing constructor leaves the host's transport to the caller.
  void own(std::unique_ptr<Comm> host) { host_ = std::move(host); }
  void offer_memory() {
    if (!library_->has_memory) return;
    memory_ = std::make_shared<NcclMemory>(communicator_, library_);
    opening_.device->use_registered_memory(memory_);
  }
  ~NcclComm() override {
    try {
      run_out();
    } catch (const DeviceError&) {  // it ends here in any case
    }
    if (memory_ != nullptr) memory_->detach();
  }

  std::string name() const override { return "nccl"; }
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  int local_rank() const override { return host_->local_rank(); }
  int local_size() const override { return host_->local_size(); }
  std::string sums() const override {
    return library_->description() + (opening_.settings.empty() ? "" : ", " + opening_.settings);
  }

  EventId all_reduce(const Tensor& x, ReduceOp op, EventId after) override {
    check_sum(x);
    return run("ncclAllReduce", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
      return nccl.ncclAllReduce(x.data, x.data, count_of(x), type_of(x.dtype), operation(op), comm,
                                stream_);
    });
  }
  EventId reduce_scatter(const Tensor& out, const Tensor& x, ReduceOp op, EventId after) override {
    BALLAST_CHECK(out.elements() * size() == x.elements() && out.dtype == x.dtype);
    check_sum(x);
    return run("ncclReduceScatter", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
      return nccl.ncclReduceScatter(x.data, out.data, count_of(out), type_of(x.dtype),
                                    operation(op), comm, stream_);
    });
  }
  EventId all_gather(const Tensor& out, const Tensor& x, EventId after) override {
    BALLAST_CHECK(out.elements() == x.elements() * size() && out.dtype == x.dtype);
    return run("ncclAllGather", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
      return nccl.ncclAllGather(x.data, out.data, count_of(x), type_of(x.dtype), comm, stream_);
    });
  }

  EventId reduce_parts(const Tensor& x, std::span<const int64_t> borders, ReduceOp op,
                       EventId after) override {
    check_borders(x, borders);
    check_sum(x);
    if (const int64_t part = equal_part(borders); part > 0) {
      return run("ncclReduceScatter", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
        return nccl.ncclReduceScatter(x.data, bytes_at(x, part * rank()), static_cast<size_t>(part),
                                      type_of(x.dtype), operation(op), comm, stream_);
      });
    }
    return run_by_part(
        "ncclReduce", x, borders, after,
        [&](const NcclLibrary& nccl, ncclComm_t comm, void* data, size_t count, int owner) {
          return nccl.ncclReduce(data, data, count, type_of(x.dtype), operation(op), owner, comm,
                                 stream_);
        });
  }
  EventId gather_parts(const Tensor& x, std::span<const int64_t> borders, EventId after) override {
    check_borders(x, borders);
    if (const int64_t part = equal_part(borders); part > 0) {
      return run("ncclAllGather", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
        return nccl.ncclAllGather(bytes_at(x, part * rank()), x.data, static_cast<size_t>(part),
                                  type_of(x.dtype), comm, stream_);
      });
    }
    return run_by_part(
        "ncclBroadcast", x, borders, after,
        [&](const NcclLibrary& nccl, ncclComm_t comm, void* data, size_t count, int owner) {
          return nccl.ncclBroadcast(data, data, count, type_of(x.dtype), owner, comm, stream_);
        });
  }

  EventId broadcast(const Tensor& x, int root, EventId after) override {
    check_rank(root);
    return run("ncclBroadcast", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
      return nccl.ncclBroadcast(x.data, x.data, count_of(x), type_of(x.dtype), root, comm, stream_);
    });
  }
  EventId send(const Tensor& x, int to, EventId after) override {
    check_rank(to);
    return run("ncclSend", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
      return nccl.ncclSend(x.data, count_of(x), type_of(x.dtype), to, comm, stream_);
    });
  }
  EventId receive(const Tensor& x, int from, EventId after) override {
    check_rank(from);
    return run("ncclRecv", after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
      return nccl.ncclRecv(x.data, count_of(x), type_of(x.dtype), from, comm, stream_);
    });
  }

  void group_begin() override { communicator_.group_begin(); }
  EventId group_end() override {
    communicator_.group_end();
    return mark();
  }

  void join(EventId event) override {
    communicator_.check();
    opening_.backend->wait(StreamId::compute, event);
  }
  void barrier() override {
    run_out();
    host_->barrier();
  }
  std::unique_ptr<Comm> split(int color) override {
    std::unique_ptr<Comm> host = host_->split(color);
    auto part = std::make_unique<NcclComm>(opening_, library_, *host);
    part->own(std::move(host));
    return part;
  }
  void abort() override {
    communicator_.give_up(fmt::format("nccl: rank {}: given up", rank()));
    host_->abort();
  }
  void all_reduce_host(std::span<double> values, ReduceOp op) override {
    communicator_.check();
    host_->all_reduce_host(values, op);
    communicator_.check();  // a stream that was let go of has left garbage
  }
  Comm& host() override { return *host_; }

 private:
  // A new id, rank 0's on every rank.
  ncclUniqueId share_id(Comm& host) const {
    ncclUniqueId id = {};
    ncclResult_t result = ncclSuccess;
    if (host.rank() == 0) result = library_->ncclGetUniqueId(&id);
    double failed[1] = {result == ncclSuccess ? 0.0 : 1.0};
    host.all_reduce_host(failed, ReduceOp::max);
    if (failed[0] != 0) {
      throw DeviceError(
          fmt::format("nccl: ncclGetUniqueId of rank 0: {}",
                      host.rank() == 0 ? library_->ncclGetErrorString(result) : "it failed there"));
    }
    host.join(host.broadcast(make_tensor(&id, Dtype::u8, 1, sizeof(id)), 0, 0));
    return id;
  }

  void check_rank(int r) const { BALLAST_CHECK(r >= 0 && r < size()); }
  static void check_sum(const Tensor& x) { BALLAST_CHECK(x.dtype != Dtype::u8 && x.contiguous()); }
  void check_borders(const Tensor& x, std::span<const int64_t> borders) const {
    BALLAST_CHECK(borders.size() == static_cast<size_t>(size()) + 1 &&
                  std::is_sorted(borders.begin(), borders.end()));
    BALLAST_CHECK(borders.front() == 0 && borders.back() == x.elements() && x.contiguous());
  }

  EventId mark() {
    const EventId event = opening_.backend->record(StreamId::communication);
    communicator_.issued(event);
    return event;
  }

  EventId run(const char* name, EventId after, const NcclCommunicator::Call& make) {
    opening_.backend->wait(StreamId::communication, after);
    communicator_.call(name, make);
    return communicator_.grouping() ? 0 : mark();
  }

  // One call for each part that is not empty, as one operation.
  template <class Make>
  EventId run_by_part(const char* name, const Tensor& x, std::span<const int64_t> borders,
                      EventId after, const Make& make) {
    const bool own_group = !communicator_.grouping();
    if (own_group) group_begin();
    for (int r = 0; r < size(); ++r) {
      const int64_t begin = borders[static_cast<size_t>(r)],
                    count = borders[static_cast<size_t>(r) + 1] - begin;
      if (count == 0) continue;
      run(name, after, [&](const NcclLibrary& nccl, ncclComm_t comm) {
        return make(nccl, comm, bytes_at(x, begin), static_cast<size_t>(count), r);
      });
    }
    return own_group ? group_end() : 0;
  }

  // The host waits for all calls so far.
  void run_out() {
    communicator_.check();
    opening_.backend->synchronize(opening_.backend->record(StreamId::communication));
    communicator_.check();
  }

  NcclOpening opening_;
  std::shared_ptr<const NcclLibrary> library_;
  cudaStream_t stream_;
  std::unique_ptr<Comm> host_;
  NcclCommunicator communicator_;
  std::shared_ptr<NcclMemory> memory_;
};

std::shared_ptr<const NcclLibrary> library_for(const DeviceAccess& device, std::string* error) {
  Result<std::shared_ptr<const NcclLibrary>> loaded = load_nccl();
  if (!loaded.ok()) {
    *error = loaded.error().message();
    return nullptr;
  }
  std::shared_ptr<const NcclLibrary> library = loaded.take_value();
  if (library->only_a_test == device.emulated()) return library;
  *error = library->only_a_test
               ? library->path + " is a test library: it works on host memory only"
               : "NCCL cannot work on the emulated device: it has no streams that NCCL knows";
  return nullptr;
}

}  // namespace

}  // namespace ballast

extern "C" bool ballast_find_nccl(const ballast::NcclOpening* opening, std::string* description,
                                  std::string* error) {
  const auto library = ballast::library_for(*opening->device, error);
  if (library != nullptr) *description = library->description();
  return library != nullptr;
}

extern "C" ballast::Comm* ballast_open_nccl(const ballast::NcclOpening* opening,
                                            ballast::Comm* host, std::string* error) {
  auto library = ballast::library_for(*opening->device, error);
  if (library == nullptr) return nullptr;
  try {
    auto comm = std::make_unique<ballast::NcclComm>(*opening, std::move(library), *host);
    comm->own(std::unique_ptr<ballast::Comm>(host));
    comm->offer_memory();
    return comm.release();
  } catch (const std::exception& failure) {
    *error = failure.what();
    return nullptr;
  }
}
