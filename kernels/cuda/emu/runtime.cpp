#include "kernels/cuda/runtime.h"

#include <fmt/format.h>

#include <cstring>
#include <new>

#include "kernels/cuda/emu/emulator.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {
constexpr std::align_val_t kAlignment{256};
}

// Work has been done when a call returns: streams and events exist in name only.
struct Runtime::State {
  Stream stream;
};

Runtime::Runtime(int, ThreadPool& pool)
    : state_(std::make_unique<State>(State{{nullptr, &pool}})) {}
Runtime::~Runtime() = default;

std::string Runtime::name() const { return "emu"; }
std::string Runtime::description() const { return "CUDA kernels emulated on the host"; }

void* Runtime::allocate(int64_t bytes) {
  try {
    void* data = ::operator new(static_cast<size_t>(bytes), kAlignment);
    std::memset(data, emu::settings().fill, static_cast<size_t>(bytes));
    return data;
  } catch (const std::bad_alloc&) {
    throw DeviceError(fmt::format("emu: no memory for {} bytes", bytes));
  }
}

void Runtime::release(void* data) { ::operator delete(data, kAlignment); }

void Runtime::copy_in(void* device, const void* host, int64_t bytes, StreamId) {
  std::memcpy(device, host, static_cast<size_t>(bytes));
}
void Runtime::copy_out(void* host, const void* device, int64_t bytes, StreamId) {
  std::memcpy(host, device, static_cast<size_t>(bytes));
}
void Runtime::zero(void* device, int64_t bytes, StreamId) {
  std::memset(device, 0, static_cast<size_t>(bytes));
}

EventId Runtime::record(StreamId) { return 0; }
void Runtime::wait(StreamId, EventId) {}
void Runtime::synchronize(EventId) {}
const Stream& Runtime::stream(StreamId) const { return state_->stream; }

}  // namespace ballast

// For tests: 0 ascending, 1 descending, 2 shuffled; the byte of unwritten memory.
extern "C" void ballast_emulation_configure(int order, int fill) {
  ballast::emu::configure({static_cast<ballast::emu::Order>(order), static_cast<uint8_t>(fill)});
}
