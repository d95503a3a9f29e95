// The tcp transport: one connection between every two ranks, made from nothing but the master's
// address. Every rank tells rank 0 where it listens, rank 0 tells all of them everything, and the
// rest connect among themselves. Needs no launcher: Slurm's variables or three of our own say who
// is who.
#pragma once

#include <memory>
#include <string>

#include "kernels/comm/link.h"
#include "libcore/base/result.h"

namespace ballast {

struct TcpPlace {
  int rank = 0;
  int size = 1;
  std::string host;  // of rank 0
  int port = 0;
  int timeout_s = 300;  // for the start, and for any exchange without progress
};

// From BALLAST_RANK, BALLAST_WORLD_SIZE and BALLAST_MASTER=host:port, else from SLURM_PROCID,
// SLURM_NTASKS, SLURM_STEP_NODELIST, SLURM_JOB_ID and SLURM_STEP_ID (the port follows from the last
// two); BALLAST_COMM_TIMEOUT in seconds.
Result<TcpPlace> tcp_place_from_environment();

// The first host of a Slurm list such as "gpu[003-007,12]-ib,login".
Result<std::string> first_host(const std::string& nodelist);

Result<std::shared_ptr<Link>> connect_tcp(const TcpPlace& place);

}  // namespace ballast
