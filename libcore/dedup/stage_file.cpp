#include "libcore/dedup/stage_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ballast {
namespace {

constexpr size_t kEndsBytes = 64;  // header and footer alike
constexpr size_t kChecksumBytes = 8;
constexpr char kHeaderMagic[] = "BLSTMH\0\1", kFooterMagic[] = "BLSTEND\1";

using Ends = std::array<std::byte, kEndsBytes>;

// The last eight bytes are the checksum of the others.
void seal(Ends& bytes, uint64_t seed) {
  store_le(&bytes[kEndsBytes - 8], xxh3_64(Bytes(bytes).first(kEndsBytes - 8), seed));
}
bool is_sealed(const Ends& bytes, uint64_t seed) {
  return load_le<uint64_t>(&bytes[kEndsBytes - 8]) ==
         xxh3_64(Bytes(bytes).first(kEndsBytes - 8), seed);
}

void store_hash(std::byte* to, const Hash128& hash) {
  store_le(to, hash.high);
  store_le(to + 8, hash.low);
}
Hash128 load_hash(const std::byte* from) {
  return {load_le<uint64_t>(from), load_le<uint64_t>(from + 8)};
}

Ends make_header(const StageShape& shape) {
  Ends bytes{};
  std::memcpy(&bytes[0], kHeaderMagic, 8);
  store_le(&bytes[8], static_cast<uint32_t>(shape.kind));
  store_le(&bytes[12], shape.columns);
  store_le(&bytes[16], shape.width);
  store_le(&bytes[20], static_cast<uint32_t>(kStageBlockRecords));
  store_le(&bytes[24], shape.number);
  store_hash(&bytes[32], shape.plan);
  seal(bytes, 0);
  return bytes;
}

Ends make_footer(const StageTotals& totals, const Ends& header) {
  Ends bytes{};
  std::memcpy(&bytes[0], kFooterMagic, 8);
  store_le(&bytes[8], totals.records);
  store_le(&bytes[16], totals.groups);
  store_le(&bytes[24], totals.source_bytes);
  store_hash(&bytes[32], totals.source_hash);
  seal(bytes, load_le<uint64_t>(&header[kEndsBytes - 8]));
  return bytes;
}

Result<StageShape> parse_header(const Ends& bytes, const std::string& path) {
  if (std::memcmp(&bytes[0], kHeaderMagic, 8) != 0)
    return corrupt_error("not a file of near deduplication", path);
  if (!is_sealed(bytes, 0)) return corrupt_error("damaged header", path);
  StageShape shape;
  const auto kind = load_le<uint32_t>(&bytes[8]);
  shape.columns = load_le<uint32_t>(&bytes[12]);
  shape.width = load_le<uint32_t>(&bytes[16]);
  const bool known = kind >= 1 && kind <= 3 && shape.columns >= 1 && shape.width >= 1 &&
                     shape.columns <= kMostStageColumns && shape.width <= kMostStageWidth &&
                     load_le<uint32_t>(&bytes[20]) == kStageBlockRecords;
  if (!known) return corrupt_error("header out of range", path);
  shape.kind = static_cast<StageKind>(kind);
  shape.number = load_le<uint64_t>(&bytes[24]);
  shape.plan = load_hash(&bytes[32]);
  return shape;
}

int64_t block_count(uint64_t records) {
  return (static_cast<int64_t>(records) + kStageBlockRecords - 1) / kStageBlockRecords;
}

Result<StageTotals> parse_footer(const Ends& bytes, const Ends& header, const StageShape& shape,
                                 int64_t size, const std::string& path) {
  if (std::memcmp(&bytes[0], kFooterMagic, 8) != 0)
    return corrupt_error("file is not complete", path);
  if (!is_sealed(bytes, load_le<uint64_t>(&header[kEndsBytes - 8])))
    return corrupt_error("damaged footer", path);
  StageTotals totals;
  totals.records = load_le<uint64_t>(&bytes[8]);
  totals.groups = load_le<uint64_t>(&bytes[16]);
  totals.source_bytes = load_le<uint64_t>(&bytes[24]);
  totals.source_hash = load_hash(&bytes[32]);
  const uint64_t record = uint64_t{shape.columns} * shape.width;
  const auto body = static_cast<uint64_t>(size) - 2 * kEndsBytes;
  if (totals.records > body / record) return corrupt_error("more records than bytes", path);
  const uint64_t sums =
      static_cast<uint64_t>(block_count(totals.records)) * shape.columns * kChecksumBytes;
  if (totals.records * record + sums != body)
    return corrupt_error("size does not follow from the number of records", path);
  return totals;
}

// Columns of one block cannot stand in for each other, nor blocks for blocks.
uint64_t column_seed(int64_t block, uint32_t column) {
  return static_cast<uint64_t>(block) * kMostStageColumns + column;
}

}  // namespace

