// WARC 1.0 and 1.1 records (ISO 28500), also WET, from a decoded stream: plain files, one gzip
// member per record, and whole files in gzip or zstd look the same. One thread. Kind corrupt, with
// name, record number and offset in the decoded stream, on anything that is not a record, on a
// missing or unbounded Content-Length and on a file that ends inside a record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/result.h"
#include "libcore/io/http.h"
#include "libcore/io/stream.h"

namespace ballast {

struct WarcRecord {
  int64_t number = 0;  // in the file, from 1
  int64_t offset = 0;  // of its first byte in the decoded stream
  Fields fields;
  std::string block;

  std::string_view field(std::string_view name) const { return field_value(fields, name); }
  std::string_view type() const { return field("WARC-Type"); }
  // Without the angle brackets that wget writes around URIs.
  std::string_view uri(std::string_view name) const;
  std::string_view target_uri() const { return uri("WARC-Target-URI"); }
};

class WarcReader {
 public:
  explicit WarcReader(ByteSource& source, int64_t max_block = int64_t{1} << 30);
  // Reads the next record into `record`, whose memory is reused; false at the end.
  Result<bool> next(WarcRecord& record);

 private:
  Result<bool> fill();  // reads more; false at the end of the source
  Result<std::string_view> take_head();
  Result<void> take_block(int64_t length, std::string& block);
  Error damaged(std::string what, std::string why = {}) const;
  int64_t position() const { return consumed_ + static_cast<int64_t>(begin_); }

  ByteSource& source_;
  int64_t max_block_;
  std::string buffer_;
  size_t begin_ = 0;      // of the unread part of buffer_
  size_t end_ = 0;        // of the filled part
  int64_t consumed_ = 0;  // bytes before buffer_
  int64_t number_ = 0;
};

}  // namespace ballast
