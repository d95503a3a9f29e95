#include "kernels/cuda/emu/async.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/emu/emulator.h"
#include "kernels/cuda/emu/wgmma.h"
#include "libcore/base/rng.h"

namespace ballast::emu {

namespace {

constexpr size_t kElement = 2;

struct Barrier {
  int count = 0, missing = 0;  // arrivals
  int64_t bytes = 0;           // expected and not there yet
  uint64_t phase = 0;
  bool fenced = false;
  void complete() {
    if (missing > 0 || bytes != 0) return;
    ++phase;
    missing = count;
  }
};

struct NamedBarrier {
  int threads = 0, arrived = 0;
  uint64_t meetings = 0;
};

struct Load {
  void* to;
  TensorMap map;
  std::array<int64_t, kMaxRank> at;
  uint64_t* barrier;
  uint64_t phase;
  size_t bytes;
};

size_t box_bytes(const TensorMap& map) {
  size_t bytes = kElement;
  for (int d = 0; d < map.rank; ++d) bytes *= map.box[d];
  return bytes;
}

class Unit final : public AsyncUnit {
 public:
  Unit(size_t threads, size_t block, Order order)
      : products(threads), order_(order), block_(block) {}

  bool advance(std::string& error) override {
    if (loads_.empty()) return false;
    const size_t which = order_ == Order::shuffled ? random() % loads_.size() : 0;
    const Load load = loads_[which];
    loads_.erase(loads_.begin() + static_cast<std::ptrdiff_t>(which));
    error = land(load);
    return true;
  }
  std::string unfinished() const override {
    if (!loads_.empty()) return "ended with loads of a tensor that nobody waited for";
    for (const auto& [at, barrier] : barriers_) {
      if (barrier.bytes != 0) {
        return fmt::format("ended with a barrier that expects {} bytes", barrier.bytes);
      }
    }
    return products.unfinished();
  }

  Barrier& barrier(const uint64_t* at) {
    const auto found = barriers_.find(at);
    if (found == barriers_.end()) fail("a barrier in shared memory that was not initialised");
    if (*at != mark(at)) fail("a barrier in shared memory was overwritten");
    return found->second;
  }
  void init(uint64_t* at, int count) {
    if (reinterpret_cast<uintptr_t>(at) % 8 != 0) fail("a misaligned barrier");
    if (count < 1 || count >= 1 << 20) fail("a barrier for fewer than 1 or 2^20 arrivals and more");
    *at = mark(at);
    barriers_[at] = {.count = count, .missing = count};
  }
  void fence_barriers() {
    for (auto& [at, barrier] : barriers_) barrier.fenced = true;
  }

  void load(Load load) {
    const Barrier& told = barrier(load.barrier);
    if (!told.fenced) fail("a load to a barrier without a fence behind its initialisation");
    load.phase = told.phase;
    if (order_ == Order::ascending || (order_ == Order::shuffled && random() % 2 == 0)) {
      loads_.push_back(load);
      return;
    }
    std::string error = land(load);
    if (!error.empty()) fail(std::move(error));
  }

  NamedBarrier& named(int id) { return named_[static_cast<size_t>(id)]; }

  Products products;

 private:
  static uint64_t mark(const uint64_t* at) {
    return reinterpret_cast<uintptr_t>(at) ^ 0x5bd1e9955bd1e995;
  }
  uint64_t random() { return random_u64(11, block_, drawn_++); }

  // Copies the box; zeros where it leaves the tensor.
  std::string land(const Load& load) {
    const TensorMap& map = load.map;
    const uint32_t window = window_of(load.to);
    const size_t elements = load.bytes / kElement;
    for (size_t i = 0; i < elements; ++i) {
      size_t rest = i;
      const char* from = static_cast<const char*>(map.data);
      bool inside = true;
      for (int d = 0; d < map.rank; ++d) {
        const int64_t at =
            load.at[static_cast<size_t>(d)] + static_cast<int64_t>(rest % map.box[d]);
        rest /= map.box[d];
        inside &= at >= 0 && static_cast<uint64_t>(at) < map.size[d];
        from += at * static_cast<int64_t>(d == 0 ? kElement : map.stride[d - 1]);
      }
      const auto linear = static_cast<uint32_t>(window + i * kElement);
      char* const to = static_cast<char*>(load.to) + (swizzled(linear, map.swizzle) - window);
      if (inside) {
        std::memcpy(to, from, kElement);
      } else {
        std::memset(to, 0, kElement);
      }
    }
    const auto found = barriers_.find(load.barrier);
    if (found == barriers_.end()) return "a barrier in shared memory that was not initialised";
    Barrier& told = found->second;
    if (told.phase != load.phase) {
      return "a load ended behind its barrier's phase: fewer bytes were expected than came";
    }
    told.bytes -= static_cast<int64_t>(load.bytes);
    if (told.bytes < 0 && told.missing == 0) {
      return fmt::format("{} bytes came to a barrier that did not expect them", -told.bytes);
    }
    told.complete();
    return "";
  }
  static uint32_t swizzled(uint32_t address, bool swizzle) {
    return swizzle ? swizzle_128(address) : address;
  }
  // Loads note the window address when they are issued: no thread runs when they land.
  uint32_t window_of(const void* to) const { return windows_.at(to); }

