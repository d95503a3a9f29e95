#include "kernels/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "libcore/base/thread_pool.h"

namespace ballast {

namespace {

constexpr int kMostRanks = 1 << 20;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<int> integer(const char* name, int low, int high) {
  const std::string text = variable(name);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    return usage_error(fmt::format("cannot use {}", name), text.empty() ? "not set" : text,
                       fmt::format("a whole number from {} to {}", low, high));
  }
  return value;
}

Result<LaunchPlace> numbered(const char* transport, const char* rank, const char* size) {
  LaunchPlace place;
  place.transport = transport;
  place.size = BALLAST_TRY(integer(size, 1, kMostRanks));
  place.rank = BALLAST_TRY(integer(rank, 0, place.size - 1));
  return place;
}

bool is_loopback(const std::string& master) {
  return master.starts_with("127.") || master.starts_with("localhost:") ||
         master.starts_with("::1:");
}

Result<LaunchPlace> by_hand() {
  LaunchPlace place = BALLAST_TRY(numbered("tcp", "BALLAST_RANK", "BALLAST_WORLD_SIZE"));
  if (is_loopback(variable("BALLAST_MASTER"))) place.local_size = place.size;
  return place;
}

void add_local_size_of_slurm(LaunchPlace& place) {
  std::string list = variable("SLURM_STEP_TASKS_PER_NODE");
  if (list.empty()) list = variable("SLURM_TASKS_PER_NODE");
  place.local_size = std::max(1, tasks_of_node(list, std::atoi(variable("SLURM_NODEID").c_str())));
}

Result<LaunchPlace> by_pmi() {
  if (!variable("OMPI_COMM_WORLD_SIZE").empty()) {
    LaunchPlace place =
        BALLAST_TRY(numbered("mpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"));
    if (!variable("OMPI_COMM_WORLD_LOCAL_SIZE").empty())
      place.local_size = BALLAST_TRY(integer("OMPI_COMM_WORLD_LOCAL_SIZE", 1, kMostRanks));
    return place;
  }
  const bool counted = !variable("PMI_SIZE").empty();
  LaunchPlace place = BALLAST_TRY(numbered("mpi", counted ? "PMI_RANK" : "SLURM_PROCID",
                                           counted ? "PMI_SIZE" : "SLURM_NTASKS"));
  add_local_size_of_slurm(place);
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
  if (!variable("BALLAST_WORLD_SIZE").empty()) return by_hand();
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (!variable(name).empty()) return by_pmi();
  // SLURM_STEP_ID tells a task that srun started from a batch script, which has SLURM_NTASKS too.
  if (std::atoi(variable("SLURM_NTASKS").c_str()) > 1 && !variable("SLURM_STEP_ID").empty()) {
    LaunchPlace place = BALLAST_TRY(numbered("tcp", "SLURM_PROCID", "SLURM_NTASKS"));
    add_local_size_of_slurm(place);
    return place;
  }
  return LaunchPlace();
}

int default_threads(const LaunchPlace& place) {
  const int cores = available_cores();
  const int given = std::atoi(variable("SLURM_CPUS_PER_TASK").c_str());
  if (given > 0) return std::min(given, cores);
  return std::max(1, cores / place.local_size);
}

}  // namespace ballast
