// The inputs of a corpus, record by record: JSON Lines of documents and WARC/WET files, told apart
// by their first bytes after decompression. One thread. Kind corrupt on anything else and on
// truncated input.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libcore/io/file_system.h"
#include "libcore/io/stream.h"
#include "libcore/io/warc.h"

namespace ballast {

struct InputRecord {
  bool is_warc = false;
  std::string line;    // of JSON Lines, without line end
  WarcRecord warc;     // otherwise
  std::string where;   // "a.jsonl:12", "a.warc.gz: record 3"
  int64_t offset = 0;  // of its first byte in the decoded input
  int64_t bytes() const { return static_cast<int64_t>(is_warc ? warc.block.size() : line.size()); }
};

class RecordReader {
 public:
  // PATH or "-".
  static Result<std::unique_ptr<RecordReader>> open(FileSystem& fs, const std::string& path);
  explicit RecordReader(std::unique_ptr<ByteSource> source);  // decoded

  // False at the end. Blank lines of JSON Lines are passed over.
  Result<bool> next(InputRecord& record);

 private:
  enum class Kind { unknown, empty, json_lines, warc };
  Result<void> look();
  Result<bool> next_line(InputRecord& record);

  std::unique_ptr<ByteSource> source_;
  int64_t skipped_ = 0;  // a byte order mark before what the readers see
  Kind kind_ = Kind::unknown;
  std::unique_ptr<LineReader> lines_;
  std::unique_ptr<WarcReader> warc_;
};

}  // namespace ballast
