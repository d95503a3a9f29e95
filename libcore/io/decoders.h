// The decompressors behind stream.h, as sources over another source. Memory is bounded by the
// formats' windows (zstd: 128 MiB); every read checks its data, and a stream that ends early is
// kind corrupt. One thread each.
#pragma once

#include <memory>

#include "libcore/io/stream.h"

namespace ballast {

// zlib's window_bits: 31 is gzip, 15 zlib, -15 raw deflate. gzip takes any number of members, zero
// bytes between and after them (tape padding) and nothing else.
enum class Inflate : int { gzip = 31, zlib = 15, raw = -15 };
std::unique_ptr<ByteSource> inflate_source(std::unique_ptr<ByteSource> raw, Inflate format);
std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> raw);
std::unique_ptr<ByteSource> brotli_source(std::unique_ptr<ByteSource> raw);

}  // namespace ballast