StageFileWriter::StageFileWriter(FileSystem& fs, const std::string& path, const StageShape& shape)
    : file_(fs, path, true), shape_(shape), columns_(shape.columns) {
  BALLAST_CHECK(shape.columns <= kMostStageColumns && shape.width <= kMostStageWidth);
}

Result<void> StageFileWriter::begin() {
  if (begun_) return {};
  begun_ = true;
  return file_.write(make_header(shape_));
}

Result<void> StageFileWriter::add(Bytes record) {
  BALLAST_CHECK(record.size() == size_t{shape_.columns} * shape_.width);
  for (size_t c = 0; c < columns_.size(); ++c)
    columns_[c] += as_text(record.subspan(c * shape_.width, shape_.width));
  if (++held_ == static_cast<uint64_t>(kStageBlockRecords)) return flush();
  return {};
}

Result<void> StageFileWriter::flush() {
  if (held_ == 0) return {};
  BALLAST_TRY(begin());
  const auto block = static_cast<int64_t>(records_) / kStageBlockRecords;
  for (uint32_t c = 0; c < shape_.columns; ++c) {
    std::array<std::byte, kChecksumBytes> sum;
    store_le(sum.data(), xxh3_64(as_bytes(columns_[c]), column_seed(block, c)));
    BALLAST_TRY(file_.write(sum));
    BALLAST_TRY(file_.write(columns_[c]));
    columns_[c].clear();
  }
  records_ += held_;
  held_ = 0;
  return {};
}

Result<void> StageFileWriter::finish(StageTotals totals) {
  BALLAST_TRY(begin());
  BALLAST_TRY(flush());
  totals.records = records_;
  BALLAST_TRY(file_.write(make_footer(totals, make_header(shape_))));
  return file_.commit();
}

Result<StageFileReader> StageFileReader::open(FileSystem& fs, const std::string& path) {
  StageFileReader reader;
  reader.path_ = path;
  reader.file_ = BALLAST_TRY(fs.open_read(path));
  const int64_t size = reader.file_->size();
  if (size < static_cast<int64_t>(2 * kEndsBytes))
    return corrupt_error("file is not complete", path);
  Ends header{}, footer{};
  const auto last = size - static_cast<int64_t>(kEndsBytes);
  if (BALLAST_TRY(reader.file_->read_at(0, header)) != kEndsBytes ||
      BALLAST_TRY(reader.file_->read_at(last, footer)) != kEndsBytes)
    return corrupt_error("file is not complete", path);
  reader.shape_ = BALLAST_TRY(parse_header(header, path));
  reader.totals_ = BALLAST_TRY(parse_footer(footer, header, reader.shape_, size, path));
  return reader;
}

Result<StageFileReader> StageFileReader::open(FileSystem& fs, const std::string& path,
                                              const StageShape& shape) {
  StageFileReader reader = BALLAST_TRY(open(fs, path));
  if (reader.shape_ != shape) return corrupt_error("file belongs to another stage or plan", path);
  return reader;
}

int64_t StageFileReader::blocks() const { return block_count(totals_.records); }

Result<Bytes> StageFileReader::read(int64_t block, uint32_t column) {
  BALLAST_CHECK(block >= 0 && block < blocks() && column < shape_.columns);
  const int64_t before = block * kStageBlockRecords;
  const int64_t records =
      std::min(static_cast<int64_t>(totals_.records) - before, kStageBlockRecords);
  const int64_t full = kStageBlockRecords * shape_.width + int64_t{kChecksumBytes};
  const int64_t here = records * shape_.width + int64_t{kChecksumBytes};
  const int64_t at = int64_t{kEndsBytes} + block * full * shape_.columns + column * here;
  buffer_.resize(static_cast<size_t>(here));
  if (BALLAST_TRY(file_->read_at(at, buffer_)) != buffer_.size())
    return corrupt_error("file changed while in use", path_);
  const Bytes data = Bytes(buffer_).subspan(kChecksumBytes);
  if (load_le<uint64_t>(buffer_.data()) != xxh3_64(data, column_seed(block, column)))
    return corrupt_error("checksum differs", path_,
                         fmt::format("block {}, column {}", block, column));
  return data;
}

}  // namespace ballast
