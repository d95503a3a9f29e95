#include "libcore/shard/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/shard/manifest.h"

namespace ballast {
namespace {

constexpr int64_t kChunkEntries = 1 << 16;

// Entries [first, first + count) of an array of T at `offset` of the index.
template <class T>
Result<void> read_entries(ReadableFile& file, int64_t offset, int64_t first, std::span<T> into,
                          const std::string& where) {
  const auto bytes = std::as_writable_bytes(into);
  const int64_t at = offset + first * static_cast<int64_t>(sizeof(T));
  const size_t got = BALLAST_TRY(file.read_at(at, bytes));
  if (got != bytes.size()) return corrupt_error("shard index is truncated", where);
  return {};
}

}  // namespace

Result<void> ShardReader::read_index(ReadableFile& index, const std::string& where) {
  std::byte head[kShardHeaderBytes];
  const size_t got = BALLAST_TRY(index.read_at(0, head));
  header_ = BALLAST_TRY(parse_shard_header(Bytes(head, got), index.size(), where));
  const int64_t sequences = header_.sequences, width = token_bytes(header_.type);
  const int64_t offsets_at = kShardHeaderBytes + 4 * sequences;
  const int64_t documents_at = offsets_at + 8 * sequences;

  std::vector<int64_t> ends;  // of sequences, in tokens
  ends.reserve(static_cast<size_t>(sequences) + 1);
  ends.push_back(0);
  std::vector<int32_t> lengths(static_cast<size_t>(std::min(kChunkEntries, sequences)));
  std::vector<int64_t> words(static_cast<size_t>(std::min(kChunkEntries, header_.documents + 1)));
  std::vector<int64_t> offsets(lengths.size());
  for (int64_t first = 0; first < sequences; first += kChunkEntries) {
    const auto count = static_cast<size_t>(std::min(kChunkEntries, sequences - first));
    BALLAST_TRY(
        read_entries(index, kShardHeaderBytes, first, std::span(lengths).first(count), where));
    BALLAST_TRY(read_entries(index, offsets_at, first, std::span(offsets).first(count), where));
    for (size_t i = 0; i < count; ++i) {
      if (lengths[i] < 0 || offsets[i] != ends.back() * width)
        return corrupt_error(
            fmt::format("sequence {} of the shard index is not where its predecessor ends",
                        first + static_cast<int64_t>(i)),
            where,
            fmt::format("offset {}, expected {}; length {}", offsets[i], ends.back() * width,
                        lengths[i]));
      ends.push_back(ends.back() + lengths[i]);
    }
  }

  begins_.reserve(static_cast<size_t>(header_.documents) + 1);
  int64_t previous = 0;
  for (int64_t first = 0; first <= header_.documents; first += kChunkEntries) {
    const auto count = static_cast<size_t>(std::min(kChunkEntries, header_.documents + 1 - first));
    BALLAST_TRY(read_entries(index, documents_at, first, std::span(words).first(count), where));
    for (size_t i = 0; i < count; ++i) {
      const bool leading = first == 0 && i == 0;
      if (words[i] < previous || words[i] > sequences || (leading && words[i] != 0))
        return corrupt_error(
            "document index of the shard is not ascending from 0", where,
            fmt::format("entry {} is {}", first + static_cast<int64_t>(i), words[i]));
      previous = words[i];
      begins_.push_back(ends[static_cast<size_t>(words[i])]);
    }
  }
  if (previous != sequences)
    return corrupt_error("document index does not end at the last sequence", where,
                         fmt::format("ends at {}, sequences {}", previous, sequences));
  return {};
}

Result<ShardReader> ShardReader::open_to_learn(FileSystem& fs, const std::string& prefix) {
  ShardReader reader = BALLAST_TRY(open(fs, prefix));
  reader.tombstones_ = BALLAST_TRY(read_tombstones(fs, prefix));
  if (!reader.tombstones_.empty() && reader.tombstones_.back().end > reader.total_tokens())
    return corrupt_error("tombstones of the manifest are outside the shard",
                         shard_manifest_path(prefix));
  return reader;
}

Result<ShardReader> ShardReader::open(FileSystem& fs, const std::string& prefix) {
  ShardReader reader;
  reader.prefix_ = prefix;
  const std::string where = shard_idx_path(prefix), bin_path = shard_bin_path(prefix);
  const auto index = BALLAST_TRY(fs.open_read(where));
  BALLAST_TRY(reader.read_index(*index, where));
  reader.bin_ = BALLAST_TRY(fs.open_read(bin_path));
  const int64_t expected = reader.total_tokens() * token_bytes(reader.type());
  if (reader.bin_->size() != expected)
    return corrupt_error("shard index disagrees with the size of the data", bin_path,
                         fmt::format("{} bytes, the index says {}", reader.bin_->size(), expected));
  return reader;
}

int64_t ShardReader::document_of(int64_t token) const {
  BALLAST_CHECK(token >= 0 && token < total_tokens());
  const auto after = std::upper_bound(begins_.begin(), begins_.end(), token);
  return after - begins_.begin() - 1;
}

Result<void> ShardReader::read_tokens(int64_t first_token, std::span<int32_t> out) const {
  const auto count = static_cast<int64_t>(out.size());
  if (first_token < 0 || first_token > total_tokens() || count > total_tokens() - first_token)
    return usage_error(
        "token range is outside the shard", prefix_,
        fmt::format("tokens {} to {} of {}", first_token, first_token + count, total_tokens()));
  // The narrow ids are read into the upper half of `out` and widened in place from the front.
  const int64_t width = token_bytes(type());
  const auto all = std::as_writable_bytes(out);
  const auto raw = all.last(static_cast<size_t>(count * width));
  const size_t got = BALLAST_TRY(bin_->read_at(first_token * width, raw));
  if (got != raw.size()) return corrupt_error("shard data is truncated", shard_bin_path(prefix_));
  if (type() == TokenType::u16) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = load_le<uint16_t>(&raw[2 * i]);
    return {};
  }
  const auto negative = std::find_if(out.begin(), out.end(), [](int32_t id) { return id < 0; });
  if (negative != out.end())
    return corrupt_error(fmt::format("negative token id {}", *negative), shard_bin_path(prefix_),
                         fmt::format("token {}", first_token + (negative - out.begin())));
  return {};
}

}  // namespace ballast
