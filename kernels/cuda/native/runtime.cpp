// The CUDA runtime behind Runtime and Stream.
#include "kernels/cuda/runtime.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "kernels/cuda/native/cuda_error.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {

constexpr int kStreams = 3;
constexpr uint64_t kEvents = 1024;  // of a stream, used in turn

cudaStream_t stream_of(const Stream& stream) { return static_cast<cudaStream_t>(stream.handle()); }

// The n-th event of a stream, n from 1: n * kStreams + stream.
struct Place {
  size_t stream;
  uint64_t slot;
  explicit Place(EventId event)
      : stream(static_cast<size_t>(event % kStreams)), slot(event / kStreams % kEvents) {}
};

}  // namespace

void check_cuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  throw DeviceError(
      fmt::format("cuda: {}: {} ({})", what, cudaGetErrorString(error), cudaGetErrorName(error)));
}

void Stream::launch(const char* name, const void* kernel, int64_t x, unsigned y, unsigned z,
                    unsigned threads, size_t shared_bytes, void** arguments) const {
  if (*muted_) return;
  constexpr size_t kSharedByDefault = 48 * 1024;
  if (shared_bytes > kSharedByDefault) {
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(shared_bytes)),
               name);
  }
  check_cuda(cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(x), y, z), dim3(threads),
                              arguments, shared_bytes, stream_of(*this)),
             name);
}

struct Runtime::State {
  int device = 0;
  cudaDeviceProp properties = {};
  std::vector<Stream> streams;
  std::array<std::array<cudaEvent_t, kEvents>, kStreams> events = {};
  std::array<uint64_t, kStreams> recorded = {};
  std::map<const void*, int64_t> sizes;  // of what is allocated
  DeviceCounts counts;
  bool muted = false;
};

Runtime::Runtime(int device, int local_rank, ThreadPool& pool) : state_(std::make_unique<State>()) {
  int devices = 0;
  check_cuda(cudaGetDeviceCount(&devices), "looking for devices");
  if (device < 0 && devices > 0) device = local_rank % devices;
  if (device < 0 || device >= devices) {
    throw DeviceError(
        fmt::format("cuda: no device {}: this machine has {}", std::max(device, 0), devices));
  }
  State& s = *state_;
  s.device = device;
  check_cuda(cudaSetDevice(device), "choosing the device");
  check_cuda(cudaGetDeviceProperties(&s.properties, device), "asking for the device's properties");
  for (int i = 0; i < kStreams; ++i) {
    cudaStream_t stream = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    s.streams.emplace_back(stream, &pool, &s.muted);
  }
}

Runtime::~Runtime() {
  for (const auto& events : state_->events) {
    for (const cudaEvent_t event : events) {
      if (event != nullptr) cudaEventDestroy(event);
    }
  }
  for (const Stream& stream : state_->streams) cudaStreamDestroy(stream_of(stream));
  write_counts(name(), state_->counts);
}

std::string Runtime::name() const { return fmt::format("cuda:{}", state_->device); }

std::string Runtime::description() const {
  int driver = 0, runtime = 0;
  check_cuda(cudaDriverGetVersion(&driver), "asking for the driver's version");
  check_cuda(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
  const cudaDeviceProp& p = state_->properties;
  return fmt::format("{}, sm_{}{}, {} multiprocessors, {:.0f} GiB; driver {}.{}, runtime {}.{}",
                     p.name, p.major, p.minor, p.multiProcessorCount,
                     static_cast<double>(p.totalGlobalMem) / 0x1p30, driver / 1000,
                     driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

bool Runtime::has_warpgroups() const {
  return state_->properties.major == 9 && state_->properties.minor == 0;
}

void* Runtime::allocate(int64_t bytes) {
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it would be reported again by the next launch
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw DeviceError(
        fmt::format("{}: no memory for {} bytes: {} of {} are free", name(), bytes, free, total));
  }
  check_cuda(error, "allocating");
  state_->sizes[data] = bytes;
  DeviceCounts& counts = state_->counts;
  ++counts.allocations;
  counts.bytes += bytes;
  counts.peak_bytes = std::max(counts.peak_bytes, counts.bytes);
  return data;
}

void Runtime::release(void* data) {
  const auto found = state_->sizes.find(data);
  if (found != state_->sizes.end()) {
    state_->counts.bytes -= found->second;
    state_->sizes.erase(found);
  }
  cudaFree(data);
}

void* Runtime::allocate_host(int64_t bytes) {
  void* data = nullptr;
  check_cuda(cudaHostAlloc(&data, static_cast<size_t>(bytes), cudaHostAllocDefault),
             "allocating page-locked memory");
  return data;
}
void Runtime::release_host(void* data) { cudaFreeHost(data); }

void Runtime::copy_in(void* device, const void* host, int64_t bytes, StreamId id) {
  if (state_->muted) return;
  check_cuda(cudaMemcpyAsync(device, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                             stream_of(stream(id))),
             "copying to the device");
}

void Runtime::copy_out(void* host, const void* device, int64_t bytes, StreamId id) {
  if (state_->muted) return;
  check_cuda(cudaMemcpyAsync(host, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost,
                             stream_of(stream(id))),
             "copying from the device");
}

void Runtime::zero(void* device, int64_t bytes, StreamId id) {
  if (state_->muted) return;
  check_cuda(cudaMemsetAsync(device, 0, static_cast<size_t>(bytes), stream_of(stream(id))),
             "zeroing memory");
}

EventId Runtime::record(StreamId id) {
  const auto stream_index = static_cast<size_t>(id);
  const EventId event = ++state_->recorded[stream_index] * kStreams + stream_index;
  cudaEvent_t& slot = state_->events[stream_index][Place(event).slot];
  if (slot == nullptr) {
    check_cuda(cudaEventCreateWithFlags(&slot, cudaEventDisableTiming), "making an event");
  }
  check_cuda(cudaEventRecord(slot, stream_of(stream(id))), "recording an event");
  return event;
}

void Runtime::wait(StreamId id, EventId event) {
  if (event == 0 || state_->muted) return;
  const Place place(event);
  check_cuda(cudaStreamWaitEvent(stream_of(stream(id)), state_->events[place.stream][place.slot]),
             "waiting for an event");
}

bool Runtime::reached(EventId event) const {
  if (event == 0) return true;
  const Place place(event);
  // Another thread may be recording a graph, which a question from here must not end.
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  const cudaError_t state = cudaEventQuery(state_->events[place.stream][place.slot]);
  cudaThreadExchangeStreamCaptureMode(&mode);
  if (state == cudaErrorNotReady) {
    cudaGetLastError();  // no error, but the next launch would report it
    return false;
  }
  check_cuda(state, "asking for an event");
  return true;
}

void Runtime::mute(bool muted) { state_->muted = muted; }
const DeviceCounts& Runtime::counts() const { return state_->counts; }

void Runtime::synchronize(EventId event) {
  if (reached(event)) return;
  ++state_->counts.waits;
  const Place place(event);
  check_cuda(cudaEventSynchronize(state_->events[place.stream][place.slot]),
             "waiting for the device");
}

std::string Runtime::identity() const {
  char bus[32] = {};
  check_cuda(cudaDeviceGetPCIBusId(bus, sizeof(bus), state_->device),
             "asking for the device's bus");
  return fmt::format("device {}", bus);
}

const Stream& Runtime::stream(StreamId id) const {
  return state_->streams[static_cast<size_t>(id)];
}

}  // namespace ballast
