// Any bytes as a WARC: every record is whole and bounded, and its page is extracted if it has one.
#include <cstddef>
#include <cstdint>
#include <string>

#include "libcore/base/check.h"
#include "libcore/io/warc.h"
#include "libcore/text/page.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto source = ballast::memory_source(text);
  ballast::WarcReader reader(*source, 1 << 20);
  ballast::WarcRecord record;
  while (true) {
    ballast::Result<bool> more = reader.next(record);
    if (!more.ok()) {
      BALLAST_CHECK(more.error().kind == ballast::ErrorKind::corrupt);
      return 0;
    }
    if (!*more) return 0;
    BALLAST_CHECK(record.block.size() < size && record.offset < static_cast<int64_t>(size));
    const ballast::Page page = ballast::identify_page(record);
    if (page.kind == ballast::PageKind::text) ballast::extract_page(page, "fuzz");
  }
}
