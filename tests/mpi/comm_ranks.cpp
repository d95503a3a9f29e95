// One rank of the mpi transport's test: mpirun starts several. Exits 1 with what went wrong.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "kernels/open_backend.h"
#include "tests/kernels/comm_exercise.h"

int main() {
  ::setenv("BALLAST_PLUGIN_DIR", BALLAST_PLUGIN_DIR, 1);
  ballast::Result<std::unique_ptr<ballast::Backend>> backend =
      ballast::open_backend("cpu", {.threads = 1});
  if (!backend.ok()) {
    std::fprintf(stderr, "%s\n", backend.error().message().c_str());
    return 1;
  }
  ballast::Result<std::unique_ptr<ballast::Comm>> comm = ballast::open_comm("auto", **backend);
  if (!comm.ok()) {
    std::fprintf(stderr, "%s\n", comm.error().message().c_str());
    return 1;
  }
  std::string wrong;
  if ((*comm)->name() != "mpi") wrong = "auto chose " + (*comm)->name();
  for (const auto exercise :
       {ballast::exercise_collectives, ballast::exercise_ring, ballast::exercise_split}) {
    if (wrong.empty()) wrong = exercise(**comm, {});
  }
  if (!wrong.empty()) std::fprintf(stderr, "rank %d: %s\n", (*comm)->rank(), wrong.c_str());
  return wrong.empty() ? 0 : 1;
}
