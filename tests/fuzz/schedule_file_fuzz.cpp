// Schedule files: whatever parses gives finite learning rates at every place.
#include <cmath>
#include <cstdint>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/optim/schedule.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto schedule = ballast::parse_schedule_file(text, "fuzz", 1e-3, 1000);
  if (!schedule.ok()) return 0;
  for (const auto& point : schedule->points) {
    for (const int64_t at : {point.tokens - 1, point.tokens, point.tokens + 1}) {
      const double lr = schedule->lr(at, 16);
      BALLAST_CHECK(std::isfinite(lr) && lr >= 0);
    }
  }
  return 0;
}
