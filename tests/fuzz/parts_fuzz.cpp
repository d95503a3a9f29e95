// A plan, a record of a part and a note of outputs that parse are written and read back to the same
// thing; plans that are equal differ in nothing, others in something.
#include <cstdint>

#include "libcore/base/check.h"
#include "libcore/parts/parts_folder.h"
#include "libcore/parts/plan_difference.h"
#include "libcore/parts/publishing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plan = ballast::parse_parts_plan(text, "fuzz");
  if (plan.ok()) {
    const auto again = ballast::parse_parts_plan(plan->text(), "again");
    BALLAST_CHECK(again.ok() && again->text() == plan->text());
    BALLAST_CHECK(plan->part_bytes > 0 && !plan->inputs.empty());
    BALLAST_CHECK(ballast::plan_difference(*plan, *plan).empty());
    ballast::PartsPlan other = *plan;
    other.options = {{"min-chars", {"7"}}, {"manifest", {{"seed", 1}, {"order", {{"by", "id"}}}}}};
    const bool same = plan->options == other.options || !plan->options.is_object();
    BALLAST_CHECK(ballast::plan_difference(*plan, other).empty() == same);
    BALLAST_CHECK(ballast::plan_difference(other, *plan).empty() == same);
  }
  const auto record = ballast::parse_part_record(text, "fuzz");
  if (record.ok()) {
    const auto again = ballast::parse_part_record(record->text(), "again");
    BALLAST_CHECK(again.ok() && again->text() == record->text());
    BALLAST_CHECK(record->begin <= record->end);
  }
  const auto note = ballast::parse_publishing(text, "fuzz");
  if (note.ok()) {
    const auto again = ballast::parse_publishing(note->text(), "again");
    BALLAST_CHECK(again.ok() && *again == *note);
  }
  return 0;
}
