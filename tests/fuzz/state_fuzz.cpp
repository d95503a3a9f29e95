// Whatever parses is written and read back to the same thing.
#include "libcore/checkpoint/state.h"

#include <cstdint>

#include "libcore/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = ballast::parse_state(text, "fuzz");
  if (!parsed.ok()) return 0;
  const auto again = ballast::parse_state(ballast::state_text(*parsed), "again");
  BALLAST_CHECK(again.ok());
  BALLAST_CHECK(*again == *parsed);
  BALLAST_CHECK(ballast::state_differences(*parsed, *again).empty());
  return 0;
}
