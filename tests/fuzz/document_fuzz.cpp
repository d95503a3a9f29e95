// Any bytes as a document line: what is read can be written and read back to the same line.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/check.h"
#include "libcore/text/document.h"
#include "libcore/text/pii.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ballast::DocumentParser parser;
  auto document = parser.parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!document.ok()) {
    BALLAST_CHECK(document.error().kind == ballast::ErrorKind::corrupt);
    return 0;
  }
  ballast::redact_pii(document->text);
  std::string line;
  ballast::append_document(line, *document);
  auto again = parser.parse(line, "fuzz");
  BALLAST_CHECK(again.ok());
  std::string second;
  ballast::append_document(second, *again);
  BALLAST_CHECK(line == second);
  return 0;
}
