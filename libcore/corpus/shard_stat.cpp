#include "libcore/corpus/shard_stat.h"

#include <fmt/format.h>

#include "libcore/shard/index_walk.h"
#include "libcore/shard/sidecar.h"

namespace ballast {
namespace {

constexpr int64_t kMostBytes = int64_t{1}
                               << 45;  // of a shard: a hundred thousand of them still add up

void add_bytes(const std::optional<int64_t>& from, std::optional<int64_t>& into) {
  if (!from) into.reset();
  if (into) *into += *from;
}

void add_counts(const ShardCounts& from, ShardCounts& into) {
  for (const auto& [name, count] : from) {
    ShardCount& sum = into[name];
    sum.documents += count.documents;
    sum.tokens += count.tokens;
    add_bytes(count.bytes, sum.bytes);
  }
}

// Every document is in one entry, so that shares add up to one.
Result<void> check_counts(const ShardCounts& counts, const ShardStat& stat, const char* key,
                          const std::string& where) {
  int64_t documents = 0, tokens = 0, bytes = 0;
  for (const auto& [name, count] : counts) {
    if (count.documents > stat.documents - documents || count.tokens > stat.tokens - tokens ||
        count.bytes.value_or(0) > kMostBytes - bytes)
      return corrupt_error(fmt::format("'{}' counts more than the shard holds", key), where);
    documents += count.documents;
    tokens += count.tokens;
    bytes += count.bytes.value_or(0);
  }
  if (documents == stat.documents && tokens == stat.tokens) return {};
  return corrupt_error(fmt::format("'{}' counts less than the shard holds", key), where,
                       fmt::format("{} of {} documents, {} of {} tokens", documents, stat.documents,
                                   tokens, stat.tokens));
}

Result<void> read_lengths(FileSystem& fs, const std::string& prefix, ShardStat& stat) {
  const std::string where = shard_idx_path(prefix), bin_path = shard_bin_path(prefix);
  const auto index = BALLAST_TRY(fs.open_read(where));
  const ShardHeader header = BALLAST_TRY(read_shard_header(*index, where));
  BALLAST_TRY(
      walk_document_lengths(*index, header, where, [&stat](std::span<const int64_t> lengths) {
        for (const int64_t length : lengths) stat.lengths.add(length);
      }));
  const int64_t bytes = BALLAST_TRY(fs.info(bin_path)).size;
  const int64_t expected = stat.lengths.tokens * token_bytes(header.type);
  if (bytes != expected)
    return corrupt_error("shard index disagrees with the size of the data", bin_path,
                         fmt::format("{} bytes, the index says {}", bytes, expected));
  stat.documents = stat.lengths.documents;
  stat.tokens = stat.lengths.tokens;
  return {};
}

Result<void> read_manifest_counts(FileSystem& fs, const std::string& prefix, ShardStat& stat) {
  const std::string where = shard_manifest_path(prefix);
  if (!fs.exists(where)) {
    const ShardCounts nothing_said = {{"unknown", {stat.documents, stat.tokens, std::nullopt}}};
    stat.languages = stat.licenses = stat.sources = nothing_said;
    stat.bytes.reset();
    return {};
  }
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  if (manifest.documents != stat.documents || manifest.tokens != stat.tokens)
    return corrupt_error(
        "manifest disagrees with the shard index", where,
        fmt::format("{} documents and {} tokens, the index says {} and {}", manifest.documents,
                    manifest.tokens, stat.documents, stat.tokens));
  BALLAST_TRY(check_counts(manifest.languages, stat, "languages", where));
  BALLAST_TRY(check_counts(manifest.licenses, stat, "licenses", where));
  BALLAST_TRY(check_counts(manifest.sources, stat, "sources", where));
  stat.languages = manifest.languages;
  stat.licenses = manifest.licenses;
  stat.sources = manifest.sources;
  for (const auto& [name, count] : manifest.languages) add_bytes(count.bytes, stat.bytes);
  return {};
}

}  // namespace

void ShardStat::add(const ShardStat& other) {
  shards += other.shards;
  documents += other.documents;
  tokens += other.tokens;
  add_bytes(other.bytes, bytes);
  add_counts(other.languages, languages);
  add_counts(other.licenses, licenses);
  add_counts(other.sources, sources);
  for (const auto& [host, count] : other.hosts) hosts[host] += count;
  lengths.add(other.lengths);
}

Result<ShardStat> read_shard_stat(FileSystem& fs, const std::string& prefix) {
  ShardStat stat;
  stat.shards = 1;
  BALLAST_TRY(read_lengths(fs, prefix, stat));
  BALLAST_TRY(read_manifest_counts(fs, prefix, stat));
  if (fs.exists(shard_docs_path(prefix))) {
    const SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(fs, prefix));
    for (const auto& [host, documents] : sidecar.hosts())
      stat.hosts[host] = static_cast<int64_t>(documents.size());
  }
  return stat;
}

std::optional<double> tokens_per_byte(int64_t tokens, std::optional<int64_t> bytes) {
  if (!bytes || *bytes == 0) return std::nullopt;
  return static_cast<double>(tokens) / static_cast<double>(*bytes);
}

}  // namespace ballast
