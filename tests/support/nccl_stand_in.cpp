// A shared object with the entry points of NCCL that the nccl transport calls, for tests on
// machines without a GPU: it works on host memory, among threads or processes of one host over
// loopback sockets, and queues its work on the emulated device's streams. It is not NCCL and cannot
// pass for it: it carries a mark, and only the emulated device is let near it. Where NCCL is free
// it is nasty: every call settles late, sums run round a ring, the operations of a group run
// backwards, a lost peer makes an operation hang until the communicator is aborted.
//
// BALLAST_STAND_IN_FAULT=RANK:CALL@N:KIND makes the N-th CALL (from 1) of rank RANK of any
// communicator go wrong; kinds: error (the call fails), late (NCCL would say so afterwards), hang.
// BALLAST_STAND_IN_VERSION is the version that it claims.
#include <fmt/format.h>
#include <nccl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "kernels/comm/tcp_link.h"
#include "kernels/cuda/emu/emulated_stream.h"
#include "libcore/base/device_error.h"

extern "C" const char ballast_this_is_not_nccl[] = "stand-in for tests";

namespace {

using ballast::Transfer;

// The transport's own limits are tested, so this side has none.
constexpr int kForever = 100000;

struct Fault {
  int rank = -1;
  std::string call, kind;
  int number = 0;
};

Fault fault_from_environment() {
  const char* text = std::getenv("BALLAST_STAND_IN_FAULT");
  char call[64] = {}, kind[16] = {};
  Fault fault;
  if (text != nullptr &&
      std::sscanf(text, "%d:%63[^@]@%d:%15s", &fault.rank, call, &fault.number, kind) == 4) {
    fault.call = call;
    fault.kind = kind;
  }
  return fault;
}

struct World {
  int rank = 0, size = 1;
  std::shared_ptr<ballast::Link> link;  // null: alone, or not connected yet
  Fault fault = fault_from_environment();
  std::map<std::string, int> calls;
  std::atomic<int> queued = 0;

  std::mutex mutex;  // of all below
  std::condition_variable changed;
  bool aborted = false;
  bool connected = false;  // `link` may be aborted
  bool busy = false;       // connecting, or saying goodbye
  int unsettled = 0;       // looks until a call has settled
  ncclResult_t error = ncclSuccess;

  void set_error(ncclResult_t result) {
    const std::lock_guard lock(mutex);
    error = result;
  }
  void hang() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return aborted; });
  }
  bool gone() {
    const std::lock_guard lock(mutex);
    return aborted;
  }
  // Runs in a thread; `busy` until it is done.
  template <class Work>
  static void in_background(const std::shared_ptr<World>& world, Work work) {
    {
      const std::lock_guard lock(world->mutex);
      world->busy = true;
    }
    std::thread([world, work] {
      const ncclResult_t result = work(*world);
      const std::lock_guard lock(world->mutex);
      if (result != ncclSuccess) world->error = result;
      world->connected = world->link != nullptr;
      world->busy = false;
    }).detach();
  }
};

size_t bytes_of_type(ncclDataType_t type) {
  switch (type) {
    case ncclFloat64:
      return 8;
    case ncclFloat32:
    case ncclInt32:
      return 4;
    case ncclBfloat16:
    case ncclFloat16:
      return 2;
    default:
      return 1;
  }
}

struct Bf16 {
  uint16_t bits;
  operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
  Bf16 operator+(Bf16 other) const {
    const auto sum = std::bit_cast<uint32_t>(float{*this} + float{other});
    return {static_cast<uint16_t>((sum + 0x7fff + (sum >> 16 & 1)) >> 16)};
  }
};

template <class T>
void combine(void* to, const void* from, size_t count, ncclRedOp_t op) {
  T* a = static_cast<T*>(to);
  const T* b = static_cast<const T*>(from);
  for (size_t i = 0; i < count; ++i) {
    if (op == ncclSum) {
      a[i] = a[i] + b[i];
    } else if (b[i] > a[i]) {
      a[i] = b[i];
    }
  }
}