 public:
  void note_window(const void* to, uint32_t window) { windows_[to] = window; }

 private:
  Order order_;
  size_t block_;
  uint64_t drawn_ = 0;
  std::map<const uint64_t*, Barrier> barriers_;
  std::map<const void*, uint32_t> windows_;
  std::array<NamedBarrier, 16> named_;
  std::deque<Load> loads_;
};

Unit& unit() {
  return static_cast<Unit&>(
      async_unit([](size_t threads, size_t block, Order order) -> std::unique_ptr<AsyncUnit> {
        return std::make_unique<Unit>(threads, block, order);
      }));
}

}  // namespace

void barrier_init(uint64_t* barrier, int count) { unit().init(barrier, count); }
void barrier_init_fence() { unit().fence_barriers(); }

void barrier_arrive(uint64_t* at) {
  Barrier& barrier = unit().barrier(at);
  if (barrier.missing == 0) fail("more arrivals at a barrier than it counts");
  --barrier.missing;
  barrier.complete();
}
void barrier_expect(uint64_t* at, int bytes) {
  Barrier& barrier = unit().barrier(at);
  barrier.bytes += bytes;
  if (barrier.bytes >= 1 << 20) fail("a barrier that expects 2^20 bytes or more");
  barrier_arrive(at);
}
void barrier_wait(uint64_t* at, int parity) {
  const Barrier& barrier = unit().barrier(at);
  wait_until("a barrier in shared memory",
             [&barrier, parity] { return static_cast<int>(barrier.phase & 1) != (parity & 1); });
}

void tensor_load(void* to, const TensorMap& map, uint64_t* barrier, std::span<const int> at) {
  Load load{to, map, {}, barrier, 0, box_bytes(map)};
  if (static_cast<size_t>(map.rank) != at.size()) fail("a load with another rank than its map");
  std::copy(at.begin(), at.end(), load.at.begin());
  const uint32_t window = window_address(to);
  window_pointer(window, load.bytes);
  if (window % 128 != 0) fail("a load of a tensor to an address that is not a multiple of 128");
  if (map.swizzle && window % 1024 != 0) {
    fail("a swizzled load to an address that is not a multiple of 1024");
  }
  unit().note_window(to, window);
  unit().load(load);
}

void bulk_load(void* to, const void* from, int bytes, uint64_t* barrier) {
  const uint32_t window = window_address(to);
  window_pointer(window, static_cast<size_t>(bytes));
  if (window % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0 || bytes % 16 != 0) {
    fail("a bulk load of other than whole 16 bytes");
  }
  const auto elements = static_cast<uint32_t>(bytes / 2);
  const TensorMap line{.data = from, .rank = 1, .size = {elements}, .box = {elements}};
  unit().note_window(to, window);
  unit().load({to, line, {}, barrier, 0, static_cast<size_t>(bytes)});
}

void named_barrier(int id, int threads) {
  if (id < 1 || id > 15) fail("a named barrier other than 1 to 15");
  if (threads % kWarp != 0 || threads < kWarp) fail("a named barrier for parts of warps");
  NamedBarrier& barrier = unit().named(id);
  if (barrier.arrived > 0 && barrier.threads != threads) {
    fail("threads that meet at a named barrier disagree on their number");
  }
  barrier.threads = threads;
  if (++barrier.arrived == threads) {
    barrier.arrived = 0;
    ++barrier.meetings;
    return;
  }
  const uint64_t mine = barrier.meetings;
  wait_until("a named barrier", [&barrier, mine] { return barrier.meetings != mine; });
}

void set_registers(int count) {
  if (count < 24 || count > 256 || count % 8 != 0) {
    fail("registers of a thread: a multiple of 8 from 24 to 256");
  }
  warp_meeting("setmaxnreg", &count, sizeof(count), [](const unsigned char* slots) {
    int registers = 0;
    std::memcpy(&registers, slots, sizeof(registers));
    unit().products.note(warp_index(), static_cast<uint64_t>(registers) << 32);
  });
}

void wgmma_fence(std::span<const Registers> written) {
  unit().products.fence(thread_rank(), written);
  warp_meeting("wgmma.fence", nullptr, 0);
}
void wgmma_commit() {
  warp_meeting("wgmma.commit_group", nullptr, 0,
               [](const unsigned char*) { unit().products.commit(warp_index()); });
}
void wgmma_wait(int left, std::span<const Registers> named) {
  unit().products.name(thread_rank(), named);
  warp_meeting("wgmma.wait_group", nullptr, 0,
               [left](const unsigned char*) { unit().products.wait(warp_index(), left); });
}
void wgmma(const Wgmma& instruction) {
  static_assert(sizeof(Wgmma) <= kMeetingBytes);
  warp_meeting("wgmma", &instruction, sizeof(instruction),
               [](const unsigned char* slots) { unit().products.issue(warp_index(), slots); });
}

}  // namespace ballast::emu
