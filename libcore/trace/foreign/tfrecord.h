// The records of a TFRecord file, damaged ones passed over. A record is believed when both its
// checksums hold. Behind a broken one the search goes on byte by byte, within its payload too, so
// that lost bytes cost only the records they were in. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libcore/trace/foreign/byte_window.h"
#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

constexpr uint64_t kLongestTfRecord = uint64_t{64} << 20;

// The payload of the record at the beginning of `bytes`, when its checksums hold.
std::optional<std::string_view> tfrecord_at(std::string_view bytes);

class TfRecordReader {
 public:
  // `file` is named in the notes, unless it is empty.
  TfRecordReader(ByteSource& source, std::string file, ForeignNotes& notes)
      : window_(source), file_(std::move(file)), notes_(notes) {}
  // The next payload, valid until the next call; nullopt at the end.
  Result<std::optional<std::string_view>> next();
  int64_t offset() const { return record_offset_; }  // of the record last returned
  void damaged(int64_t offset, std::string_view why);

 private:
  Result<std::optional<std::string_view>> search(std::optional<uint64_t> length);

  ByteWindow window_;
  std::string file_;
  ForeignNotes& notes_;
  size_t taken_ = 0;  // bytes of the record last returned
  int64_t record_offset_ = 0;
  int64_t wasted_ = 0;  // bytes whose checksum was computed in vain
};

}  // namespace ballast
