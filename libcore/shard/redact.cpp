#include "libcore/shard/redact.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/shard/builder.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/redact_move.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

Result<std::string> manifest_sha256(FileSystem& fs, const std::string& prefix) {
  const std::string text = BALLAST_TRY(read_file(fs, shard_manifest_path(prefix)));
  return sha256_hex(text);
}

Result<int32_t> token_of(const ShardManifest& manifest, const std::string& prefix,
                         const RedactOptions& options) {
  std::optional<int32_t> token = options.token;
  if (!token) token = manifest.eos ? manifest.eos : manifest.bos;
  if (!token)
    return usage_error("the shard has no token that ends or begins documents", prefix,
                       "name one with --token");
  if (*token < 0 || *token >= manifest.vocab_size)
    return usage_error(fmt::format("--token {} is not in the vocabulary", *token), prefix,
                       fmt::format("accepted: 0 to {}", manifest.vocab_size - 1));
  return *token;
}

Result<void> check_target(FileSystem& fs, const std::string& target, bool force) {
  if (force) return {};
  for (const std::string& path : shard_paths(target))
    if (fs.exists(path)) return usage_error("output exists", path, "-f replaces it");
  return {};
}

// Our writer makes no other layout, and only what it makes can be compared byte by byte.
Result<void> check_layout(FileSystem& fs, const ShardReader& reader,
                          const ShardManifest& manifest) {
  const FileInfo index = BALLAST_TRY(fs.info(shard_idx_path(reader.prefix())));
  if (index.size != kShardHeaderBytes + 20 * reader.documents() + 8)
    return usage_error("a document of the shard has several sequences", reader.prefix(),
                       "redact takes shards as encode writes them");
  if (reader.type() != token_type_for(manifest.vocab_size))
    return usage_error("the token type of the shard is not that of its vocabulary", reader.prefix(),
                       "redact takes shards as encode writes them");
  return {};
}

// Counted anew by the builder.
ShardManifest blank_manifest(const ShardManifest& old, const RedactOptions& options) {
  ShardManifest manifest = old;
  manifest.tool = options.tool;
  manifest.languages.clear();
  manifest.licenses.clear();
  manifest.sources.clear();
  manifest.filters.clear();
  manifest.made_from.clear();  // it leads there through manifest_sha256
  manifest.run = options.run;
  if (old.run.is_object() && old.run.contains("tokenizer"))
    manifest.run["tokenizer"] = old.run.at("tokenizer");
  return manifest;
}

// What of the old shard goes where in the new one.
class Rewriter {
 public:
  Rewriter(const ShardReader& reader, SidecarReader& sidecar, const RedactOptions& options,
           int32_t token)
      : reader_(reader), sidecar_(sidecar), options_(options), token_(token) {}

  Result<void> run(std::span<const int64_t> documents, ShardBuilder& builder) {
    std::vector<int32_t> ids;
    size_t next = 0;
    for (int64_t number = 0; number < reader_.documents(); ++number) {
      BALLAST_TRY(options_.go_on());
      const bool goes = next < documents.size() && documents[next] == number;
      next += goes ? 1 : 0;
      if (goes && options_.compact) continue;
      ShardDocument document = BALLAST_TRY(sidecar_.read(number));
      ids.assign(static_cast<size_t>(reader_.document_length(number)), token_);
      if (goes) {
        bury(document);
      } else {
        BALLAST_TRY(reader_.read_tokens(reader_.document_begin(number), ids));
      }
      BALLAST_TRY(builder.append(std::move(document), ids));
    }
    return {};
  }

 private:
  void bury(ShardDocument& document) const {
    document.redacted = true;
    document.bytes.reset();
    if (!options_.forget) return;
    document.id.clear();
    document.url.clear();
    document.host.clear();
  }

  const ShardReader& reader_;
  SidecarReader& sidecar_;
  const RedactOptions& options_;
  int32_t token_;
};

