#include "libcore/shard/builder.h"

namespace ballast {
namespace {

void count(ShardCounts& counts, const std::string& name, const ShardDocument& document) {
  ShardCount& entry = counts[name.empty() ? "unknown" : name];
  ++entry.documents;
  entry.tokens += document.tokens;
  if (entry.bytes && document.bytes)
    *entry.bytes += *document.bytes;
  else
    entry.bytes.reset();
}

}  // namespace

void count_document(ShardManifest& manifest, const ShardDocument& document,
                    std::span<const int32_t> tokens) {
  for (const int32_t id : tokens) ++manifest.token_counts[static_cast<size_t>(id)];
  if (document.redacted) return;
  count(manifest.languages, document.language, document);
  count(manifest.licenses, document.license, document);
  count(manifest.sources, document.source, document);
  for (const std::string& filter : document.filters) ++manifest.filters[filter];
}

ShardBuilder::ShardBuilder(FileSystem& fs, const std::string& prefix, ShardManifest manifest,
                           bool force)
    : manifest_(std::move(manifest)),
      writer_(fs, prefix, manifest_.vocab_size, force),
      sidecar_(fs, prefix, force),
      manifest_file_(fs, shard_manifest_path(prefix), force) {
  manifest_.token_counts.assign(static_cast<size_t>(manifest_.vocab_size), 0);
}

void ShardBuilder::begin_origin(ShardOrigin origin) {
  origin.documents = origin.tokens = 0;
  manifest_.made_from.push_back(std::move(origin));
}

Result<void> ShardBuilder::append(ShardDocument document, std::span<const int32_t> tokens,
                                  std::span<const Tombstone> tombstones) {
  BALLAST_CHECK(tombstones.empty() || manifest_.redaction);
  for (const Tombstone& range : tombstones)
    append_tombstone(manifest_.redaction->tombstones,
                     {writer_.tokens() + range.begin, writer_.tokens() + range.end, range.token});
  if (!tombstones.empty()) {
    ++manifest_.redaction->documents;
    manifest_.redaction->tokens += std::ssize(tokens);
  }
  if (!manifest_.made_from.empty()) {
    ++manifest_.made_from.back().documents;
    manifest_.made_from.back().tokens += std::ssize(tokens);
  }
  BALLAST_TRY(writer_.append_document(tokens));
  document.tokens = static_cast<int64_t>(tokens.size());
  count_document(manifest_, document, tokens);
  return sidecar_.append(document);
}

Result<void> ShardBuilder::seal() {
  manifest_.documents = writer_.documents();
  manifest_.tokens = writer_.tokens();
  manifest_.type = writer_.type();
  manifest_.outputs = BALLAST_TRY(writer_.seal());
  manifest_.outputs.push_back(BALLAST_TRY(sidecar_.seal()));
  for (OutputFile& output : manifest_.outputs) output.path = file_name(output.path);
  BALLAST_TRY(manifest_file_.write(manifest_text(manifest_)));
  return manifest_file_.seal();
}

Result<ShardManifest> ShardBuilder::publish() {
  BALLAST_TRY(writer_.publish());
  BALLAST_TRY(sidecar_.publish());
  BALLAST_TRY(manifest_file_.commit());
  return manifest_;
}

Result<ShardManifest> ShardBuilder::finish() {
  BALLAST_TRY(seal());
  return publish();
}

}  // namespace ballast
