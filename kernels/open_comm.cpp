#include <cstdlib>

#include "kernels/comm/exchange_comm.h"
#include "kernels/comm/self_comm.h"
#include "kernels/comm/tcp_link.h"
#include "kernels/open_backend.h"
#include "kernels/plugin.h"

namespace ballast {

namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// SLURM_STEP_ID tells a task that srun started from a batch script, which has SLURM_NTASKS too.
bool in_slurm_step() {
  const char* tasks = std::getenv("SLURM_NTASKS");
  return tasks != nullptr && std::atoi(tasks) > 1 && is_set("SLURM_STEP_ID");
}

std::string automatic_transport() {
  if (is_set("BALLAST_WORLD_SIZE")) return "tcp";
  if (is_set("OMPI_COMM_WORLD_SIZE") || is_set("PMIX_RANK") || is_set("PMI_RANK")) return "mpi";
  return in_slurm_step() ? "tcp" : "self";
}

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

}  // namespace

Result<std::unique_ptr<Comm>> open_comm(const std::string& transport, Backend& backend) {
  const std::string kind = transport == "auto" ? automatic_transport() : transport;
  if (kind == "self") return make_self_comm(backend);
  if (kind == "tcp") return open_tcp();
  if (kind == "mpi") return open_mpi(backend);
  if (kind == "nccl") {
    return usage_error("transport is not available", kind, "this build has no nccl transport");
  }
  return usage_error("unknown transport", transport, "one of auto, self, tcp, mpi, nccl");
}

}  // namespace ballast
