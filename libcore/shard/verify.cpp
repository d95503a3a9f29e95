#include "libcore/shard/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/sidecar.h"

namespace ballast {
namespace {

constexpr int64_t kChunkTokens = 1 << 18;

class Verifier {
 public:
  Verifier(FileSystem& fs, const std::string& prefix, bool full)
      : fs_(fs), prefix_(prefix), full_(full) {}

  Result<ShardVerdict> run() {
    BALLAST_TRY(check_parts());
    BALLAST_TRY(check_files());
    if (reader_ && full_) BALLAST_TRY(check_tokens());
    if (sidecar_) BALLAST_TRY(check_sidecar());
    return std::move(verdict_);
  }

 private:
  void found(std::string line) { verdict_.damage.push_back(std::move(line)); }

  // Takes a value, or notes damage; other errors go up.
  template <class T>
  Result<std::optional<T>> note(Result<T> result) {
    if (result.ok()) return std::optional<T>(result.take_value());
    if (result.error().kind != ErrorKind::corrupt) return result.take_error();
    found(result.error().message());
    return std::optional<T>();
  }

  Result<void> check_parts() {
    reader_ = BALLAST_TRY(note(ShardReader::open(fs_, prefix_)));
    if (reader_) {
      verdict_.documents = reader_->documents();
      verdict_.tokens = reader_->total_tokens();
    }
    if (fs_.exists(shard_manifest_path(prefix_)))
      manifest_ = BALLAST_TRY(note(read_manifest(fs_, prefix_)));
    else
      verdict_.missing.push_back(shard_manifest_path(prefix_));
    if (fs_.exists(shard_docs_path(prefix_)))
      sidecar_ = BALLAST_TRY(note(SidecarReader::open(fs_, prefix_)));
    else if (manifest_)
      found("document sidecar is gone: " + shard_docs_path(prefix_));
    else
      verdict_.missing.push_back(shard_docs_path(prefix_));
    return {};
  }

  Result<void> check_files() {
    if (!manifest_) return {};
    for (const OutputFile& said : manifest_->outputs) {
      std::string line = BALLAST_TRY(output_damage(fs_, prefix_, said, full_));
      if (!line.empty()) found(std::move(line));
    }
    if (reader_ && (reader_->documents() != manifest_->documents ||
                    reader_->total_tokens() != manifest_->tokens))
      found(
          fmt::format("counts differ from the manifest: {} ({} documents and {} tokens, {} and {} "
                      "expected)",
                      shard_idx_path(prefix_), reader_->documents(), reader_->total_tokens(),
                      manifest_->documents, manifest_->tokens));
    return {};
  }

  Result<void> check_tokens() {
    std::vector<int64_t> counts(manifest_ ? manifest_->token_counts.size() : 0);
    std::vector<int32_t> ids;
    for (int64_t at = 0; at < reader_->total_tokens(); at += kChunkTokens) {
      ids.resize(static_cast<size_t>(std::min(kChunkTokens, reader_->total_tokens() - at)));
      auto read = reader_->read_tokens(at, ids);
      if (!read.ok() && read.error().kind != ErrorKind::corrupt) return read.take_error();
      if (!read.ok()) {
        found(read.error().message());
        return {};
      }
      if (!manifest_) continue;
      if (!check_tombstones(at, ids)) return {};
      for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < static_cast<int64_t>(counts.size())) {
          ++counts[static_cast<size_t>(ids[i])];
          continue;
        }
        found(fmt::format("token {} is outside the vocabulary: {} (id {}, vocabulary of {})",
                          at + static_cast<int64_t>(i), shard_bin_path(prefix_), ids[i],
                          counts.size()));
        return {};
      }
    }
    if (manifest_ && counts != manifest_->token_counts)
      found("token counts differ from the manifest: " + shard_bin_path(prefix_));
    return {};
  }

