#include "libcore/shard/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/shard/index_walk.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/redact_move.h"

namespace ballast {
Result<void> ShardReader::read_index(ReadableFile& index, const std::string& where) {
  header_ = BALLAST_TRY(read_shard_header(index, where));
  begins_.reserve(static_cast<size_t>(header_.documents) + 1);
  begins_.push_back(0);
  return walk_document_lengths(index, header_, where, [this](std::span<const int64_t> lengths) {
    for (const int64_t length : lengths) begins_.push_back(begins_.back() + length);
  });
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
  BALLAST_TRY(refuse_half_moved(fs, prefix));
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
