#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "kernels/comm/tcp_link.h"
#include "kernels/environment.h"

namespace ballast {

namespace {

constexpr int kMostRanks = 4096;

Result<void> read_master(TcpPlace& place) {
  const std::string master = environment_text("BALLAST_MASTER");
  const size_t colon = master.rfind(':');
  int port = 0;
  const char* begin = master.data() + (colon == std::string::npos ? 0 : colon + 1);
  const auto [end, error] = std::from_chars(begin, master.data() + master.size(), port);
  if (colon == std::string::npos || colon == 0 || error != std::errc() ||
      end != master.data() + master.size() || port < 1 || port > 65535) {
    return usage_error("cannot use BALLAST_MASTER", master.empty() ? "not set" : master,
                       "host:port of rank 0");
  }
  place.host = master.substr(0, colon);
  place.port = port;
  return {};
}

// Ports below the range that systems hand out to clients; steps of one job get different ones.
int slurm_port(int job, int step) { return 20000 + (job * 31 + step) % 12000; }

Result<void> read_slurm(TcpPlace& place) {
  place.rank = BALLAST_TRY(environment_integer("SLURM_PROCID", 0, kMostRanks - 1));
  place.size = BALLAST_TRY(environment_integer("SLURM_NTASKS", 1, kMostRanks));
  place.host = BALLAST_TRY(first_host(environment_text("SLURM_STEP_NODELIST")));
  const int job = BALLAST_TRY(environment_integer("SLURM_JOB_ID", 0, 1 << 26));
  place.port = slurm_port(job, BALLAST_TRY(environment_integer("SLURM_STEP_ID", 0, 1 << 20)));
  return {};
}

}  // namespace

Result<std::string> first_host(const std::string& nodelist) {
  const size_t open = nodelist.find('['), comma = nodelist.find(',');
  if (nodelist.empty() || open == 0 || comma == 0) {
    return usage_error("cannot use SLURM_STEP_NODELIST", nodelist.empty() ? "not set" : nodelist);
  }
  if (open == std::string::npos || comma < open) return nodelist.substr(0, comma);
  const size_t close = nodelist.find(']', open);
  const size_t number_end = nodelist.find_first_of("-,]", open);
  if (close == std::string::npos || number_end == open + 1) {
    return usage_error("cannot use SLURM_STEP_NODELIST", nodelist);
  }
  const size_t next = nodelist.find(',', close);
  const size_t suffix = next == std::string::npos ? std::string::npos : next - close - 1;
  return nodelist.substr(0, open) + nodelist.substr(open + 1, number_end - open - 1) +
         nodelist.substr(close + 1, suffix);
}

Result<TcpPlace> tcp_place_from_environment() {
  TcpPlace place;
  if (!environment_text("BALLAST_COMM_TIMEOUT").empty()) {
    place.timeout_s = BALLAST_TRY(environment_integer("BALLAST_COMM_TIMEOUT", 1, 1 << 20));
  }
  if (environment_text("BALLAST_WORLD_SIZE").empty()) {
    BALLAST_TRY(read_slurm(place));
  } else {
    place.rank = BALLAST_TRY(environment_integer("BALLAST_RANK", 0, kMostRanks - 1));
    place.size = BALLAST_TRY(environment_integer("BALLAST_WORLD_SIZE", 1, kMostRanks));
    BALLAST_TRY(read_master(place));
  }
  if (place.rank >= place.size) {
    return usage_error("rank is outside the world", std::to_string(place.rank),
                       fmt::format("0 to {}", place.size - 1));
  }
  return place;
}

}  // namespace ballast
