#include "tools/tokshard/run_record.h"

#include <unistd.h>

#include <chrono>
#include <ctime>

namespace ballast {

Json run_record(const CommonOptions& common) {
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char time[32];
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {{"time", time}, {"host", host}, {"argv", common.argv}};
}

}  // namespace ballast
