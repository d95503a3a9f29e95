// The guard's state in a checkpoint or a journal: what is accepted is written and read again alike.
#include <cstdint>

#include "libcore/base/check.h"
#include "libcore/guard/interventions.h"
#include "libcore/guard/ladder.h"
#include "libcore/guard/wait.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = ballast::parse_json(text, "fuzz");
  if (!json.ok()) return 0;
  ballast::Ladder ladder, other_ladder;
  if (ladder.load(*json).ok()) {
    BALLAST_CHECK(other_ladder.load(ladder.state()).ok());
    BALLAST_CHECK(other_ladder.state() == ladder.state());
  }
  ballast::Wait wait, other_wait;
  if (wait.load(*json).ok()) {
    BALLAST_CHECK(other_wait.load(wait.state()).ok());
    BALLAST_CHECK(other_wait.state() == wait.state());
    (void)wait.observe(10, 1.0);
  }
  const auto interventions = ballast::parse_interventions(*json);
  if (interventions.ok()) {
    const auto again = ballast::parse_interventions(interventions_json(*interventions));
    BALLAST_CHECK(again.ok() && *again == *interventions);
  }
  return 0;
}
