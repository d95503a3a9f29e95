#include "kernels/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kernels/environment.h"
#include "libcore/base/thread_pool.h"

namespace ballast {

namespace {

constexpr int kMostRanks = 1 << 20;

Result<LaunchPlace> numbered(const char* transport, const char* rank, const char* size) {
  LaunchPlace place;
  place.transport = transport;
  place.size = BALLAST_TRY(environment_integer(size, 1, kMostRanks));
  place.rank = BALLAST_TRY(environment_integer(rank, 0, place.size - 1));
  return place;
}

bool is_loopback(const std::string& master) {
  return master.starts_with("127.") || master.starts_with("localhost:") ||
         master.starts_with("::1:");
}

Result<LaunchPlace> by_hand() {
  LaunchPlace place = BALLAST_TRY(numbered("tcp", "BALLAST_RANK", "BALLAST_WORLD_SIZE"));
  if (is_loopback(environment_text("BALLAST_MASTER"))) {
    place.local_size = place.size;
    place.local_rank = place.rank;
  }
  return place;
}

// 0 when it is not set or not a rank.
int local_rank_from(const char* name) {
  return std::max(0, std::atoi(environment_text(name).c_str()));
}

void add_place_in_node_of_slurm(LaunchPlace& place) {
  place.local_rank = local_rank_from("SLURM_LOCALID");
  std::string list = environment_text("SLURM_STEP_TASKS_PER_NODE");
  if (list.empty()) list = environment_text("SLURM_TASKS_PER_NODE");
  place.local_size =
      std::max(1, tasks_of_node(list, std::atoi(environment_text("SLURM_NODEID").c_str())));
}

Result<LaunchPlace> by_pmi() {
  if (!environment_text("OMPI_COMM_WORLD_SIZE").empty()) {
    LaunchPlace place =
        BALLAST_TRY(numbered("mpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"));
    if (!environment_text("OMPI_COMM_WORLD_LOCAL_SIZE").empty())
      place.local_size =
          BALLAST_TRY(environment_integer("OMPI_COMM_WORLD_LOCAL_SIZE", 1, kMostRanks));
    place.local_rank = local_rank_from("OMPI_COMM_WORLD_LOCAL_RANK");
    return place;
  }
  const bool counted = !environment_text("PMI_SIZE").empty();
  LaunchPlace place = BALLAST_TRY(numbered("mpi", counted ? "PMI_RANK" : "SLURM_PROCID",
                                           counted ? "PMI_SIZE" : "SLURM_NTASKS"));
  add_place_in_node_of_slurm(place);
  return place;
}

}  // namespace

int tasks_of_node(const std::string& list, int node) {
  const char* at = list.data();
  const char* end = at + list.size();
  while (at < end) {
    int tasks = 0, repeats = 1;
    const auto count = std::from_chars(at, end, tasks);
    if (count.ec != std::errc()) return 0;
    at = count.ptr;
    if (end - at > 3 && at[0] == '(' && at[1] == 'x') {
      const auto repeat = std::from_chars(at + 2, end, repeats);
      if (repeat.ec != std::errc() || repeat.ptr == end) return 0;
      at = repeat.ptr + 1;
    }
    if (node < repeats) return tasks;
    node -= repeats;
    if (at < end) ++at;  // the comma
  }
  return 0;
}

Result<LaunchPlace> launch_place() {
  if (!environment_text("BALLAST_WORLD_SIZE").empty()) return by_hand();
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (!environment_text(name).empty()) return by_pmi();
  // SLURM_STEP_ID tells a task that srun started from a batch script, which has SLURM_NTASKS too.
  if (std::atoi(environment_text("SLURM_NTASKS").c_str()) > 1 &&
      !environment_text("SLURM_STEP_ID").empty()) {
    LaunchPlace place = BALLAST_TRY(numbered("tcp", "SLURM_PROCID", "SLURM_NTASKS"));
    add_place_in_node_of_slurm(place);
    return place;
  }
  return LaunchPlace();
}

int default_threads(const LaunchPlace& place) {
  const int cores = available_cores();
  const int given = std::atoi(environment_text("SLURM_CPUS_PER_TASK").c_str());
  if (given > 0) return std::min(given, cores);
  return std::max(1, cores / place.local_size);
}

}  // namespace ballast
