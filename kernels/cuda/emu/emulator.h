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
// bytes. The result holds the bytes of lane l at l * 64, until the next meeting of the warp.
inline constexpr size_t kMeetingBytes = 64;
const unsigned char* warp_meeting(const char* what, const void* bytes, size_t count);
int lane_index();  // in the warp

// The block's array for a declaration: the same for every thread that passes the same tag.
void* shared_array(const void* tag, size_t bytes);
void* dynamic_array();

// Copies that are made when waited for.
void copy_later(void* to, const void* from, size_t bytes);
void commit_copies();
void wait_copies(int left);  // all but the last `left` groups

[[noreturn]] void fail(const char* what);  // ends the launch with an error

}  // namespace ballast::emu
