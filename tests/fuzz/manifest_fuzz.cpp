// Whatever parses is written and read back to the same thing.
#include "libcore/checkpoint/manifest.h"

#include <cstdint>

#include "libcore/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = ballast::parse_checkpoint_manifest(text, "fuzz");
  if (!parsed.ok()) return 0;
  const auto again = ballast::parse_checkpoint_manifest(ballast::manifest_text(*parsed), "again");
  BALLAST_CHECK(again.ok());
  BALLAST_CHECK(*again == *parsed);
  (void)ballast::check_coverage(*parsed);
  return 0;
}