void combine(void* to, const void* from, size_t count, ncclDataType_t type, ncclRedOp_t op) {
  switch (type) {
    case ncclFloat64:
      return combine<double>(to, from, count, op);
    case ncclFloat32:
      return combine<float>(to, from, count, op);
    case ncclInt32:
      return combine<int32_t>(to, from, count, op);
    default:
      return combine<Bf16>(to, from, count, op);
  }
}

bool can_reduce(ncclDataType_t type) {
  return type == ncclFloat64 || type == ncclFloat32 || type == ncclInt32 || type == ncclBfloat16;
}

// Everyone's `count` bytes to everyone, one after another by rank.
std::vector<char> gather(World& world, const void* own, size_t bytes) {
  std::vector<char> all(bytes * static_cast<size_t>(world.size));
  std::vector<Transfer> transfers;
  for (int r = 0; r < world.size; ++r) {
    char* place = all.data() + static_cast<size_t>(r) * bytes;
    if (r == world.rank) {
      std::memcpy(place, own, bytes);
    } else {
      transfers.push_back(
          {r, own, static_cast<int64_t>(bytes), place, static_cast<int64_t>(bytes)});
    }
  }
  if (world.link != nullptr) world.link->exchange(transfers);
  return all;
}

// Part r of the sums begins with rank r + 1 and ends with rank r, as round a ring. `owner` >= 0: it
// is all of this one's part.
void reduce(World& world, const void* send, void* receive, size_t count, ncclDataType_t type,
            ncclRedOp_t op, int owner) {
  const size_t size = bytes_of_type(type), ranks = static_cast<size_t>(world.size);
  const std::vector<char> all = gather(world, send, count * size);
  std::vector<char> sums(count * size);
  for (size_t part = 0; part < ranks; ++part) {
    const size_t begin = count * part / ranks, end = count * (part + 1) / ranks;
    const size_t last = owner >= 0 ? static_cast<size_t>(owner) : part;
    for (size_t turn = 1; turn <= ranks; ++turn) {
      const char* from = all.data() + ((last + turn) % ranks * count + begin) * size;
      char* to = sums.data() + begin * size;
      if (turn == 1) {
        std::memcpy(to, from, (end - begin) * size);
      } else {
        combine(to, from, end - begin, type, op);
      }
    }
  }
  std::memcpy(receive, sums.data(), sums.size());
}

// One call: point to point is joined into one exchange per group.
struct Operation {
  std::function<void(World&)> run;
  Transfer transfer;
};

void run_all(World& world, const std::vector<Operation>& operations) {
  std::vector<Transfer> transfers;
  for (auto o = operations.rbegin(); o != operations.rend(); ++o)
    if (o->run) o->run(world);
  for (const Operation& o : operations)
    if (!o.run) transfers.push_back(o.transfer);
  if (!transfers.empty()) world.link->exchange(transfers);
}

void run_queued(World& world, const std::vector<Operation>& operations) {
  --world.queued;
  if (world.gone()) return;
  try {
    run_all(world, operations);
  } catch (const ballast::DeviceError&) {
    if (world.gone()) return;
    world.set_error(ncclRemoteError);
    world.hang();
  }
}

}  // namespace

struct ncclComm {
  std::shared_ptr<World> world;
};

