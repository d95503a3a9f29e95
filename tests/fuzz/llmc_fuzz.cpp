// llm.c's main.log.
#include "libcore/trace/foreign/llmc.h"

#include "tests/fuzz/foreign_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)ballast::looks_like_llmc(std::string_view(reinterpret_cast<const char*>(data), size));
  ballast::drain(ballast::llmc_log(ballast::bytes(data, size), {}));
  return 0;
}
