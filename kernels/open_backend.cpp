#include "kernels/open_backend.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "kernels/plugin.h"

namespace ballast {

namespace {

// oneDNN's OpenMP runtime reads these when it loads. Our pool is the only source of threads;
// passive waiting keeps a runtime that starts threads all the same from burning the cores.
void quiet_openmp() {
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  ::setenv("OMP_NUM_THREADS", "1", 0);
}

// Where an installed driver shows itself; asking CUDA would cost its start-up.
bool cuda_device_present() {
  std::error_code ignored;
  return plugin_present("cuda") && std::filesystem::exists("/dev/nvidiactl", ignored);
}

struct Place {
  std::string plugin;
  int index = -1;
};

Result<Place> place_of(const std::string& device) {
  if (device == "cpu" || device == "emu") return Place{device};
  if (device == "auto") return Place{cuda_device_present() ? "cuda" : "cpu"};
  if (device == "cuda") return Place{"cuda"};
  constexpr std::string_view kIndexed = "cuda:";
  int index = 0;
  if (device.starts_with(kIndexed)) {
    const char* const end = device.data() + device.size();
    const auto [parsed, error] = std::from_chars(device.data() + kIndexed.size(), end, index);
    if (error == std::errc() && parsed == end && index >= 0) return Place{"cuda", index};
  }
  return usage_error("unknown device", device, "one of auto, cpu, cuda, cuda:N, emu");
}

}  // namespace

Result<std::unique_ptr<Backend>> open_backend(const std::string& device,
                                              const BackendOptions& options) {
  const Place place = BALLAST_TRY(place_of(device));
  if (place.plugin != "cpu" && !plugin_present(place.plugin)) {
    return usage_error(
        "device is not available", device,
        fmt::format("this build has no {} backend; --device cpu runs", place.plugin));
  }
  quiet_openmp();
  const auto open = reinterpret_cast<OpenBackendFunction>(
      BALLAST_TRY(load_plugin_symbol(place.plugin, kOpenBackendSymbol)));
  BackendOptions resolved = options;
  resolved.device = place.index;
  std::string error;
  std::unique_ptr<Backend> backend(open(&resolved, &error));
  if (backend == nullptr) {
    return Error{ErrorKind::device, "cannot open the device", device, error};
  }
  return backend;
}

Result<Dtype> compute_type(const std::string& device, const std::string& precision) {
  const Place place = BALLAST_TRY(place_of(device));
  const bool cpu = place.plugin == "cpu";
  if (precision == "auto") return cpu ? Dtype::f32 : Dtype::bf16;
  if (precision == "fp32") return Dtype::f32;
  if (precision == "bf16" && !cpu) return Dtype::bf16;
  return usage_error(fmt::format("--precision {}", precision), "",
                     cpu ? "the cpu computes in fp32" : "one of auto, fp32, bf16");
}

std::vector<std::pair<std::string, std::string>> compiled_features() {
  const auto presence = [](const char* plugin) {
    return std::string(plugin_present(plugin) ? "present" : "absent");
  };
  return {{"cpu backend", presence("cpu")},
          {"cuda backend", presence("cuda")},
          {"emulated cuda backend", presence("emu")},
          {"self transport", "present"},
          {"tcp transport", "present"},
          {"mpi transport", presence("mpi")},
          {"nccl transport", presence("nccl")}};
}

}  // namespace ballast
