#include "kernels/cuda/emu/emulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libcore/base/device_error.h"
#include "libcore/base/rng.h"
#include "libcore/base/thread_pool.h"

#if defined(__SANITIZE_ADDRESS__)
#define BALLAST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BALLAST_ASAN 1
#endif
#endif
#ifdef BALLAST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace ballast::emu {

namespace {

using boost::context::fiber;

#ifdef BALLAST_ASAN
constexpr size_t kStackBytes = 512 * 1024;
#else
constexpr size_t kStackBytes = 128 * 1024;
#endif
constexpr size_t kAlignment = 128;

enum class State : uint8_t { ready, at_warp, at_block, waiting, done };

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};

struct Lane {
  Index index;
  State state = State::done;
  int warp = 0, lane = 0;
  const char* awaited = nullptr;  // when waiting
  const std::function<bool()>* come = nullptr;
  std::vector<Copy> open;                // copies of no group yet
  std::deque<std::vector<Copy>> groups;  // committed, not yet made
  fiber turn, back;                      // to run it, and back to the scheduler
  const void* stack_bottom = nullptr;
  size_t stack_size = 0;
  void* fake_stack = nullptr;
};

// A meeting writes one of two sets of slots: a lane that is still reading the last one cannot be
// more than one meeting behind.
struct Warp {
  const char* what = nullptr;
  int arrived = 0;
  unsigned meetings = 0;
  alignas(16) unsigned char slots[2][kWarp * kMeetingBytes];
};

struct Release {
  void operator()(char* p) const { ::operator delete[](p, std::align_val_t(kAlignment)); }
};

struct SharedArray {
  const void* tag;
  size_t bytes;
  std::unique_ptr<char[], Release> data;
  bool taken = false;
};

struct Launch {
  const char* kernel;
  Extent grid, block;
  size_t dynamic_bytes;
  const std::function<void()>* thread;
  Settings how;
};

std::mutex settings_mutex;
Settings current_settings;

// The lanes of one host thread: their fibers live on from block to block.
class Runner {
 public:
  Runner() = default;
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  // Throws DeviceError; the runner is of no use afterwards.
  void run_block(const Launch& launch, size_t block);

  Lane& lane() { return *lane_; }
  const Launch& launch() const { return *launch_; }
  const Index& block() const { return block_; }
  Warp& warp_of(const Lane& lane) { return warps_[static_cast<size_t>(lane.warp)]; }
  void wait(State state) {
    lane_->state = state;
    switch_out(*lane_);
  }
  void release_warp(int warp) {
    for (int l = 0; l < kWarp; ++l)
      lanes_[static_cast<size_t>(warp * kWarp + l)]->state = State::ready;
  }
  void arrive_at_block();
  void* shared(const void* tag, size_t bytes);
  std::unique_ptr<AsyncUnit>& unit() { return unit_; }
  size_t block_number() const { return block_number_; }
  // By value: nothing of this stack is ever destroyed.
  [[noreturn]] void fail(std::string what) {
    error_ = std::move(what);
    switch_out(*lane_);
    std::abort();  // a failed lane is never run again
  }

 private:
  void grow(size_t lanes);
  void start(Lane& lane);
  void resume(Lane& lane);
  void switch_out(Lane& lane);
  void begin(size_t block);
  [[noreturn]] void stop(const std::string& what) const {
    throw DeviceError(fmt::format("emulated kernel {}, block ({}, {}, {}): {}", launch_->kernel,
                                  block_.x, block_.y, block_.z, what));
  }
  std::string stuck() const;

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Warp> warps_;
  std::vector<SharedArray> arrays_;
  std::vector<size_t> turns_;
  std::unique_ptr<AsyncUnit> unit_;
  const Launch* launch_ = nullptr;
  Index block_;
  size_t block_number_ = 0;
  Lane* lane_ = nullptr;
  size_t at_block_ = 0;
  std::string error_;
  bool ending_ = false;
  const void* scheduler_bottom_ = nullptr;
  size_t scheduler_size_ = 0;
};

thread_local std::unique_ptr<Runner> runner;

