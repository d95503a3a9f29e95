#include "kernels/cpu/cpu_backend.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <new>

#include "kernels/cpu/gemm_cache.h"
#include "kernels/cpu/isa.h"
#include "kernels/open_backend.h"
#include "libcore/base/device_error.h"

namespace ballast {

namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kHugePage = int64_t{2} << 20;

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unnamed processor";  // Arm kernels give no model name
}

}  // namespace

CpuBackend::CpuBackend(int threads) : pool_(threads), gemm_cache_(std::make_unique<GemmCache>()) {}

CpuBackend::~CpuBackend() = default;

std::string CpuBackend::description() const {
  return fmt::format("{}; kernels {}; {}", processor_name(), simd_target(), gemm_library());
}

void* CpuBackend::allocate(int64_t bytes, bool) {
  const int64_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  const int64_t size = (std::max<int64_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(size));
  if (data == nullptr) {
    throw DeviceError(fmt::format("cpu: no memory for {} bytes", bytes));
  }
  if (alignment == kHugePage) {
    ::madvise(data, static_cast<size_t>(size), MADV_HUGEPAGE);  // a hint: refusal changes nothing
  }
  return data;
}

void CpuBackend::release(void* data) { std::free(data); }

void CpuBackend::copy_in(void* device, const void* host, int64_t bytes, StreamId) {
  std::memcpy(device, host, static_cast<size_t>(bytes));
}

void CpuBackend::copy_out(void* host, const void* device, int64_t bytes, StreamId) {
  std::memcpy(host, device, static_cast<size_t>(bytes));
}

void CpuBackend::zero(void* device, int64_t bytes) {
  pool_.parallel_for(bytes, int64_t{1} << 20, [&](int64_t begin, int64_t end) {
    std::memset(static_cast<char*>(device) + begin, 0, static_cast<size_t>(end - begin));
  });
}

float* CpuBackend::scratch(int64_t count) {
  if (static_cast<int64_t>(scratch_.size()) < count) scratch_.resize(static_cast<size_t>(count));
  return scratch_.data();
}

int64_t chunk_of(int64_t rows, int64_t cols) {
  const int64_t by_size = std::max<int64_t>(1, 16384 / std::max<int64_t>(cols, 1));
  return std::max(by_size, (rows + 255) / 256);
}

}  // namespace ballast

extern "C" ballast::Backend* ballast_open_backend(const ballast::BackendOptions* options,
                                                  std::string* error) {
  if (options->compute != ballast::Dtype::f32) {
    *error = "computes in fp32 only";
    return nullptr;
  }
  try {
    return new ballast::CpuBackend(options->threads);
  } catch (const std::exception& failure) {
    *error = failure.what();
    return nullptr;
  }
}
