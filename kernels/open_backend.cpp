#include "kernels/open_backend.h"

#include <cstdlib>

#include "kernels/plugin.h"

namespace ballast {

namespace {

// oneDNN's OpenMP runtime reads these when it loads. Our pool is the only source of threads;
// passive waiting keeps a runtime that starts threads all the same from burning the cores.
void quiet_openmp() {
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  ::setenv("OMP_NUM_THREADS", "1", 0);
}

}  // namespace

Result<std::unique_ptr<Backend>> open_backend(const std::string& device,
                                              const BackendOptions& options) {
  if (device == "cuda" || device.rfind("cuda:", 0) == 0) {
    return usage_error("device is not available", device,
                       "this build has no cuda backend; --device cpu runs");
  }
  if (device != "cpu" && device != "auto" && device != "emu") {
    return usage_error("unknown device", device, "one of auto, cpu, cuda, cuda:N, emu");
  }
  quiet_openmp();
  const auto open = reinterpret_cast<OpenBackendFunction>(
      BALLAST_TRY(load_plugin_symbol(device == "emu" ? "emu" : "cpu", kOpenBackendSymbol)));
  std::string error;
  std::unique_ptr<Backend> backend(open(&options, &error));
  if (backend == nullptr) {
    return Error{ErrorKind::device, "cannot open the device", device, error};
  }
  return backend;
}

std::vector<std::pair<std::string, std::string>> compiled_features() {
  const auto presence = [](const char* plugin) {
    return std::string(plugin_present(plugin) ? "present" : "absent");
  };
  return {{"cpu backend", presence("cpu")},
          {"cuda backend", "absent"},
          {"emulated cuda backend", presence("emu")},
          {"self transport", "present"},
          {"tcp transport", "present"},
          {"mpi transport", presence("mpi")},
          {"nccl transport", "absent"}};
}

}  // namespace ballast