// A runner whose lanes stand in the middle of a kernel is kept as it is, for ever: there is no
// orderly way out of there.
void bury(std::unique_ptr<Runner> failed) {
  static std::mutex mutex;
  static auto* const graves = new std::vector<std::unique_ptr<Runner>>;
  const std::lock_guard lock(mutex);
  graves->push_back(std::move(failed));
}

Runner& now() { return *runner; }

void Runner::start(Lane& lane) {
  boost::context::protected_fixedsize_stack allocator(kStackBytes);
  boost::context::stack_context stack = allocator.allocate();
  lane.stack_size = stack.size;
  lane.stack_bottom = static_cast<const char*>(stack.sp) - stack.size;
  lane.turn =
      fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
            allocator, [this, &lane](fiber&& back) {
              lane.back = std::move(back);
#ifdef BALLAST_ASAN
              __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom_, &scheduler_size_);
#endif
              while (!ending_) {
                (*launch_->thread)();
                lane.state = State::done;
                switch_out(lane);
              }
#ifdef BALLAST_ASAN
              __sanitizer_start_switch_fiber(nullptr, scheduler_bottom_, scheduler_size_);
#endif
              return std::move(lane.back);
            });
}

// Ends every fiber; all stand between two blocks.
Runner::~Runner() {
  ending_ = true;
  for (const std::unique_ptr<Lane>& lane : lanes_) resume(*lane);
}

void Runner::resume(Lane& lane) {
  lane_ = &lane;
#ifdef BALLAST_ASAN
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, lane.stack_bottom, lane.stack_size);
#endif
  lane.turn = std::move(lane.turn).resume();
#ifdef BALLAST_ASAN
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void Runner::switch_out(Lane& lane) {
#ifdef BALLAST_ASAN
  __sanitizer_start_switch_fiber(&lane.fake_stack, scheduler_bottom_, scheduler_size_);
#endif
  lane.back = std::move(lane.back).resume();
#ifdef BALLAST_ASAN
  __sanitizer_finish_switch_fiber(lane.fake_stack, &scheduler_bottom_, &scheduler_size_);
#endif
}

void Runner::grow(size_t lanes) {
  while (lanes_.size() < lanes) {  // each is started by the block that needs it
    lanes_.push_back(std::make_unique<Lane>());
    start(*lanes_.back());
  }
  warps_.resize(std::max(warps_.size(), lanes / kWarp));
}

void Runner::begin(size_t block) {
  const Extent grid = launch_->grid, extent = launch_->block;
  block_ = {static_cast<unsigned>(block % grid.x), static_cast<unsigned>(block / grid.x % grid.y),
            static_cast<unsigned>(block / grid.x / grid.y)};
  const size_t lanes = extent.count();
  grow(lanes);
  for (size_t i = 0; i < lanes; ++i) {
    Lane& lane = *lanes_[i];
    lane.index = {static_cast<unsigned>(i % extent.x),
                  static_cast<unsigned>(i / extent.x % extent.y),
                  static_cast<unsigned>(i / extent.x / extent.y)};
    lane.warp = static_cast<int>(i / kWarp);
    lane.lane = static_cast<int>(i % kWarp);
    lane.state = State::ready;
    lane.open.clear();
    lane.groups.clear();
  }
  for (size_t w = 0; w < lanes / kWarp; ++w) warps_[w].arrived = 0;
  for (SharedArray& array : arrays_) array.taken = false;
  unit_.reset();
  block_number_ = block;
  at_block_ = 0;
  turns_.resize(lanes);
  std::iota(turns_.begin(), turns_.end(), size_t{0});
  if (launch_->how.order == Order::descending) std::reverse(turns_.begin(), turns_.end());
  if (launch_->how.order == Order::shuffled) {
    for (size_t i = lanes; i > 1; --i)
      std::swap(turns_[i - 1], turns_[random_u64(7, block, i) % i]);
  }
}

