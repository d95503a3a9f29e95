#include "libcore/shard/whole_shard.h"

#include <algorithm>

#include "libcore/base/hash.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

// Those of tokens [begin, end) of the shard, counted from `begin`.
void cut_tombstones(const Tombstones& all, int64_t begin, int64_t end, Tombstones& out) {
  out.clear();
  auto range = std::ranges::upper_bound(all, begin, {}, &Tombstone::end);
  for (; range != all.end() && range->begin < end; ++range)
    append_tombstone(out, {std::max(begin, range->begin) - begin, std::min(end, range->end) - begin,
                           range->token});
}

}  // namespace

Result<ShardManifest> manifest_of_whole(FileSystem& fs, const std::string& prefix) {
  if (!fs.exists(shard_idx_path(prefix)))
    return io_error("no shard of this name", prefix, "give PREFIX of PREFIX.idx");
  if (!fs.exists(shard_manifest_path(prefix)))
    return usage_error("the shard has no manifest", prefix, "tokshard adopt makes one");
  return read_manifest(fs, prefix);
}

Result<WholeShard> WholeShard::open(FileSystem& fs, const std::string& prefix) {
  ShardManifest manifest = BALLAST_TRY(manifest_of_whole(fs, prefix));
  for (const OutputFile& said : manifest.outputs) BALLAST_TRY(refuse_damage(fs, prefix, said));
  ShardReader reader = BALLAST_TRY(ShardReader::open_to_learn(fs, prefix));
  SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(fs, prefix));
  if (sidecar.documents() != reader.documents() || manifest.documents != reader.documents() ||
      manifest.tokens != reader.total_tokens())
    return corrupt_error("manifest, sidecar and index differ in their documents", prefix,
                         "tokshard verify says more");
  const std::string text = BALLAST_TRY(read_file(fs, shard_manifest_path(prefix)));
  return WholeShard{std::move(manifest), sha256_hex(text), std::move(reader), std::move(sidecar)};
}

ShardOrigin WholeShard::origin() const {
  ShardOrigin origin{file_name(reader.prefix()), manifest_sha256, manifest.documents,
                     manifest.tokens, manifest.redaction};
  if (origin.redaction) origin.redaction->tombstones.clear();
  return origin;
}

Result<void> visit_documents(WholeShard& shard, const DocumentVisit& visit) {
  std::vector<int32_t> ids;
  Tombstones tombstones;
  for (int64_t number = 0; number < shard.reader.documents(); ++number) {
    const int64_t begin = shard.reader.document_begin(number);
    const int64_t length = shard.reader.document_length(number);
    ids.resize(static_cast<size_t>(length));
    BALLAST_TRY(shard.reader.read_tokens(begin, ids));
    cut_tombstones(shard.reader.tombstones(), begin, begin + length, tombstones);
    ShardDocument document = BALLAST_TRY(shard.sidecar.read(number));
    if (document.tokens != length)
      return corrupt_error("sidecar and index differ in the tokens of a document",
                           shard_docs_path(shard.reader.prefix()),
                           "document " + std::to_string(number));
    BALLAST_TRY(visit(std::move(document), {number, ids, tombstones}));
  }
  return {};
}

}  // namespace ballast
