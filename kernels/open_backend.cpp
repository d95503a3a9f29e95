#include "kernels/open_backend.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace ballast {

namespace {

Error device_error(std::string what, std::string where, std::string why) {
  return {ErrorKind::device, std::move(what), std::move(where), std::move(why)};
}

std::filesystem::path plugin_folder() {
  if (const char* folder = std::getenv("BALLAST_PLUGIN_DIR");
      folder != nullptr && *folder != '\0') {
    return folder;
  }
  std::error_code ignored;  // an unreadable link gives an empty path, and loading then says so
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / ".." / "lib";
}

std::filesystem::path plugin_path(const std::string& name) {
  return plugin_folder() / ("ballast_" + name + ".so");
}

// Plugins stay loaded for the life of the process: their objects may outlive any owner here.
Result<void*> load_symbol(const std::string& plugin, const char* symbol) {
  const std::string path = plugin_path(plugin).string();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return device_error(fmt::format("cannot load the {} plugin", plugin), path, ::dlerror());
  }
  void* address = ::dlsym(handle, symbol);
  if (address == nullptr) {
    return device_error(fmt::format("not a {} plugin", plugin), path,
                        fmt::format("it has no {}", symbol));
  }
  return address;
}

// oneDNN's OpenMP runtime reads these when it loads. Our pool is the only source of threads;
// passive waiting keeps a runtime that starts threads all the same from burning the cores.
void quiet_openmp() {
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  ::setenv("OMP_NUM_THREADS", "1", 0);
}

bool built(const std::string& plugin) {
  std::error_code ignored;
  return std::filesystem::exists(plugin_path(plugin), ignored);
}

}  // namespace

Result<std::unique_ptr<Backend>> open_backend(const std::string& device,
                                              const BackendOptions& options) {
  if (device == "cuda" || device.rfind("cuda:", 0) == 0) {
    return usage_error("device is not available", device,
                       "this build has no cuda backend; --device cpu runs");
  }
  if (device != "cpu" && device != "auto") {
    return usage_error("unknown device", device, "one of auto, cpu, cuda, cuda:N");
  }
  quiet_openmp();
  const auto open =
      reinterpret_cast<OpenBackendFunction>(BALLAST_TRY(load_symbol("cpu", kOpenBackendSymbol)));
  std::string error;
  std::unique_ptr<Backend> backend(open(&options, &error));
  if (backend == nullptr) return device_error("cannot open the device", device, error);
  return backend;
}

std::vector<std::pair<std::string, std::string>> compiled_features() {
  const auto presence = [](const char* plugin) {
    return std::string(built(plugin) ? "present" : "absent");
  };
  return {{"cpu backend", presence("cpu")},   {"cuda backend", "absent"},
          {"self transport", "present"},      {"tcp transport", "present"},
          {"mpi transport", presence("mpi")}, {"nccl transport", "absent"}};
}

}  // namespace ballast
