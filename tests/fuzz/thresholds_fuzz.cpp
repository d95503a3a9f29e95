// Any bytes as a thresholds file: refused, or a limit with finite numbers that is written and read
// back to the same.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/text/scores/score_plan.h"

namespace {

void check(const ballast::ScoreLimit& limit, double value) {
  BALLAST_CHECK(std::isfinite(value));
  const bool at_limit = limit.comparison == ballast::Comparison::at_least ||
                        limit.comparison == ballast::Comparison::at_most;
  BALLAST_CHECK(limit.met_by(value, value) == at_limit);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto limit = ballast::parse_thresholds(text, "file");
  if (!limit.ok()) return 0;
  BALLAST_CHECK(ballast::is_score_name(limit->score));
  check(*limit, limit->value);
  for (const auto& [language, value] : limit->by_language) {
    check(*limit, value);
    BALLAST_CHECK(limit->of(language) == value);
  }
  const auto again =
      ballast::parse_thresholds(ballast::thresholds_text(*limit, "top:1%", 1, 0), "again");
  BALLAST_CHECK(again.ok() && again->score == limit->score && again->value == limit->value &&
                again->comparison == limit->comparison && again->by_language == limit->by_language);
  return 0;
}
