#include "kernels/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace ballast {

namespace {

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

}  // namespace

Result<void*> load_plugin_symbol(const std::string& plugin, const char* symbol) {
  const std::string path = plugin_path(plugin).string();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return Error{ErrorKind::device, fmt::format("cannot load the {} plugin", plugin), path,
                 ::dlerror()};
  }
  void* address = ::dlsym(handle, symbol);
  if (address == nullptr) {
    return Error{ErrorKind::device, fmt::format("not a {} plugin", plugin), path,
                 fmt::format("it has no {}", symbol)};
  }
  return address;
}

bool plugin_present(const std::string& plugin) {
  std::error_code ignored;
  return std::filesystem::exists(plugin_path(plugin), ignored);
}

}  // namespace ballast