void Runner::run_block(const Launch& launch, size_t block) {
  launch_ = &launch;
  begin(block);
  for (size_t done = 0; done < turns_.size();) {
    bool moved = false;
    for (const size_t turn : turns_) {
      Lane& lane = *lanes_[turn];
      if (lane.state == State::waiting && (*lane.come)()) lane.state = State::ready;
      if (lane.state != State::ready) continue;
      moved = true;
      resume(lane);
      if (!error_.empty()) stop(error_);
      if (lane.state != State::done) continue;
      ++done;
      if (!lane.open.empty() || !lane.groups.empty()) {
        stop(fmt::format("thread {} ended with copies that it never waited for", turn));
      }
    }
    if (!moved && !(unit_ != nullptr && unit_->advance(error_))) stop(stuck());
    if (!error_.empty()) stop(error_);
  }
  if (unit_ == nullptr) return;
  const std::string left = unit_->unfinished();
  if (!left.empty()) stop(left);
}

std::string Runner::stuck() const {
  size_t in_state[5] = {};
  std::string warp, waiting;
  for (size_t i = 0; i < turns_.size(); ++i) {
    const Lane& lane = *lanes_[i];
    ++in_state[static_cast<size_t>(lane.state)];
    if (lane.state == State::at_warp && warp.empty()) {
      warp = fmt::format(" (first: warp {} in {})", lane.warp,
                         warps_[static_cast<size_t>(lane.warp)].what);
    }
    if (lane.state == State::waiting && waiting.empty()) {
      waiting = fmt::format(" for what does not come (first: thread {} for {})", i, lane.awaited);
    }
  }
  if (!waiting.empty()) {
    waiting = fmt::format(", {}{}", in_state[static_cast<size_t>(State::waiting)], waiting);
  }
  return fmt::format(
      "divergence: {} threads wait at a block barrier, {} in a warp operation{}{}, {} have ended",
      in_state[static_cast<size_t>(State::at_block)], in_state[static_cast<size_t>(State::at_warp)],
      warp, waiting, in_state[static_cast<size_t>(State::done)]);
}

void Runner::arrive_at_block() {
  if (++at_block_ < turns_.size()) return wait(State::at_block);
  at_block_ = 0;
  for (size_t i = 0; i < turns_.size(); ++i) {
    if (lanes_[i]->state == State::at_block) lanes_[i]->state = State::ready;
  }
}

void* Runner::shared(const void* tag, size_t bytes) {
  for (SharedArray& array : arrays_) {
    if (array.tag != tag || array.bytes != bytes) continue;
    if (!array.taken) std::memset(array.data.get(), launch_->how.fill, bytes);
    array.taken = true;
    return array.data.get();
  }
  auto* data = static_cast<char*>(::operator new[](bytes, std::align_val_t(kAlignment)));
  std::memset(data, launch_->how.fill, bytes);
  arrays_.push_back({tag, bytes, std::unique_ptr<char[], Release>(data), true});
  return data;
}

}  // namespace

void configure(const Settings& settings) {
  const std::lock_guard lock(settings_mutex);
  current_settings = settings;
}

Settings settings() {
  const std::lock_guard lock(settings_mutex);
  return current_settings;
}

void run(ThreadPool& pool, const char* kernel, Extent grid, Extent block, size_t dynamic_bytes,
         const std::function<void()>& thread) {
  const auto refuse = [&](const std::string& what) {
    throw DeviceError(fmt::format("emulated kernel {}: {}", kernel, what));
  };
  if (block.count() == 0 || block.count() > kMaxBlock || block.count() % kWarp != 0) {
    refuse(fmt::format("{} threads in a block: a multiple of 32 up to 1024", block.count()));
  }
  if (grid.count() == 0 || grid.y > 65535 || grid.z > 65535) {
    refuse(
        fmt::format("grid ({}, {}, {}): at least 1, y and z up to 65535", grid.x, grid.y, grid.z));
  }
  if (dynamic_bytes > kMaxShared) {
    refuse(fmt::format("{} bytes of shared memory: up to {}", dynamic_bytes, kMaxShared));
  }
  const Launch launch{kernel, grid, block, dynamic_bytes, &thread, settings()};
  const auto blocks = static_cast<int64_t>(grid.count());
  std::mutex mutex;
  std::optional<std::string> error;
  pool.parallel_for(blocks, 1, [&](int64_t begin, int64_t) {
    {
      const std::lock_guard lock(mutex);
      if (error) return;
    }
    const int64_t at = launch.how.order == Order::descending ? blocks - 1 - begin : begin;
    if (runner == nullptr) runner = std::make_unique<Runner>();
    try {
      runner->run_block(launch, static_cast<size_t>(at));
    } catch (const DeviceError& caught) {
      bury(std::move(runner));
      const std::lock_guard lock(mutex);
      error = caught.what();
    }
  });
  if (error) throw DeviceError(*error);
}

