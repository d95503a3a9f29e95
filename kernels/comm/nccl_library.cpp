#include "kernels/comm/nccl_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "kernels/environment.h"

namespace ballast {

namespace {

namespace fs = std::filesystem;

constexpr const char* kLoaderName = "libnccl.so.2";
// A library for tests carries this; see tests/support.
constexpr const char* kTestMark = "ballast_this_is_not_nccl";

Error nccl_error(const std::string& path, std::string why) {
  return {ErrorKind::device, "cannot use NCCL", path, std::move(why)};
}

// The packages of an environment's interpreters: PREFIX/lib/python3.N/site-packages.
void add_packages(const std::string& prefix, std::vector<std::string>& found) {
  std::error_code ignored;
  if (prefix.empty()) return;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(prefix) / "lib", ignored)) {
    if (!entry.path().filename().string().starts_with("python3")) continue;
    const fs::path file = entry.path() / "site-packages/nvidia/nccl/lib" / kLoaderName;
    if (fs::exists(file, ignored)) found.push_back(file.string());
  }
}

std::vector<std::string> places() {
  if (std::string named = environment_text("BALLAST_NCCL"); !named.empty()) return {named};
  std::vector<std::string> packages;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    add_packages(environment_text(name), packages);
  std::sort(packages.begin(), packages.end());
  packages.insert(packages.begin(), kLoaderName);
  return packages;
}

template <class Function>
bool find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  return function != nullptr;
}

Result<void> check_version(NcclLibrary& library, void* handle) {
  decltype(&::ncclGetVersion) get_version = nullptr;
  if (!find(handle, "ncclGetVersion", get_version))
    return nccl_error(library.path, "it has no ncclGetVersion");
  if (get_version(&library.version) != ncclSuccess)
    return nccl_error(library.path, "it does not tell its version");
  if (library.version >= kOldestNccl && library.version < kFirstUnknownNccl) return {};
  return nccl_error(library.path, fmt::format("version {}; {} or a later 2.x is needed",
                                              nccl_version_text(library.version),
                                              nccl_version_text(kOldestNccl)));
}

Result<void> find_calls(NcclLibrary& library, void* handle) {
  std::vector<std::string> missing;
#define BALLAST_NCCL_FIND(name) \
  if (!find(handle, #name, library.name)) missing.push_back(#name);
  BALLAST_NCCL_CALLS(BALLAST_NCCL_FIND)
  if (!missing.empty()) {
    return nccl_error(library.path,
                      fmt::format("version {}; it has no {}", nccl_version_text(library.version),
                                  fmt::join(missing, ", ")));
  }
  BALLAST_NCCL_MEMORY_CALLS(BALLAST_NCCL_FIND)
#undef BALLAST_NCCL_FIND
  library.has_memory = missing.empty();
  return {};
}

std::string path_of(void* address, const std::string& asked) {
  Dl_info info{};
  return ::dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : asked;
}

Result<std::shared_ptr<const NcclLibrary>> table_of(void* handle, const std::string& asked) {
  auto library = std::make_shared<NcclLibrary>();
  library->path = asked;
  BALLAST_TRY(check_version(*library, handle));
  BALLAST_TRY(find_calls(*library, handle));
  library->path = path_of(reinterpret_cast<void*>(library->ncclAllReduce), asked);
  library->only_a_test = ::dlsym(handle, kTestMark) != nullptr;
  return std::shared_ptr<const NcclLibrary>(std::move(library));
}

}  // namespace

std::string nccl_version_text(int version) {
  // Until 2.8 a version was written with one digit less.
  const int major = version < 10000 ? version / 1000 : version / 10000;
  const int rest = version < 10000 ? version % 1000 : version % 10000;
  return fmt::format("{}.{}.{}", major, rest / 100, rest % 100);
}

std::string NcclLibrary::description() const {
  return fmt::format("{} {}", only_a_test ? "test library in NCCL's place, as of" : "NCCL",
                     nccl_version_text(version));
}

Result<std::shared_ptr<const NcclLibrary>> load_nccl() {
  std::string tried;
  for (const std::string& path : places()) {
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return table_of(handle, path);
    tried += (tried.empty() ? "" : "; ") + std::string(::dlerror());
  }
  return Error{ErrorKind::device, "cannot load NCCL", {}, tried + "; BALLAST_NCCL=FILE names it"};
}

}  // namespace ballast
