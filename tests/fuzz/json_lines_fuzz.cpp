// JSON Lines.
#include "libcore/trace/foreign/json_lines.h"

#include "tests/fuzz/foreign_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)ballast::looks_like_json_lines(std::string_view(reinterpret_cast<const char*>(data), size));
  ballast::drain(ballast::json_lines_log(ballast::bytes(data, size), {}));
  return 0;
}
