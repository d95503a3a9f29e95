#include "libcore/trace/foreign/tfrecord.h"

#include <algorithm>

#include "libcore/trace/foreign/crc32c.h"
#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/rows.h"

namespace ballast {
namespace {

constexpr size_t kHeader = 12;  // u64 length, u32 checksum
constexpr size_t kFooter = 4;

bool checked(std::string_view bytes, uint32_t stored) {
  return masked_crc32c(crc32c(as_bytes(bytes))) == stored;
}

// The length, when its checksum holds and it is not over the limit.
std::optional<uint64_t> length_at(std::string_view bytes) {
  if (bytes.size() < kHeader) return std::nullopt;
  const auto length = load_le<uint64_t>(bytes.data());
  if (length > kLongestTfRecord) return std::nullopt;
  if (!checked(bytes.substr(0, 8), load_le<uint32_t>(bytes.data() + 8))) return std::nullopt;
  return length;
}

}  // namespace

std::optional<std::string_view> tfrecord_at(std::string_view bytes) {
  const std::optional<uint64_t> length = length_at(bytes);
  if (!length || bytes.size() < kHeader + *length + kFooter) return std::nullopt;
  const std::string_view payload = bytes.substr(kHeader, *length);
  if (!checked(payload, load_le<uint32_t>(payload.data() + *length))) return std::nullopt;
  return payload;
}

void TfRecordReader::damaged(int64_t offset, std::string_view why) {
  count_damaged(notes_, offset,
                file_.empty() ? std::string(why) : std::string(why) + " in " + file_);
}

Result<std::optional<std::string_view>> TfRecordReader::next() {
  window_.skip(taken_);
  taken_ = 0;
  const int64_t begin = window_.offset();
  std::string_view bytes = BALLAST_TRY(window_.peek(kHeader));
  if (bytes.empty()) return std::optional<std::string_view>();
  const std::optional<uint64_t> length = length_at(bytes);
  if (length) bytes = BALLAST_TRY(window_.peek(kHeader + *length + kFooter));
  std::optional<std::string_view> payload = tfrecord_at(bytes);
  if (!payload) {
    const bool half = bytes.size() < kHeader + length.value_or(0) + kFooter;
    const bool wrong_length = bytes.size() >= kHeader && !length;
    payload = BALLAST_TRY(search(length));
    if (payload || !half || wrong_length) {
      damaged(begin, wrong_length ? "the checksum of a record's length is wrong"
                                  : "the checksum of a record is wrong");
    } else {
      notes_.truncated = true;
    }
  }
  if (!payload) return payload;
  record_offset_ = window_.offset();
  taken_ = kHeader + payload->size() + kFooter;
  return payload;
}

// The next record after the broken one at the position, which moves there.
Result<std::optional<std::string_view>> TfRecordReader::search(std::optional<uint64_t> length) {
  // A hostile file can make every byte the beginning of a long record with a wrong checksum.
  constexpr int64_t kPatience = 16;
  const auto give_up = [&] { return wasted_ > kPatience * (window_.offset() + (1 << 20)); };
  if (length) wasted_ += static_cast<int64_t>(*length);
  size_t step = length && give_up() ? kHeader + *length + kFooter : 1;
  for (;;) {
    std::string_view bytes = BALLAST_TRY(window_.peek(step + kHeader));
    window_.skip(std::min(step, bytes.size()));
    bytes.remove_prefix(std::min(step, bytes.size()));
    if (bytes.size() < kHeader) {
      window_.skip(bytes.size());
      return std::optional<std::string_view>();
    }
    step = 1;
    // All of what is there, without asking the window for each byte.
    size_t at = 0;
    std::optional<uint64_t> found;
    while (!found && at + kHeader <= bytes.size()) {
      found = length_at(bytes.substr(at));
      if (!found) ++at;
    }
    window_.skip(at);
    if (!found) {
      step = 0;
      continue;
    }
    bytes = BALLAST_TRY(window_.peek(kHeader + *found + kFooter));
    const std::optional<std::string_view> payload = tfrecord_at(bytes);
    if (payload) return payload;
    wasted_ += static_cast<int64_t>(*found);
    if (give_up()) step = kHeader + *found + kFooter;
  }
}

}  // namespace ballast