  // Tokens [at, at + ids.size()): what was redacted is overwritten, all of it.
  bool check_tombstones(int64_t at, std::span<const int32_t> ids) {
    const auto end = at + static_cast<int64_t>(ids.size());
    auto range = std::ranges::upper_bound(tombstones(), at, {}, &Tombstone::end);
    for (; range != tombstones().end() && range->begin < end; ++range) {
      for (int64_t i = std::max(at, range->begin); i < std::min(end, range->end); ++i) {
        if (ids[static_cast<size_t>(i - at)] == range->token) continue;
        found(fmt::format(
            "token {} is in a tombstone but was not overwritten: {} (id {}, {} "
            "expected)",
            i, shard_bin_path(prefix_), ids[static_cast<size_t>(i - at)], range->token));
        return false;
      }
    }
    return true;
  }

  const Tombstones& tombstones() const {
    static const Tombstones none;
    return manifest_ && manifest_->redaction ? manifest_->redaction->tombstones : none;
  }

  // Does a tombstone begin at or before the document and reach its end?
  bool is_buried(int64_t document) const {
    const int64_t begin = reader_->document_begin(document),
                  end = reader_->document_begin(document + 1);
    const auto range = std::ranges::upper_bound(tombstones(), begin, {}, &Tombstone::end);
    return range != tombstones().end() && range->begin <= begin && range->end >= end;
  }

  Result<void> check_sidecar() {
    const std::string path = shard_docs_path(prefix_);
    if (reader_ && sidecar_->documents() != reader_->documents()) {
      found(fmt::format("sidecar has {} documents, the index {}: {}", sidecar_->documents(),
                        reader_->documents(), path));
      return {};
    }
    if (!full_ || !reader_) return {};
    auto read = sidecar_->for_each([&](int64_t document,
                                       const ShardDocument& line) -> Result<void> {
      if (line.tokens != reader_->document_length(document))
        return corrupt_error(fmt::format("document {} has {} tokens, the sidecar says {}", document,
                                         reader_->document_length(document), line.tokens),
                             path);
      if (manifest_ && line.tokens > 0 && line.redacted != is_buried(document))
        return corrupt_error(
            fmt::format("document {} is {} by the manifest and {} by the sidecar", document,
                        line.redacted ? "there" : "redacted", line.redacted ? "redacted" : "there"),
            path);
      return {};
    });
    if (!read.ok() && read.error().kind != ErrorKind::corrupt) return read.take_error();
    if (!read.ok()) found(read.error().message());
    return {};
  }

  FileSystem& fs_;
  std::string prefix_;
  bool full_;
  ShardVerdict verdict_;
  std::optional<ShardReader> reader_;
  std::optional<ShardManifest> manifest_;
  std::optional<SidecarReader> sidecar_;
};

}  // namespace

Result<std::string> output_damage(FileSystem& fs, const std::string& prefix, const OutputFile& said,
                                  bool full, const GoOn& go_on) {
  const std::string path = join_path(parent_directory(prefix), file_name(said.path));
  if (!fs.exists(path)) return "file of the manifest is gone: " + path;
  const FileInfo info = BALLAST_TRY(fs.info(path));
  if (info.size != said.bytes)
    return fmt::format("size differs from the manifest: {} ({} bytes, {} expected)", path,
                       info.size, said.bytes);
  if (full && BALLAST_TRY(hash_file(fs, path, go_on)).hash != said.hash)
    return "content differs from the manifest's hash: " + path;
  return std::string();
}

Result<void> refuse_damage(FileSystem& fs, const std::string& prefix, const OutputFile& said,
                           const GoOn& go_on) {
  const std::string damage = BALLAST_TRY(output_damage(fs, prefix, said, true, go_on));
  return damage.empty() ? Result<void>() : corrupt_error(damage, "", "tokshard verify says more");
}

Result<ShardVerdict> verify_shard(FileSystem& fs, const std::string& prefix, bool full) {
  return Verifier(fs, prefix, full).run();
}

}  // namespace ballast
