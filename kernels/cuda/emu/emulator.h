// Runs kernels on the host: one fiber per thread of a block, blocks over host threads. A launch
// returns when the grid has run. What a GPU would do silently wrong ends here as a DeviceError that
// names the kernel: lanes of one warp in different warp operations, a block barrier that a finished
// thread can no longer reach, a misaligned vector access, a launch with impossible sizes. Reads of
// unwritten memory and races change the result with the fill pattern and the lane order; tests run
// kernels under several of each and compare bits. Out-of-bounds accesses are AddressSanitizer's:
// every shared array is a heap block of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace ballast {
class ThreadPool;
}

namespace ballast::emu {

inline constexpr int kWarp = 32;
inline constexpr int kMaxBlock = 1024;
inline constexpr size_t kMaxShared = 227 * 1024;  // of one block on sm_90

struct Index {
  unsigned x = 0, y = 0, z = 0;
};
struct Extent {
  unsigned x = 1, y = 1, z = 1;
  size_t count() const { return size_t{x} * y * z; }
};

enum class Order : uint8_t { ascending, descending, shuffled };

// How lanes and blocks take turns, and what memory holds that nobody wrote.
struct Settings {
  Order order = Order::ascending;
  uint8_t fill = 0xff;  // floats become NaN
};
void configure(const Settings& settings);
Settings settings();

// Throws DeviceError. `thread` is the kernel with its arguments; `kernel` its name.
void run(ThreadPool& pool, const char* kernel, Extent grid, Extent block, size_t dynamic_bytes,
         const std::function<void()>& thread);

// ---- Inside a kernel ----

const Index& thread_index();
const Index& block_index();
const Extent& block_extent();
const Extent& grid_extent();

void block_barrier();

// All 32 lanes of a warp meet in one operation, named by `what` (a literal), each with up to 64
// bytes. The result holds the bytes of lane l at l * 64, until the next meeting of the warp. `all`
// runs once, with the result, when all have come and before any goes on.
inline constexpr size_t kMeetingBytes = 64;
using Meeting = std::function<void(const unsigned char* slots)>;
const unsigned char* warp_meeting(const char* what, const void* bytes, size_t count,
                                  const Meeting& all = {});
int lane_index();   // in the warp
int warp_index();   // in the block
int thread_rank();  // in the block

// The lane goes on when ready() holds; `what` (a literal) stands in errors.
void wait_until(const char* what, const std::function<bool()>& ready);

// What works beside the threads of a block: see emu/async.h.
class AsyncUnit {
 public:
  virtual ~AsyncUnit() = default;
  // No thread can go on: does the next thing that is due. False: there is none. *error: as fail().
  virtual bool advance(std::string& error) = 0;
  // An error when something is unfinished though all threads have ended, else "".
  virtual std::string unfinished() const = 0;
};
// The block's, made for the first who asks. `block` numbers the blocks of the grid.
AsyncUnit& async_unit(std::unique_ptr<AsyncUnit> (*make)(size_t threads, size_t block,
                                                         Order order));

// The block's array for a declaration: the same for every thread that passes the same tag.
void* shared_array(const void* tag, size_t bytes);
void* dynamic_array();

// Addresses in the block's window of shared memory, where the dynamic array begins at kDynamicBase:
// as on a device, behind the other arrays and aligned to 128 bytes only.
inline constexpr uint32_t kDynamicBase = 384;
uint32_t window_address(const void* in_dynamic_array);
void* window_pointer(uint32_t address, size_t bytes);  // fails outside of the dynamic array

// Copies that are made when waited for.
void copy_later(void* to, const void* from, size_t bytes);
void commit_copies();
void wait_copies(int left);  // all but the last `left` groups

[[noreturn]] void fail(const char* what);  // ends the launch with an error
[[noreturn]] void fail(std::string what);  // moved from: the lane's stack is never unwound

}  // namespace ballast::emu
