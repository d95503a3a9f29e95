#include "libcore/io/safetensors.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libcore/io/json.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kHeaderLimit = 100'000'000;  // of the reference implementation, both ways

struct DtypeBits {
  std::string_view name;
  int bits;
};
constexpr std::array<DtypeBits, 22> kDtypes = {{
    {"F64", 64},    {"F32", 32},    {"F16", 16},        {"BF16", 16},       {"F8_E4M3", 8},
    {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
    {"F6_E3M2", 6}, {"F4", 4},      {"C64", 64},        {"I64", 64},        {"I32", 32},
    {"I16", 16},    {"I8", 8},      {"U64", 64},        {"U32", 32},        {"U16", 16},
    {"U8", 8},      {"BOOL", 8},
}};

std::string read_where(const std::string& path, const SafetensorsEntry& entry) {
  return path + ": " + printable(entry.name);
}

// Reads exactly into.size() bytes.
Result<void> read_exactly(ReadableFile& file, int64_t offset, MutableBytes into,
                          const std::string& where) {
  size_t done = 0;
  while (done < into.size()) {
    size_t got = BALLAST_TRY(file.read_at(offset + static_cast<int64_t>(done), into.subspan(done)));
    if (got == 0) {
      return corrupt_error("file became shorter while it was read", where,
                           "ends at byte " + std::to_string(offset + static_cast<int64_t>(done)));
    }
    done += got;
  }
  return {};
}

}  // namespace

int64_t SafetensorsEntry::elements() const {
  int64_t product = 1;
  for (int64_t extent : shape) product *= extent;
  return product;
}

int safetensors_bits(std::string_view dtype) {
  for (const DtypeBits& known : kDtypes) {
    if (known.name == dtype) return known.bits;
  }
  return 0;
}

Result<SafetensorsReader> SafetensorsReader::open(FileSystem& fs, const std::string& path) {
  SafetensorsReader reader;
  reader.fs_ = &fs;
  reader.path_ = path;
  // Taken before the file is opened: a replacement in between then shows in check_unchanged().
  reader.info_ = BALLAST_TRY(fs.info(path));
  if (reader.info_.is_directory) return io_error("is a directory", path);
  reader.file_ = BALLAST_TRY(fs.open_read(path));
  const int64_t size = reader.file_->size();
  if (size < kLengthBytes) {
    return corrupt_error("safetensors file is too short", path,
                         std::to_string(size) + " bytes, at least 8 are needed");
  }
  std::array<std::byte, kLengthBytes> length_bytes;
  BALLAST_TRY(read_exactly(*reader.file_, 0, length_bytes, path));
  const uint64_t length = load_le<uint64_t>(length_bytes.data());
  if (length > static_cast<uint64_t>(kHeaderLimit)) {
    return corrupt_error("safetensors header is too long", path,
                         std::to_string(length) + " bytes, at most 100000000");
  }
  const int64_t header_bytes = static_cast<int64_t>(length);
  if (header_bytes > size - kLengthBytes) {
    return corrupt_error("safetensors file is truncated in its header", path,
                         "header of " + std::to_string(header_bytes) + " bytes in a file of " +
                             std::to_string(size));
  }
  std::string json(static_cast<size_t>(header_bytes), '\0');
  BALLAST_TRY(read_exactly(*reader.file_, kLengthBytes,
                           MutableBytes(reinterpret_cast<std::byte*>(json.data()), json.size()),
                           path));
  reader.data_offset_ = kLengthBytes + header_bytes;
  SafetensorsHeader header =
      BALLAST_TRY(parse_safetensors_header(json, size - reader.data_offset_, path));
  reader.entries_ = std::move(header.entries);
  reader.metadata_ = std::move(header.metadata);
  for (size_t i = 0; i < reader.entries_.size(); ++i) {
    reader.index_.emplace(reader.entries_[i].name, i);
  }
  return reader;
}

