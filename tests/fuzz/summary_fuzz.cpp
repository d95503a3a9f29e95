// Summary records of cleaning runs: whatever is read adds up without contradiction.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/corpus/dropped_stat.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  const auto record = parse_json({reinterpret_cast<const char*>(data), size}, "input");
  if (!record.ok()) return 0;
  auto stat = parse_summary(*record, "input");
  if (!stat.ok()) return 0;
  const DroppedStat once = *stat;
  stat->add(once);
  BALLAST_CHECK(stat->rejected() == 2 * once.rejected());
  int64_t reasons = 0;
  for (const auto& [name, count] : once.reasons) reasons += count;
  BALLAST_CHECK(reasons == once.rejected());
  return 0;
}
