// CSV and TSV.
#include "libcore/trace/foreign/table.h"

#include "tests/fuzz/foreign_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)ballast::looks_like_table(std::string_view(reinterpret_cast<const char*>(data), size));
  ballast::drain(ballast::table_log(ballast::bytes(data, size), {}));
  return 0;
}
