// parse_json: accepted text survives write and parse again, in both forms of writing.
#include <cstdint>

#include "libcore/base/check.h"
#include "libcore/io/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text =
      size == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data), size);
  const auto parsed = ballast::parse_json(text, "fuzz");
  if (!parsed.ok()) {
    BALLAST_CHECK(parsed.error().kind == ballast::ErrorKind::corrupt);
    return 0;
  }
  for (const std::string& written :
       {ballast::to_json_line(*parsed), ballast::to_json_text(*parsed)}) {
    const auto again = ballast::parse_json(written, "fuzz");
    BALLAST_CHECK(again.ok());
    BALLAST_CHECK(*again == *parsed);
  }
  BALLAST_CHECK(ballast::to_json_line(*parsed).find('\n') == std::string::npos);
  return 0;
}