const SafetensorsEntry* SafetensorsReader::find(std::string_view name) const {
  auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

Result<void> SafetensorsReader::read(const SafetensorsEntry& entry, int64_t offset,
                                     MutableBytes into) const {
  const int64_t wanted = static_cast<int64_t>(into.size());
  BALLAST_CHECK(offset >= 0 && wanted <= entry.bytes() && offset <= entry.bytes() - wanted);
  return read_exactly(*file_, data_offset_ + entry.begin + offset, into, read_where(path_, entry));
}

Result<void> SafetensorsReader::check_unchanged() const {
  FileInfo now = BALLAST_TRY(fs_->info(path_));
  if (now.device != info_.device || now.inode != info_.inode || now.size != info_.size ||
      now.size != file_->size() || now.mtime_ns != info_.mtime_ns) {
    return corrupt_error("file changed while it was read", path_);
  }
  return {};
}

namespace {

// Names that a reader would refuse must not be written.
Result<void> check_writable_entry(const SafetensorsEntry& entry, const std::string& path) {
  const std::string name = printable(entry.name);
  for (int64_t extent : entry.shape) {
    if (extent < 0) return corrupt_error("negative extent in the shape of '" + name + "'", path);
  }
  if (safetensors_bits(entry.dtype) == 0) {
    return corrupt_error("unknown dtype '" + printable(entry.dtype) + "' of '" + name + "'", path);
  }
  if (!is_valid_utf8(entry.name) || !is_valid_utf8(entry.dtype)) {
    return corrupt_error("tensor name '" + name + "' is not UTF-8", path);
  }
  return {};
}

// Fills in the byte ranges; parse_safetensors_header() checks the rest of the result.
Result<int64_t> assign_ranges(std::vector<SafetensorsEntry>& entries, const std::string& path) {
  int64_t position = 0;
  for (SafetensorsEntry& entry : entries) {
    BALLAST_TRY(check_writable_entry(entry, path));
    int64_t bits = safetensors_bits(entry.dtype);
    for (int64_t extent : entry.shape) {
      if (__builtin_mul_overflow(bits, extent, &bits)) {
        return corrupt_error("size of '" + printable(entry.name) + "' overflows", path);
      }
    }
    entry.begin = position;
    if (__builtin_add_overflow(position, bits / 8, &entry.end)) {
      return corrupt_error("size of '" + printable(entry.name) + "' overflows", path);
    }
    position = entry.end;
  }
  return position;
}

std::string header_json(const std::vector<SafetensorsEntry>& entries,
                        const std::map<std::string, std::string>& metadata) {
  // Put together by hand: one ordered_json object of n tensors looks up every key in n steps.
  std::string text = "{\"__metadata__\":" + Json(metadata).dump();
  for (const SafetensorsEntry& entry : entries) {
    text += "," + Json(entry.name).dump() + ":{\"dtype\":\"" + entry.dtype + "\",\"shape\":[";
    for (size_t i = 0; i < entry.shape.size(); ++i) {
      text += (i == 0 ? "" : ",") + std::to_string(entry.shape[i]);
    }
    text += "],\"data_offsets\":[" + std::to_string(entry.begin) + "," + std::to_string(entry.end) +
            "]}";
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

Result<SafetensorsWriter> SafetensorsWriter::create(FileSystem& fs, const std::string& path,
                                                    std::vector<SafetensorsEntry> entries,
                                                    std::map<std::string, std::string> metadata) {
  const int64_t data_bytes = BALLAST_TRY(assign_ranges(entries, path));
  // transformers refuses metadata without a format it knows.
  metadata.emplace("format", "pt");
  for (const auto& [key, value] : metadata) {
    if (!is_valid_utf8(key) || !is_valid_utf8(value)) {
      return corrupt_error("metadata '" + printable(key) + "' is not UTF-8", path);
    }
  }
  const std::string json = header_json(entries, metadata);
  if (static_cast<int64_t>(json.size()) > kHeaderLimit) {
    return corrupt_error("safetensors header is too long", path,
                         std::to_string(json.size()) + " bytes, at most 100000000");
  }
  // The reader's rules are the writer's: duplicate names, control characters, overflow, odd F4.
  BALLAST_TRY(parse_safetensors_header(json, data_bytes, path));

  SafetensorsWriter writer;
  writer.file_ = BALLAST_TRY(fs.create_exclusive(path));
  writer.entries_ = std::move(entries);
  writer.path_ = path;
  std::array<std::byte, kLengthBytes> length;
  store_le<uint64_t>(length.data(), json.size());
  for (Bytes part : {Bytes(length), as_bytes(json)}) {
    BALLAST_TRY(writer.file_->append(part));
    writer.file_hash_.update(part);
  }
  writer.header_bytes_ = kLengthBytes + static_cast<int64_t>(json.size());
  writer.close_finished_tensors();
  return writer;
}

// Empty tensors end where they begin, so several may end at one position.
void SafetensorsWriter::close_finished_tensors() {
  while (current_ < entries_.size() && entries_[current_].end == position_) {
    tensor_hashes_.push_back(tensor_hash_.digest());
    tensor_hash_ = Xxh3Hasher();
    ++current_;
  }
}

Result<void> SafetensorsWriter::append(Bytes data) {
  const int64_t end = entries_.empty() ? 0 : entries_.back().end;
  BALLAST_CHECK(static_cast<int64_t>(data.size()) <= end - position_);
  BALLAST_TRY(file_->append(data));
  file_hash_.update(data);
  while (!data.empty()) {
    const size_t piece =
        std::min(data.size(), static_cast<size_t>(entries_[current_].end - position_));
    tensor_hash_.update(data.first(piece));
    position_ += static_cast<int64_t>(piece);
    data = data.subspan(piece);
    close_finished_tensors();
  }
  return {};
}

Result<SafetensorsWriter::Summary> SafetensorsWriter::finish() {
  BALLAST_CHECK(current_ == entries_.size());
  BALLAST_TRY(file_->sync());
  BALLAST_TRY(file_->close());
  Summary summary;
  summary.bytes = header_bytes_ + position_;
  summary.hash = file_hash_.digest();
  summary.tensor_hashes = std::move(tensor_hashes_);
  return summary;
}

}  // namespace ballast