const Index& thread_index() { return now().lane().index; }
const Index& block_index() { return now().block(); }
const Extent& block_extent() { return now().launch().block; }
const Extent& grid_extent() { return now().launch().grid; }

void block_barrier() { now().arrive_at_block(); }

int lane_index() { return now().lane().lane; }
int warp_index() { return now().lane().warp; }
int thread_rank() { return warp_index() * kWarp + lane_index(); }

void wait_until(const char* what, const std::function<bool()>& ready) {
  if (ready()) return;
  Runner& r = now();
  r.lane().awaited = what;
  r.lane().come = &ready;
  r.wait(State::waiting);
}

AsyncUnit& async_unit(std::unique_ptr<AsyncUnit> (*make)(size_t threads, size_t block,
                                                         Order order)) {
  Runner& r = now();
  if (r.unit() == nullptr) {
    r.unit() = make(r.launch().block.count(), r.block_number(), r.launch().how.order);
  }
  return *r.unit();
}

const unsigned char* warp_meeting(const char* what, const void* bytes, size_t count,
                                  const Meeting& all) {
  Runner& r = now();
  const Lane& lane = r.lane();
  Warp& warp = r.warp_of(lane);
  if (warp.arrived == 0) warp.what = what;
  if (std::strcmp(warp.what, what) != 0) {
    r.fail(fmt::format("divergence: lanes of warp {} meet in {} and in {}", lane.warp, warp.what,
                       what));
  }
  unsigned char* const slots = warp.slots[warp.meetings % 2];
  if (count > 0) std::memcpy(slots + static_cast<size_t>(lane.lane) * kMeetingBytes, bytes, count);
  if (++warp.arrived < kWarp) {
    r.wait(State::at_warp);
  } else {
    warp.arrived = 0;
    ++warp.meetings;
    if (all) all(slots);
    r.release_warp(lane.warp);
  }
  return slots;
}

void* shared_array(const void* tag, size_t bytes) { return now().shared(tag, bytes); }

void* dynamic_array() {
  static const char tag = 0;
  return now().shared(&tag, now().launch().dynamic_bytes);
}

uint32_t window_address(const void* in_dynamic_array) {
  const size_t bytes = now().launch().dynamic_bytes;
  const auto offset =
      reinterpret_cast<uintptr_t>(in_dynamic_array) - reinterpret_cast<uintptr_t>(dynamic_array());
  if (offset > bytes) fail("an address outside of the dynamic array");
  return kDynamicBase + static_cast<uint32_t>(offset);
}
void* window_pointer(uint32_t address, size_t bytes) {
  const size_t size = now().launch().dynamic_bytes;
  if (address < kDynamicBase || address - kDynamicBase + bytes > size) {
    fail(fmt::format("{} bytes at {}: outside of the dynamic array", bytes, address));
  }
  return static_cast<char*>(dynamic_array()) + (address - kDynamicBase);
}

void copy_later(void* to, const void* from, size_t bytes) {
  now().lane().open.push_back({to, from, bytes});
}

void commit_copies() {
  Lane& lane = now().lane();
  lane.groups.push_back(std::move(lane.open));
  lane.open.clear();
}

void wait_copies(int left) {
  Lane& lane = now().lane();
  for (; lane.groups.size() > static_cast<size_t>(left); lane.groups.pop_front()) {
    for (const Copy& copy : lane.groups.front()) {
      if (copy.from == nullptr) {
        std::memset(copy.to, 0, copy.bytes);
      } else {
        std::memcpy(copy.to, copy.from, copy.bytes);
      }
    }
  }
}

void fail(const char* what) { now().fail(what); }
void fail(std::string what) { now().fail(std::move(what)); }

}  // namespace ballast::emu
