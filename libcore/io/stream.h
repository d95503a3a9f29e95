// Byte streams with (de)compression by content. A ByteSource is what every reader of ours takes:
// files, stdin ("-"), memory, gzip (several members) and zstd (several frames) look the same. One
// thread each.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcore/base/bytes.h"
#include "libcore/base/result.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/file_system.h"

namespace ballast {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to into.size() bytes; 0 only at the end. Truncated or damaged compressed data is kind
  // corrupt.
  virtual Result<size_t> read(MutableBytes into) = 0;
  virtual const std::string& name() const = 0;  // for messages: a path, or "-"
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Result<void> write(Bytes data) = 0;
  Result<void> write(std::string_view text) { return write(as_bytes(text)); }
  // Flushes, ends the compressed stream and publishes an AtomicFile. Without it nothing is
  // published.
  virtual Result<void> finish() = 0;
};

enum class Compression { none, gzip, zstd };

// PATH or "-". Looks at the first bytes: gzip and zstd are decoded, anything else is passed on.
Result<std::unique_ptr<ByteSource>> open_source(FileSystem& fs, const std::string& path);
// The same without decoding (WARC readers that need member borders).
Result<std::unique_ptr<ByteSource>> open_raw_source(FileSystem& fs, const std::string& path);
std::unique_ptr<ByteSource> memory_source(std::string data, std::string name = "memory");
// Bytes that were looked at already, then the rest.
std::unique_ptr<ByteSource> prefixed_source(std::string prefix, std::unique_ptr<ByteSource> rest);
// Decodes `raw` by its first bytes, as open_source does.
Result<std::unique_ptr<ByteSource>> decoding_source(std::unique_ptr<ByteSource> raw);

// PATH (an AtomicFile; compression by the ending .gz or .zst) or "-" (stdout, never compressed).
Result<std::unique_ptr<ByteSink>> open_sink(FileSystem& fs, const std::string& path, bool force);
std::unique_ptr<ByteSink> string_sink(std::string& into);

Result<std::string> read_all(ByteSource& source, int64_t limit);

// Whole buffers. decompressed size is bounded by `limit` (kind corrupt beyond it).
Result<std::string> zstd_compress(Bytes data, int level = 3);
Result<std::string> zstd_decompress(Bytes data, int64_t limit);
Result<std::string> gzip_decompress(Bytes data, int64_t limit);  // gzip, several members
Result<std::string> deflate_decompress(
    Bytes data, int64_t limit);  // zlib-wrapped, or raw as some servers send it
Result<std::string> brotli_decompress(Bytes data, int64_t limit);

// Lines of a source without their LF (a CR before it stays). The last line may lack its LF.
class LineReader {
 public:
  explicit LineReader(ByteSource& source, int64_t max_line = int64_t{1} << 30);
  ~LineReader();
  // The next line, valid until the next call; nullopt at the end. A line over max_line is kind
  // corrupt.
  Result<std::optional<std::string_view>> next();
  int64_t line_number() const { return line_number_; }  // of the line last returned, from 1
  int64_t offset() const { return offset_; }            // of its first byte in the source
  bool last_line_complete() const {
    return complete_;
  }  // false: no LF before the end (a torn line)

 private:
  ByteSource& source_;
  int64_t max_line_;
  int64_t line_number_ = 0;
  int64_t offset_ = 0;
  int64_t dropped_ = 0;  // bytes of the source before buffer_
  bool complete_ = true;
  bool ended_ = false;
  std::string buffer_;  // [begin_, end_) is read and not yet returned
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace ballast
