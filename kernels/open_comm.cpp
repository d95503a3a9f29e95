#include <fmt/format.h>

#include "kernels/comm/async_comm.h"
#include "kernels/comm/exchange_comm.h"
#include "kernels/comm/self_comm.h"
#include "kernels/comm/staged_comm.h"
#include "kernels/comm/tcp_link.h"
#include "kernels/launch.h"
#include "kernels/open_backend.h"
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
  if (kind == "nccl") {
    return usage_error("transport is not available", kind, "this build has no nccl transport");
  }
  return usage_error("unknown transport", transport, "one of auto, self, tcp, mpi, nccl");
}

}  // namespace

Result<std::unique_ptr<Comm>> open_comm(const std::string& transport, Backend& backend) {
  auto comm = BALLAST_TRY(open_host_comm(transport, backend));
  if (backend.host_memory() || comm->name() == "self") return comm;
  return make_staged_comm(backend, std::move(comm));
}

}  // namespace ballast