namespace {

struct Queued {
  ncclComm_t comm;
  cudaStream_t stream;
  Operation operation;
};
thread_local int group_depth = 0;
thread_local std::vector<Queued> group;

void launch(const std::shared_ptr<World>& world, cudaStream_t stream,
            std::vector<Operation> operations) {
  ++world->queued;
  reinterpret_cast<ballast::EmulatedStream*>(stream)->enqueue(
      [world, operations = std::move(operations)] { run_queued(*world, operations); });
  const std::lock_guard lock(world->mutex);
  world->unsettled = 3;
}

// What a call does before it does anything: nothing may be called before the last one has settled.
ncclResult_t admit(ncclComm_t comm, const char* call, Operation& operation) {
  World& world = *comm->world;
  {
    const std::lock_guard lock(world.mutex);
    if (world.aborted || world.busy || world.unsettled > 0) return ncclInvalidUsage;
  }
  const Fault& fault = world.fault;
  if (world.rank != fault.rank || fault.call != call || ++world.calls[call] != fault.number)
    return ncclSuccess;
  if (fault.kind == "error") return ncclSystemError;
  if (fault.kind == "late") world.set_error(ncclInternalError);
  operation = {[](World& w) { w.hang(); }, {}};
  return ncclSuccess;
}

ncclResult_t add(ncclComm_t comm, cudaStream_t stream, const char* call, Operation operation) {
  if (const ncclResult_t result = admit(comm, call, operation); result != ncclSuccess)
    return result;
  if (group_depth > 0) {
    group.push_back({comm, stream, std::move(operation)});
    return ncclSuccess;
  }
  launch(comm->world, stream, {std::move(operation)});
  return ncclInProgress;
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(fd);
  return ntohs(address.sin_port);
}

struct Id {
  char mark[16];
  int port;
};
constexpr char kIdMark[16] = "not NCCL";

std::mutex memory_mutex;
std::set<void*> allocated, registered;

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  const char* claimed = std::getenv("BALLAST_STAND_IN_VERSION");
  *version = claimed == nullptr ? NCCL_VERSION_CODE : std::atoi(claimed);
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSystemError:
      return "stand-in: system error";
    case ncclInternalError:
      return "stand-in: internal error";
    case ncclRemoteError:
      return "stand-in: a remote process has gone";
    case ncclInvalidUsage:
      return "stand-in: invalid usage";
    default:
      return "stand-in: another error";
  }
}

const char* ncclGetLastError(ncclComm_t) { return "not NCCL\n"; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* out) {
  Id id = {};
  std::memcpy(id.mark, kIdMark, sizeof(kIdMark));
  id.port = free_port();
  std::memcpy(out, &id, sizeof(id));
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId unique, int rank,
                                    ncclConfig_t* config) {
  Id id = {};
  std::memcpy(&id, &unique, sizeof(id));
  if (std::memcmp(id.mark, kIdMark, sizeof(kIdMark)) != 0 || config->blocking != 0 || rank < 0 ||
      rank >= size)
    return ncclInvalidArgument;
  auto world = std::make_shared<World>();
  world->rank = rank;
  world->size = size;
  Operation ignored;
  if (const ncclResult_t result =
          [&] {
            ncclComm probe = {world};
            return admit(&probe, "ncclCommInitRankConfig", ignored);
          }();
      result != ncclSuccess)
    return result;
  *comm = new ncclComm{world};
  if (ignored.run) {  // asked to hang
    world->busy = true;
    return ncclInProgress;
  }
  World::in_background(world, [port = id.port](World& w) {
    if (w.size == 1) return ncclSuccess;
    auto link = ballast::connect_tcp({w.rank, w.size, "127.0.0.1", port, kForever});
    if (!link.ok()) return ncclSystemError;
    w.link = link.take_value();
    return ncclSuccess;
  });
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  World& world = *comm->world;
  const std::lock_guard lock(world.mutex);
  if (world.aborted) return ncclInvalidArgument;
  const bool settling = world.unsettled > 0 && --world.unsettled > 0;
  *error = world.busy || settling ? ncclInProgress : world.error;
  return ncclSuccess;
}

