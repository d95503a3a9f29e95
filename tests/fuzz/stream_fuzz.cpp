// Decompression of strangers' bytes: by content, and each format by name. The first byte chooses
// how long a line may be, so that the line reader's borders are met too.
#include <cstdint>

#include "libcore/base/check.h"
#include "libcore/io/stream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ballast;
  constexpr int64_t kLimit = int64_t{1} << 20;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Bytes bytes = as_bytes(text);
  for (const auto& decoded :
       {gzip_decompress(bytes, kLimit), zstd_decompress(bytes, kLimit),
        deflate_decompress(bytes, kLimit), brotli_decompress(bytes, kLimit)}) {
    if (decoded.ok())
      BALLAST_CHECK(static_cast<int64_t>(decoded->size()) <= kLimit);
    else
      BALLAST_CHECK(decoded.error().kind == ErrorKind::corrupt);
  }
  auto source = decoding_source(memory_source(text));
  BALLAST_CHECK(source.ok());
  LineReader lines(**source, data[0] * 16);
  int64_t total = 0;
  while (total < kLimit) {
    const auto line = lines.next();
    if (!line.ok() || !*line) break;
    BALLAST_CHECK(static_cast<int64_t>((*line)->size()) <= data[0] * 16);
    total += static_cast<int64_t>((*line)->size()) + 1;
  }
  return 0;
}
