// The records of a .wandb file: chunks of u32 CRC-32, u16 length, u8 type (1 whole, 2 first, 3
// middle, 4 last) that never cross a border of 32 KiB, with the header of the file in the first
// block; fewer than 7 bytes before a border are padding. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/trace/foreign/byte_window.h"
#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

constexpr size_t kWandbBlock = 32768;
constexpr size_t kLongestWandbRecord = size_t{64} << 20;
constexpr std::string_view kWandbMagic{":W&B\xe1\xbe", 6};  // and the version, which is 0

class WandbRecordReader {
 public:
  WandbRecordReader(ByteSource& source, ForeignNotes& notes) : window_(source), notes_(notes) {}
  // Error: the file has another header.
  Result<void> read_header(const std::string& name);
  // The next record, valid until the next call; nullopt at the end.
  Result<std::optional<std::string_view>> next();
  int64_t offset() const { return record_offset_; }  // of the record last returned

 private:
  enum class Chunk { whole, first, middle, last, passed, end };
  Result<Chunk> next_chunk(std::string_view& payload);
  Chunk damaged_block(std::string_view why);
  Chunk torn();

  ByteWindow window_;
  ForeignNotes& notes_;
  size_t skip_ = 0;  // of the chunk or block at hand, before the next is looked at
  std::string parts_;
  bool in_parts_ = false;  // a record has begun
  bool lost_ = false;      // chunks that continue a record belong to one that was passed over
  int64_t chunk_offset_ = 0;
  int64_t record_offset_ = 0;
};

}  // namespace ballast
