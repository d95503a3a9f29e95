// Who this process is among the ranks of a run, from the environment that its launcher made; asks
// nobody and opens nothing. In this order: BALLAST_WORLD_SIZE and BALLAST_RANK (by hand, tcp),
// mpirun or another PMI launcher (mpi), an srun step of several tasks (tcp), else alone (self).
#pragma once

#include <string>

#include "libcore/base/result.h"

namespace ballast {

struct LaunchPlace {
  std::string transport = "self";  // what "auto" means here
  int rank = 0;
  int size = 1;
  int local_size = 1;  // ranks on this host; 1 when the launcher does not say
  int local_rank = 0;  // among them; 0 when the launcher does not say
};

// Kind usage when a variable does not read.
Result<LaunchPlace> launch_place();

// Host threads of one rank when none are asked for: what Slurm gave each task
// (SLURM_CPUS_PER_TASK), else the cores that this process may use shared out among the ranks of the
// host; at least 1.
int default_threads(const LaunchPlace& place);

// The part of a Slurm count list such as "4(x2),3" that belongs to node `node`; 0: it has none.
int tasks_of_node(const std::string& list, int node);

}  // namespace ballast