// Those of other documents, moved up when `compact` removes the documents between them.
Tombstones tombstones_kept(const ShardReader& reader, const Tombstones& before,
                           std::span<const int64_t> documents, bool compact) {
  Tombstones all;
  size_t next = 0;
  int64_t removed = 0;
  for (const Tombstone& range : before) {
    int64_t at = range.begin;
    for (; next < documents.size() && reader.document_begin(documents[next]) < range.end; ++next) {
      const int64_t document = documents[next];
      if (reader.document_begin(document) >= at) {
        append_tombstone(all,
                         {at - removed, reader.document_begin(document) - removed, range.token});
        at = reader.document_begin(document + 1);
      }
      if (compact) removed += reader.document_length(document);
    }
    append_tombstone(all, {at - removed, range.end - removed, range.token});
  }
  return all;
}

// With the new ones.
Tombstones tombstones_joined(const ShardReader& reader, Tombstones kept,
                             std::span<const int64_t> documents, int32_t token) {
  for (const int64_t document : documents)
    kept.push_back({reader.document_begin(document), reader.document_begin(document + 1), token});
  std::ranges::sort(kept, {}, &Tombstone::begin);
  Tombstones all;
  for (const Tombstone& range : kept) append_tombstone(all, range);
  return all;
}

ShardRedaction record_of(const ShardReader& reader, const ShardManifest& old,
                         std::span<const int64_t> documents, const RedactOptions& options,
                         int32_t token) {
  ShardRedaction record;
  record.compact = options.compact;
  record.forget = options.forget;
  record.list_sha256 = options.list_sha256;
  record.documents = static_cast<int64_t>(documents.size());
  for (const int64_t document : documents) record.tokens += reader.document_length(document);
  const Tombstones before = old.redaction ? old.redaction->tombstones : Tombstones();
  record.tombstones = tombstones_kept(reader, before, documents, options.compact);
  if (!options.compact)
    record.tombstones = tombstones_joined(reader, std::move(record.tombstones), documents, token);
  return record;
}

}  // namespace

Result<int32_t> tombstone_token(FileSystem& fs, const std::string& prefix,
                                const RedactOptions& options) {
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  return token_of(manifest, prefix, options);
}

Result<bool> is_redacted(FileSystem& fs, const std::string& prefix, const std::string& target,
                         const RedactOptions& options) {
  if (!fs.exists(shard_manifest_path(target))) return false;
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, target));
  if (!manifest.redaction) return false;
  const ShardRedaction& made = *manifest.redaction;
  if (made.compact != options.compact || made.forget != options.forget ||
      made.list_sha256 != options.list_sha256 ||
      made.manifest_sha256 != BALLAST_TRY(manifest_sha256(fs, prefix)))
    return false;
  for (const OutputFile& said : manifest.outputs)
    if (!BALLAST_TRY(output_damage(fs, target, said, false)).empty()) return false;
  if (options.compact || !options.token || made.tokens == 0) return true;
  const auto is_it = [&](const Tombstone& range) { return range.token == *options.token; };
  return std::ranges::any_of(made.tombstones, is_it);
}

Result<void> redact_shard(FileSystem& fs, const std::string& prefix, const std::string& target,
                          std::span<const int64_t> documents, const RedactOptions& options) {
  const ShardManifest old = BALLAST_TRY(read_manifest(fs, prefix));
  const ShardReader reader = BALLAST_TRY(ShardReader::open(fs, prefix));
  SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(fs, prefix));
  if (sidecar.documents() != reader.documents())
    return corrupt_error("sidecar and index differ in their documents", prefix);
  BALLAST_TRY(check_layout(fs, reader, old));
  for (const OutputFile& said : old.outputs)  // the new manifest would call damage sound
    BALLAST_TRY(refuse_damage(fs, prefix, said, options.go_on));
  const int32_t token = options.compact ? 0 : BALLAST_TRY(token_of(old, prefix, options));

  ShardManifest manifest = blank_manifest(old, options);
  manifest.redaction = record_of(reader, old, documents, options, token);
  manifest.redaction->manifest_sha256 = BALLAST_TRY(manifest_sha256(fs, prefix));

  BALLAST_TRY(check_target(fs, target, options.force));
  ShardBuilder builder(fs, target, std::move(manifest), options.force);
  BALLAST_TRY(Rewriter(reader, sidecar, options, token).run(documents, builder));
  BALLAST_TRY(builder.seal());
  BALLAST_TRY(options.go_on());
  if (fs.exists(shard_manifest_path(target))) BALLAST_TRY(fs.remove(shard_manifest_path(target)));
  BALLAST_TRY(builder.publish());
  return {};
}

}  // namespace ballast
