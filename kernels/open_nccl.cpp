#include "kernels/open_nccl.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "kernels/environment.h"
#include "kernels/plugin.h"

namespace ballast {

namespace {

constexpr const char* kPlugin = "nccl";

// The plugin that made the backend: "cuda:1" is of cuda.
std::string plugin_of(const Backend& backend) {
  const std::string name = backend.name();
  return name.substr(0, name.find(':'));
}

Result<NcclOpening> opening_for(Backend& backend, const NcclSettings& settings) {
  const auto access = reinterpret_cast<DeviceAccessFunction>(
      BALLAST_TRY(load_plugin_symbol(plugin_of(backend), kDeviceAccessSymbol)));
  NcclOpening opening;
  opening.backend = &backend;
  opening.device = access(&backend);
  opening.settings = settings.all;
  if (!environment_text("BALLAST_COMM_TIMEOUT").empty())
    opening.timeout_s = BALLAST_TRY(environment_integer("BALLAST_COMM_TIMEOUT", 1, 1 << 20));
  return opening;
}

Result<void> find_library(const NcclOpening& opening) {
  const auto find =
      reinterpret_cast<FindNcclFunction>(BALLAST_TRY(load_plugin_symbol(kPlugin, kFindNcclSymbol)));
  std::string description, error;
  if (find(&opening, &description, &error)) return {};
  return Error{ErrorKind::device, "cannot open the transport", kPlugin, error};
}

// All ranks go on, or none: the error of this one, or that of another.
Result<void> agree(Comm& host, Result<void> mine) {
  double first[1] = {mine.ok() ? 0.0 : static_cast<double>(host.size() - host.rank())};
  host.all_reduce_host(first, ReduceOp::max);
  if (first[0] == 0 || !mine.ok()) return mine;
  return Error{ErrorKind::device, "cannot open the transport", kPlugin,
               fmt::format("rank {} cannot use NCCL", host.size() - static_cast<int>(first[0]))};
}

// Host and device of every rank, by rank.
std::vector<std::string> devices_of_ranks(Comm& host, const DeviceAccess& device) {
  constexpr size_t kBytes = 512;
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  // Containers of several hosts may have one name.
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  const std::string own = fmt::format("{} of {} {}", device.identity(), name, boot);
  const auto size = static_cast<size_t>(host.size());
  std::vector<char> all(kBytes * size);
  std::vector<int64_t> borders;
  for (size_t r = 0; r <= size; ++r) borders.push_back(static_cast<int64_t>(r * kBytes));
  own.copy(all.data() + borders[static_cast<size_t>(host.rank())], kBytes - 1);
  host.join(host.gather_parts(
      make_tensor(all.data(), Dtype::u8, 1, static_cast<int64_t>(all.size())), borders, 0));
  std::vector<std::string> devices;
  for (size_t r = 0; r < size; ++r) devices.emplace_back(all.data() + r * kBytes);
  return devices;
}

// NCCL refuses two ranks on one device, after a while and in other words.
Result<void> check_devices(const std::vector<std::string>& devices) {
  if (environment_text("NCCL_MULTI_RANK_GPU_ENABLE") == "1")
    return {};  // NCCL 2.30 can be asked to
  for (auto d = devices.begin(); d != devices.end(); ++d) {
    const auto other = std::find(devices.begin(), d, *d);
    if (other == d) continue;
    return Error{ErrorKind::device, "cannot open the transport", kPlugin,
                 fmt::format("ranks {} and {} share one device, {}", other - devices.begin(),
                             d - devices.begin(), *d)};
  }
  return {};
}

}  // namespace

Result<void> check_nccl(const Backend& backend) {
  if (!plugin_present(kPlugin))
    return usage_error("transport is not available", kPlugin,
                       "this build found no header of NCCL (nccl.h)");
  if (backend.host_memory())
    return usage_error(
        "transport is not available", kPlugin,
        fmt::format("it moves the memory of CUDA devices, and this is {}", backend.name()));
  return {};
}

Result<NcclOpening> prepare_nccl(Backend& backend, Comm& host, const NcclSettings& settings) {
  Result<NcclOpening> opening = opening_for(backend, settings);
  BALLAST_TRY(agree(host, opening.ok() ? find_library(*opening) : Result<void>(opening.error())));
  BALLAST_TRY(check_devices(devices_of_ranks(host, *opening->device)));
  return opening;
}

Result<std::unique_ptr<Comm>> open_nccl(const NcclOpening& opening, std::unique_ptr<Comm> host) {
  const auto open =
      reinterpret_cast<OpenNcclFunction>(BALLAST_TRY(load_plugin_symbol(kPlugin, kOpenNcclSymbol)));
  std::string error;
  std::unique_ptr<Comm> comm(open(&opening, host.get(), &error));
  if (comm == nullptr) return Error{ErrorKind::device, "cannot open the transport", kPlugin, error};
  (void)host.release();  // it is the new one's
  return comm;
}

}  // namespace ballast
