#include <fmt/format.h>

#include "kernels/comm/async_comm.h"
#include "kernels/comm/exchange_comm.h"
#include "kernels/comm/self_comm.h"
#include "kernels/comm/staged_comm.h"
#include "kernels/comm/tcp_link.h"
#include "kernels/launch.h"
#include "kernels/open_backend.h"
#include "kernels/open_nccl.h"
#include "kernels/plugin.h"

namespace ballast {

namespace {

Result<std::unique_ptr<Comm>> open_tcp() {
  const TcpPlace place = BALLAST_TRY(tcp_place_from_environment());
  return make_exchange_comm(BALLAST_TRY(connect_tcp(place)));
}

Result<std::unique_ptr<Comm>> open_mpi(Backend& backend) {
  if (!plugin_present("mpi")) {
    return usage_error("transport is not available", "mpi", "this build found no MPI");
  }
  const auto open =
      reinterpret_cast<OpenCommFunction>(BALLAST_TRY(load_plugin_symbol("mpi", kOpenCommSymbol)));
  std::string error;
  std::unique_ptr<Comm> comm(open(&backend, &error));
  if (comm == nullptr) {
    return Error{ErrorKind::device, "cannot open the transport", "mpi", error};
  }
  return comm;
}

// In host memory.
Result<std::unique_ptr<Comm>> open_host_comm(const std::string& transport, Backend& backend) {
  const LaunchPlace place = BALLAST_TRY(launch_place());
  const std::string kind = transport == "auto" ? place.transport : transport;
  if (kind == "self") return make_self_comm(backend);
  if (kind == "tcp") return make_async_comm(open_tcp);
  if (kind == "mpi") {
    auto comm = BALLAST_TRY(make_async_comm([&] { return open_mpi(backend); }));
    // An MPI that does not know its launcher starts every process as a world of its own.
    if (place.transport == "mpi" && comm->size() != place.size) {
      return Error{ErrorKind::device, "the transport sees another number of ranks", "mpi",
                   fmt::format("{} instead of {}: this MPI does not understand its launcher",
                               comm->size(), place.size)};
    }
    return comm;
  }
  return usage_error("unknown transport", transport, "one of auto, self, tcp, mpi, nccl");
}

void note_settings(const NcclSettings& settings, const CommOptions& options) {
  if (options.note && !settings.made.empty())
    options.note("nccl: set for the same bits in every run: " + settings.made);
}

// Asked for by name: nccl or nothing.
Result<std::unique_ptr<Comm>> open_named_nccl(Backend& backend, const CommOptions& options) {
  BALLAST_TRY(check_nccl(backend));
  if (options.any_ranks) {
    return usage_error("--deterministic world with --transport nccl", "",
                       "nccl adds in an order of its own; tcp and mpi add in one tree");
  }
  const NcclSettings settings = BALLAST_TRY(settle_nccl_environment());
  auto host = BALLAST_TRY(open_host_comm("auto", backend));
  const NcclOpening opening = BALLAST_TRY(prepare_nccl(backend, *host, settings));
  note_settings(settings, options);
  return open_nccl(opening, std::move(host));
}

// Several ranks with a CUDA device and no wish: nccl where every rank can, else through host
// memory.
Result<std::unique_ptr<Comm>> open_for_devices(Backend& backend, std::unique_ptr<Comm> host,
                                               const CommOptions& options) {
  const auto through_host = [&](const std::string& why) {
    if (options.warn) {
      options.warn(fmt::format("ranks exchange through host memory over {}, not by nccl: {}",
                               host->name(), why));
    }
    return make_staged_comm(backend, std::move(host));
  };
  if (options.any_ranks) return through_host("--deterministic world needs one tree of sums");
  if (const Result<void> checked = check_nccl(backend); !checked.ok())
    return through_host(checked.error().message());
  const NcclSettings settings = BALLAST_TRY(settle_nccl_environment());
  const Result<NcclOpening> opening = prepare_nccl(backend, *host, settings);
  if (!opening.ok()) return through_host(opening.error().message());
  note_settings(settings, options);
  return open_nccl(*opening, std::move(host));
}

}  // namespace

Result<std::unique_ptr<Comm>> open_comm(const std::string& transport, Backend& backend,
                                        const CommOptions& options) {
  if (transport == "nccl") return open_named_nccl(backend, options);
  auto comm = BALLAST_TRY(open_host_comm(transport, backend));
  if (backend.host_memory() || comm->name() == "self") return comm;
  if (transport == "auto" && backend.name().starts_with("cuda"))
    return open_for_devices(backend, std::move(comm), options);
  return make_staged_comm(backend, std::move(comm));
}

}  // namespace ballast
