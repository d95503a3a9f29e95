#include "libcore/corpus/shard_stat.h"

#include <fmt/format.h>

#include <algorithm>

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

// Counts documents that tombstones cover, from the index and in its order.
class Redacted {
 public:
  explicit Redacted(const Tombstones& tombstones)
      : next_(tombstones.begin()), end_(tombstones.end()) {
    for (const Tombstone& range : tombstones) tokens_ += range.end - range.begin;
  }
  void pass(int64_t length) {
    const int64_t begin = at_;
    at_ += length;
    while (next_ != end_ && next_->end <= begin) ++next_;
    if (length > 0 && next_ != end_ && next_->begin <= begin && at_ <= next_->end) ++documents_;
  }
  int64_t documents() const { return documents_; }
  int64_t tokens() const { return tokens_; }

 private:
  Tombstones::const_iterator next_, end_;
  int64_t at_ = 0, documents_ = 0, tokens_ = 0;
};

// Every document is in one entry or redacted, so that shares add up to one.
Result<void> check_counts(const ShardCounts& counts, const ShardStat& stat, const char* key,
                          const std::string& where) {
  int64_t documents = stat.redacted_documents, tokens = stat.redacted_tokens, bytes = 0;
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

Result<void> read_lengths(FileSystem& fs, const std::string& prefix, const Tombstones& tombstones,
                          ShardStat& stat) {
  const std::string where = shard_idx_path(prefix), bin_path = shard_bin_path(prefix);
  const auto index = BALLAST_TRY(fs.open_read(where));
  const ShardHeader header = BALLAST_TRY(read_shard_header(*index, where));
  Redacted redacted(tombstones);
  BALLAST_TRY(walk_document_lengths(*index, header, where, [&](std::span<const int64_t> lengths) {
    for (const int64_t length : lengths) {
      stat.lengths.add(length);
      redacted.pass(length);
    }
  }));
  const int64_t bytes = BALLAST_TRY(fs.info(bin_path)).size;
  const int64_t expected = stat.lengths.tokens * token_bytes(header.type);
  if (bytes != expected)
    return corrupt_error("shard index disagrees with the size of the data", bin_path,
                         fmt::format("{} bytes, the index says {}", bytes, expected));
  stat.documents = stat.lengths.documents;
  stat.tokens = stat.lengths.tokens;
  stat.redacted_documents = redacted.documents();
  stat.redacted_tokens = redacted.tokens();
  return {};
}

// Tombstones do not show redacted documents without tokens; only the counts leave them out.
void count_redacted_empties(const ShardManifest& manifest, ShardStat& stat) {
  const int64_t empty = stat.lengths.buckets[0];
  int64_t missing = stat.documents - stat.redacted_documents;
  for (const auto& [name, count] : manifest.languages)
    missing -= std::min(missing, count.documents);
  if (manifest.redaction && missing <= empty) stat.redacted_documents += missing;
}

Result<void> take_counts(const std::optional<ShardManifest>& said, const std::string& where,
                         ShardStat& stat) {
  if (!said) {
    const ShardCounts nothing_said = {{"unknown", {stat.documents, stat.tokens, std::nullopt}}};
    stat.languages = stat.licenses = stat.sources = nothing_said;
    stat.bytes.reset();
    return {};
  }
  const ShardManifest& manifest = *said;
  if (manifest.documents != stat.documents || manifest.tokens != stat.tokens)
    return corrupt_error(
        "manifest disagrees with the shard index", where,
        fmt::format("{} documents and {} tokens, the index says {} and {}", manifest.documents,
                    manifest.tokens, stat.documents, stat.tokens));
  count_redacted_empties(manifest, stat);
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
  redacted_documents += other.redacted_documents;
  redacted_tokens += other.redacted_tokens;
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
  const std::string manifest_path = shard_manifest_path(prefix),
                    docs_path = shard_docs_path(prefix);
  std::optional<ShardManifest> manifest;
  if (fs.exists(manifest_path)) manifest = BALLAST_TRY(read_manifest(fs, prefix));
  const bool redacted = manifest && manifest->redaction;
  BALLAST_TRY(
      read_lengths(fs, prefix, redacted ? manifest->redaction->tombstones : Tombstones(), stat));
  BALLAST_TRY(take_counts(manifest, manifest_path, stat));
  if (fs.exists(docs_path)) {
    const SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(fs, prefix));
    if (sidecar.documents() != stat.documents)
      return corrupt_error(
          "sidecar and index differ in their documents", docs_path,
          fmt::format("{}, the index says {}", sidecar.documents(), stat.documents));
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
