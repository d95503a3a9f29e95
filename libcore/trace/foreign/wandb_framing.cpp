#include "libcore/trace/foreign/wandb_framing.h"

#include <zlib.h>

#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/rows.h"

namespace ballast {
namespace {

constexpr size_t kFileHeader = 7;
constexpr size_t kChunkHeader = 7;

uint32_t crc32_of(std::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

}  // namespace

Result<void> WandbRecordReader::read_header(const std::string& name) {
  const std::string_view head = BALLAST_TRY(window_.peek(kFileHeader));
  if (head.size() < kFileHeader || !head.starts_with(kWandbMagic))
    return corrupt_error("the file is no W&B run file", name);
  if (head[kFileHeader - 1] != 0)
    return corrupt_error("the run file's version is not known", name, "0 is");
  skip_ = kFileHeader;
  return {};
}

// Passes over the rest of the block, with what had begun in it.
WandbRecordReader::Chunk WandbRecordReader::damaged_block(std::string_view why) {
  count_damaged(notes_, chunk_offset_, why);
  in_parts_ = false;
  lost_ = true;
  return Chunk::passed;
}

WandbRecordReader::Chunk WandbRecordReader::torn() {
  notes_.truncated = true;
  in_parts_ = false;
  return Chunk::end;
}

Result<WandbRecordReader::Chunk> WandbRecordReader::next_chunk(std::string_view& payload) {
  window_.skip(skip_);
  skip_ = 0;
  chunk_offset_ = window_.offset();
  const size_t left = kWandbBlock - static_cast<size_t>(chunk_offset_) % kWandbBlock;
  std::string_view block = BALLAST_TRY(window_.peek(left)).substr(0, left);
  if (block.empty()) return in_parts_ ? torn() : Chunk::end;
  skip_ = block.size();
  if (left < kChunkHeader) return Chunk::passed;
  if (block.size() < kChunkHeader) return torn();
  const auto crc = load_le<uint32_t>(block.data());
  const size_t length = load_le<uint16_t>(block.data() + 4);
  const auto type = static_cast<unsigned char>(block[6]);
  if (length == 0 && type == 0 && crc == 0) return Chunk::passed;  // never written to
  if (kChunkHeader + length > block.size()) {
    if (block.size() < left && kChunkHeader + length <= left) return torn();
    return damaged_block("a length reaches over the end of its block");
  }
  if (crc32_of(block.substr(6, 1 + length)) != crc)
    return damaged_block("the checksum of a record is wrong");
  if (type < 1 || type > 4) return damaged_block("a record's type is not known");
  payload = block.substr(kChunkHeader, length);
  skip_ = kChunkHeader + length;
  constexpr Chunk kKinds[] = {Chunk::whole, Chunk::first, Chunk::middle, Chunk::last};
  return kKinds[type - 1];
}

Result<std::optional<std::string_view>> WandbRecordReader::next() {
  for (;;) {
    std::string_view payload;
    const Chunk chunk = BALLAST_TRY(next_chunk(payload));
    if (chunk == Chunk::end) return std::optional<std::string_view>();
    if (chunk == Chunk::passed) continue;
    const bool begins = chunk == Chunk::whole || chunk == Chunk::first;
    if (begins && in_parts_) count_damaged(notes_, record_offset_, "a record has no end");
    if (!begins && !in_parts_) {
      if (!lost_) count_damaged(notes_, chunk_offset_, "a record has no beginning");
      lost_ = true;
      continue;
    }
    lost_ = false;
    if (begins) {
      record_offset_ = chunk_offset_;
      parts_.clear();
    }
    in_parts_ = chunk == Chunk::first || chunk == Chunk::middle;
    if (chunk == Chunk::whole) return std::optional<std::string_view>(payload);
    parts_.append(payload);
    if (parts_.size() > kLongestWandbRecord) {
      count_damaged(notes_, record_offset_, "a record is over 64 MiB long");
      in_parts_ = false;
      lost_ = true;
    } else if (chunk == Chunk::last) {
      return std::optional<std::string_view>(parts_);
    }
  }
}

}  // namespace ballast