// All ranks say goodbye to each other.
ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const std::shared_ptr<World> world = comm->world;
  Operation ignored;
  if (const ncclResult_t result = admit(comm, "ncclCommFinalize", ignored); result != ncclSuccess)
    return result;
  if (world->queued != 0) return ncclInvalidUsage;
  World::in_background(world, [](World& w) {
    try {
      gather(w, "", 1);
      return ncclSuccess;
    } catch (const ballast::DeviceError&) {
      return ncclRemoteError;
    }
  });
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  {
    const std::lock_guard lock(comm->world->mutex);
    if (comm->world->busy) return ncclInvalidUsage;
  }
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  {
    World& world = *comm->world;
    const std::lock_guard lock(world.mutex);
    world.aborted = true;
    world.changed.notify_all();
    if (world.connected) world.link->abort();
  }
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return ncclInvalidUsage;
  if (--group_depth > 0) return ncclSuccess;
  std::vector<Queued> all = std::move(group);
  group.clear();
  if (all.empty()) return ncclSuccess;
  std::vector<Operation> operations;
  for (Queued& q : all) {
    if (q.comm != all[0].comm || q.stream != all[0].stream) return ncclInvalidUsage;
    operations.push_back(std::move(q.operation));
  }
  launch(all[0].comm->world, all[0].stream, std::move(operations));
  return ncclInProgress;
}

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (!can_reduce(type)) return ncclInvalidArgument;
  return add(comm, stream, "ncclAllReduce",
             {[=](World& w) { reduce(w, send, receive, count, type, op, -1); }, {}});
}

ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (!can_reduce(type)) return ncclInvalidArgument;
  return add(comm, stream, "ncclReduceScatter",
             {[=](World& w) {
                const size_t part = count * bytes_of_type(type),
                             begin = part * static_cast<size_t>(w.rank);
                std::vector<char> all(part * static_cast<size_t>(w.size));
                reduce(w, send, all.data(), count * static_cast<size_t>(w.size), type, op, -1);
                std::memcpy(receive, all.data() + begin, part);
              },
              {}});
}

ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  return add(comm, stream, "ncclAllGather",
             {[=](World& w) {
                const std::vector<char> all = gather(w, send, count * bytes_of_type(type));
                std::memcpy(receive, all.data(), all.size());
              },
              {}});
}

ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                        ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream) {
  if (!can_reduce(type)) return ncclInvalidArgument;
  return add(comm, stream, "ncclReduce",
             {[=](World& w) {
                std::vector<char> sums(count * bytes_of_type(type));
                reduce(w, send, sums.data(), count, type, op, root);
                if (w.rank == root) std::memcpy(receive, sums.data(), sums.size());
              },
              {}});
}

ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream) {
  return add(comm, stream, "ncclBroadcast",
             {[=](World& w) {
                const size_t bytes = count * bytes_of_type(type);
                const std::vector<char> all = gather(w, send, bytes);
                std::memcpy(receive, all.data() + bytes * static_cast<size_t>(root), bytes);
              },
              {}});
}

ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  const auto bytes = static_cast<int64_t>(count * bytes_of_type(type));
  return add(comm, stream, "ncclSend", {{}, {peer, data, bytes, nullptr, 0}});
}

ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  const auto bytes = static_cast<int64_t>(count * bytes_of_type(type));
  return add(comm, stream, "ncclRecv", {{}, {peer, nullptr, 0, data, bytes}});
}

ncclResult_t ncclMemAlloc(void** data, size_t bytes) {
  constexpr std::align_val_t kAlignment{4096};
  *data = ::operator new(bytes, kAlignment, std::nothrow);
  if (*data == nullptr) return ncclSystemError;
  std::memset(*data, 0xb5, bytes);
  const std::lock_guard lock(memory_mutex);
  allocated.insert(*data);
  return ncclSuccess;
}

ncclResult_t ncclMemFree(void* data) {
  const std::lock_guard lock(memory_mutex);
  if (allocated.erase(data) == 0) return ncclInvalidArgument;
  ::operator delete (data, std::align_val_t{4096});
  return ncclSuccess;
}

ncclResult_t ncclCommRegister(const ncclComm_t comm, void* data, size_t, void** handle) {
  {
    const std::lock_guard lock(memory_mutex);
    if (!allocated.contains(data) || !registered.insert(data).second) return ncclInvalidArgument;
  }
  *handle = data;
  Operation ignored;
  return admit(comm, "ncclCommRegister", ignored);
}

ncclResult_t ncclCommDeregister(const ncclComm_t, void* handle) {
  const std::lock_guard lock(memory_mutex);
  return registered.erase(handle) == 1 ? ncclSuccess : ncclInvalidArgument;
}

}  // extern "C"
