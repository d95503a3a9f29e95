#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/bytes.h"
#include "libcore/base/hash.h"
#include "libcore/io/stream.h"
#include "libcore/shard/format.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/sidecar_format.h"

namespace ballast {
namespace {

constexpr int64_t kMaxHostTable = int64_t{1} << 32;
constexpr int64_t kMaxFrameBytes = int64_t{1} << 32;

Result<std::string> read_range(ReadableFile& file, int64_t offset, int64_t bytes,
                               const std::string& path) {
  std::string text(static_cast<size_t>(bytes), '\0');
  const size_t got = BALLAST_TRY(file.read_at(offset, std::as_writable_bytes(std::span(text))));
  if (got != text.size()) return corrupt_error("document sidecar is truncated", path);
  return text;
}

}  // namespace

Error SidecarReader::damaged(const std::string& why) const {
  return corrupt_error("document sidecar is damaged", path_, why);
}

Result<SidecarReader> SidecarReader::open(FileSystem& fs, const std::string& prefix) {
  SidecarReader reader;
  reader.path_ = shard_docs_path(prefix);
  reader.file_ = BALLAST_TRY(fs.open_read(reader.path_));
  BALLAST_TRY(reader.read_trailer());
  return reader;
}

Result<void> SidecarReader::read_trailer() {
  const int64_t size = file_->size();
  if (size < kSidecarTailBytes + 8) return damaged("too short for its index");
  const std::string tail =
      BALLAST_TRY(read_range(*file_, size - kSidecarTailBytes, kSidecarTailBytes, path_));
  if (tail.substr(40) != kSidecarMagic) return damaged("it does not end with its index");
  const auto frames = load_le<uint64_t>(&tail[0]), documents = load_le<uint64_t>(&tail[8]);
  const auto host_bytes = load_le<uint64_t>(&tail[16]), host_raw = load_le<uint64_t>(&tail[24]);
  const auto room = static_cast<uint64_t>(size - kSidecarTailBytes - 8);
  if (frames > room / kSidecarFrameEntryBytes || host_bytes > room ||
      frames * kSidecarFrameEntryBytes + host_bytes > room || host_raw > kMaxHostTable)
    return damaged("its index does not fit into the file");
  const auto content =
      static_cast<int64_t>(frames * kSidecarFrameEntryBytes + host_bytes) + kSidecarTailBytes;
  const std::string all = BALLAST_TRY(read_range(*file_, size - content - 8, content + 8, path_));
  if (load_le<uint32_t>(&all[0]) != kSidecarFrameMagic ||
      load_le<uint32_t>(&all[4]) != static_cast<uint64_t>(content))
    return damaged("its index is not a skippable frame");
  const auto body = std::string_view(all).substr(8);
  if (xxh3_64(body.substr(0, body.size() - 16)) != load_le<uint64_t>(&tail[32]))
    return damaged("the hash of its index differs");
  documents_ = static_cast<int64_t>(documents);
  BALLAST_TRY(read_frames(body.substr(0, frames * kSidecarFrameEntryBytes), size - content - 8));
  return read_hosts(body.substr(frames * kSidecarFrameEntryBytes, host_bytes));
}

Result<void> SidecarReader::read_frames(std::string_view table, int64_t frames_end) {
  int64_t first = 0;
  for (size_t at = 0; at < table.size(); at += kSidecarFrameEntryBytes) {
    Frame frame;
    frame.offset = load_le<int64_t>(&table[at]);
    frame.first = first;
    frame.documents = load_le<uint32_t>(&table[at + 8]);
    frame.bytes = load_le<uint32_t>(&table[at + 12]);
    const int64_t least = frames_.empty() ? 0 : frames_.back().offset + 1;
    if (frame.offset < least || (frames_.empty() && frame.offset != 0) ||
        frame.offset >= frames_end || frame.documents < 1 || frame.documents > kSidecarMaxLines)
      return damaged(fmt::format("entry of frame {} is out of order", frames_.size()));
    if (!frames_.empty()) frames_.back().packed = frame.offset - frames_.back().offset;
    first += frame.documents;
    frames_.push_back(frame);
  }
  if (!frames_.empty()) frames_.back().packed = frames_end - frames_.back().offset;
  if (first != documents_)
    return damaged(fmt::format("frames hold {} documents, {} expected", first, documents_));
  return {};
}

Result<void> SidecarReader::read_hosts(std::string_view packed) {
  const std::string table = BALLAST_TRY(zstd_decompress(as_bytes(packed), kMaxHostTable));
  std::string_view rest = table;
  int64_t listed = 0;
  while (!rest.empty()) {
    const auto length = take_varint(rest);
    if (!length || *length > rest.size()) return damaged("its host table is cut off");
    const std::string host(rest.substr(0, *length));
    rest.remove_prefix(*length);
    const auto count = take_varint(rest);
    if (!count || *count > rest.size()) return damaged("its host table is cut off");
    if (!hosts_.empty() && hosts_.rbegin()->first >= host)
      return damaged("its hosts are not in order");
    auto& documents = hosts_[host];
    uint64_t document = 0;
    for (uint64_t i = 0; i < *count; ++i) {
      const auto step = take_varint(rest);
      if (!step || (i > 0 && *step == 0) || *step > static_cast<uint64_t>(documents_) ||
          document + *step >= static_cast<uint64_t>(documents_))
        return damaged("its host table names documents that are not there");
      document += *step;
      documents.push_back(static_cast<int64_t>(document));
    }
    listed += static_cast<int64_t>(*count);
  }
  if (listed != documents_) return damaged("its host table does not list every document once");
  return {};
}

Result<void> SidecarReader::load(size_t index) {
  if (loaded_ == index) return {};
  const Frame& frame = frames_[index];
  const std::string packed = BALLAST_TRY(read_range(*file_, frame.offset, frame.packed, path_));
  loaded_.reset();
  lines_.clear();
  text_ = BALLAST_TRY(zstd_decompress(as_bytes(packed), std::min(frame.bytes, kMaxFrameBytes)));
  for (size_t at = 0; at < text_.size();) {
    const size_t end = text_.find('\n', at);
    if (end == text_.npos) break;
    lines_.push_back(std::string_view(text_).substr(at, end - at));
    at = end + 1;
  }
  if (static_cast<int64_t>(text_.size()) != frame.bytes ||
      static_cast<int64_t>(lines_.size()) != frame.documents || !text_.ends_with('\n'))
    return damaged(fmt::format("frame {} holds other lines than its index says", index));
  loaded_ = index;
  ++frames_read_;
  return {};
}

Result<ShardDocument> SidecarReader::read(int64_t document) {
  if (document < 0 || document >= documents_)
    return usage_error(fmt::format("document {} is not in the shard", document), path_,
                       fmt::format("{} documents", documents_));
  const auto after =
      std::upper_bound(frames_.begin(), frames_.end(), document,
                       [](int64_t wanted, const Frame& frame) { return wanted < frame.first; });
  const auto index = static_cast<size_t>(after - frames_.begin() - 1);
  BALLAST_TRY(load(index));
  const auto line = lines_[static_cast<size_t>(document - frames_[index].first)];
  return parse_shard_document(line, fmt::format("{}:{}", path_, document + 1));
}

Result<void> SidecarReader::for_each(
    const std::function<Result<void>(int64_t, const ShardDocument&)>& visit) {
  for (int64_t document = 0; document < documents_; ++document) {
    const ShardDocument found = BALLAST_TRY(read(document));
    BALLAST_TRY(visit(document, found));
  }
  return {};
}

}  // namespace ballast
