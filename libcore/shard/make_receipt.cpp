// The receipt of a redaction, from the shards as they lie on the disk.
#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/hash.h"
#include "libcore/base/sha256.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/redact.h"
#include "libcore/shard/sample_hash.h"
#include "libcore/shard/sidecar.h"

namespace ballast {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

// Every byte of a file in order, in pieces that lie whole inside or outside the ranges.
template <class Visit>
Result<int64_t> read_pieces(FileSystem& fs, const std::string& path,
                            const std::vector<ByteRange>& ranges, const GoOn& go_on,
                            const Visit& visit) {
  const auto file = BALLAST_TRY(fs.open_read(path));
  std::vector<std::byte> buffer(kPiece);
  int64_t at = 0;
  size_t next = 0;
  while (true) {
    BALLAST_TRY(go_on());
    while (next < ranges.size() && ranges[next].end <= at) ++next;
    const bool inside = next < ranges.size() && ranges[next].begin <= at;
    int64_t end = at + static_cast<int64_t>(kPiece);
    if (next < ranges.size()) end = std::min(end, inside ? ranges[next].end : ranges[next].begin);
    const MutableBytes into = MutableBytes(buffer).first(static_cast<size_t>(end - at));
    const size_t got = BALLAST_TRY(file->read_at(at, into));
    visit(Bytes(buffer).first(got), inside);
    at += static_cast<int64_t>(got);
    if (got < into.size()) return at;
  }
}

// `said`: by the manifest, kind corrupt when it is not so.
Result<ReceiptFile> hash_whole(FileSystem& fs, const std::string& path, const GoOn& go_on,
                               const OutputFile* said = nullptr) {
  ReceiptFile file{.name = file_name(path)};
  Sha256Hasher hash;
  Xxh3Hasher check;
  file.bytes = BALLAST_TRY(read_pieces(fs, path, {}, go_on, [&](Bytes piece, bool) {
    hash.update(piece);
    if (said) check.update(piece);
  }));
  if (said && (file.bytes != said->bytes || check.digest() != said->hash))
    return corrupt_error("content differs from the manifest's hash", path,
                         "tokshard verify says more");
  file.sha256 = hash.hex();
  return file;
}

// All files but .bin.
Result<ReceiptSide> side_of(FileSystem& fs, const std::string& prefix, const GoOn& go_on) {
  ReceiptSide side;
  side.idx = BALLAST_TRY(hash_whole(fs, shard_idx_path(prefix), go_on));
  side.docs = BALLAST_TRY(hash_whole(fs, shard_docs_path(prefix), go_on));
  side.manifest = BALLAST_TRY(hash_whole(fs, shard_manifest_path(prefix), go_on));
  BALLAST_TRY(go_on());
  side.content_hash = BALLAST_TRY(shard_sample_hash(fs, prefix));
  BALLAST_TRY(go_on());
  return side;
}

// All of them, and sound: what is taken over is attested.
Result<ReceiptSide> side_of_sound(FileSystem& fs, const std::string& prefix, const GoOn& go_on) {
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  const auto hash = [&](const std::string& path) -> Result<ReceiptFile> {
    const auto is_it = [&](const OutputFile& said) {
      return file_name(said.path) == file_name(path);
    };
    const auto said = std::ranges::find_if(manifest.outputs, is_it);
    if (said == manifest.outputs.end())
      return corrupt_error("the manifest does not know a file of the shard", path);
    return hash_whole(fs, path, go_on, &*said);
  };
  ReceiptSide side;
  side.bin = BALLAST_TRY(hash(shard_bin_path(prefix)));
  side.idx = BALLAST_TRY(hash(shard_idx_path(prefix)));
  side.docs = BALLAST_TRY(hash(shard_docs_path(prefix)));
  side.manifest = BALLAST_TRY(hash_whole(fs, shard_manifest_path(prefix), go_on));
  side.content_hash = BALLAST_TRY(shard_sample_hash(fs, prefix));
  BALLAST_TRY(go_on());
  return side;
}

struct HashedTokens {
  ReceiptFile whole, kept;
  bool only_tombstones = true;  // inside the ranges
};

Result<HashedTokens> hash_tokens(FileSystem& fs, const std::string& prefix,
                                 const std::vector<ByteRange>& ranges, std::string_view tombstone,
                                 const GoOn& go_on) {
  HashedTokens tokens;
  tokens.whole.name = file_name(shard_bin_path(prefix));
  Sha256Hasher whole, kept;
  const auto visit = [&](Bytes piece, bool inside) {
    whole.update(piece);
    if (!inside) {
      kept.update(piece);
      tokens.kept.bytes += static_cast<int64_t>(piece.size());
      return;
    }
    for (size_t i = 0; i < piece.size() && !tombstone.empty(); ++i)
      if (piece[i] != static_cast<std::byte>(tombstone[i % tombstone.size()]))
        tokens.only_tombstones = false;
  };
  tokens.whole.bytes = BALLAST_TRY(read_pieces(fs, shard_bin_path(prefix), ranges, go_on, visit));
  tokens.whole.sha256 = whole.hex();
  tokens.kept.sha256 = kept.hex();
  return tokens;
}

std::string token_bytes_of(TokenType type, int32_t token) {
  char bytes[4];
  store_le(bytes, token);
  return std::string(bytes, static_cast<size_t>(token_bytes(type)));  // low bytes first
}

// Their places before and after, and what their text was.
Result<std::vector<RemovedDocument>> removed_documents(FileSystem& fs, const ShardReader& reader,
                                                       std::span<const int64_t> documents,
                                                       bool compact) {
  if (documents.empty()) return std::vector<RemovedDocument>();
  SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(fs, reader.prefix()));
  const int64_t width = token_bytes(reader.type());
  int64_t gone = 0;
  std::vector<RemovedDocument> removed;
  for (const int64_t number : documents) {
    RemovedDocument document{.document = number, .tokens = reader.document_length(number)};
    const auto sha256 = parse_sha256(BALLAST_TRY(sidecar.read(number)).sha256);
    if (!sha256)
      return corrupt_error("'sha256' is not 64 hex digits", shard_docs_path(reader.prefix()),
                           fmt::format("document {}", number));
    document.sha256 = *sha256;
    document.before = {reader.document_begin(number) * width,
                       reader.document_begin(number + 1) * width};
    document.after = document.before;
    if (compact) {
      document.after = {document.before.begin - gone, document.before.begin - gone};
      gone += document.before.size();
    }
    removed.push_back(std::move(document));
  }
  return removed;
}

std::vector<ByteRange> ranges_of(const std::vector<RemovedDocument>& removed,
                                 ByteRange RemovedDocument::*which) {
  std::vector<ByteRange> ranges;
  for (const RemovedDocument& document : removed)
    if ((document.*which).size() > 0) ranges.push_back(document.*which);
  return ranges;
}

Result<bool> is_same_file(FileSystem& fs, const std::string& one, const std::string& other) {
  const FileInfo a = BALLAST_TRY(fs.info(one)), b = BALLAST_TRY(fs.info(other));
  return a.device == b.device && a.inode == b.inode;
}

// Nothing to compare, and half of the reading saved.
Result<bool> is_linked(FileSystem& fs, const std::string& prefix, const std::string& target) {
  for (const auto path_of : {shard_bin_path, shard_idx_path, shard_docs_path, shard_manifest_path})
    if (!BALLAST_TRY(is_same_file(fs, path_of(prefix), path_of(target)))) return false;
  return true;
}

// Of a shard that loses nothing.
Result<void> receipt_of_same(FileSystem& fs, const std::string& prefix, const std::string& target,
                             const GoOn& go_on, ReceiptShard& shard) {
  shard.before = BALLAST_TRY(side_of_sound(fs, prefix, go_on));
  shard.after = BALLAST_TRY(is_linked(fs, prefix, target))
                    ? shard.before
                    : BALLAST_TRY(side_of_sound(fs, target, go_on));
  if (shard.before != shard.after)
    return corrupt_error("the shard that loses nothing is not the old one", shard_bin_path(target),
                         "remove it and begin again");
  shard.kept = {{}, shard.after.bin.bytes, shard.after.bin.sha256};
  return {};
}

}  // namespace

Result<ReceiptShard> make_receipt(FileSystem& fs, const std::string& prefix,
                                  const std::string& target, std::span<const int64_t> documents,
                                  const RedactOptions& options) {
  const ShardReader reader = BALLAST_TRY(ShardReader::open(fs, prefix));
  ReceiptShard shard;
  shard.name = file_name(target);
  shard.dtype = token_type_name(reader.type());
  shard.removed = BALLAST_TRY(removed_documents(fs, reader, documents, options.compact));
  if (documents.empty()) {
    BALLAST_TRY(receipt_of_same(fs, prefix, target, options.go_on, shard));
    return shard;
  }
  std::string tombstone;
  if (!options.compact)
    tombstone = token_bytes_of(reader.type(), BALLAST_TRY(tombstone_token(fs, prefix, options)));
  shard.before = BALLAST_TRY(side_of(fs, prefix, options.go_on));
  shard.after = BALLAST_TRY(side_of(fs, target, options.go_on));
  HashedTokens before = BALLAST_TRY(hash_tokens(
      fs, prefix, ranges_of(shard.removed, &RemovedDocument::before), {}, options.go_on));
  HashedTokens after = BALLAST_TRY(hash_tokens(
      fs, target, ranges_of(shard.removed, &RemovedDocument::after), tombstone, options.go_on));
  if (before.kept != after.kept || !after.only_tombstones ||
      (!options.compact && shard.before.idx.sha256 != shard.after.idx.sha256))
    return corrupt_error("the redacted shard is not the old one without the documents",
                         shard_bin_path(target), "remove it and begin again");
  shard.before.bin = std::move(before.whole);
  shard.after.bin = std::move(after.whole);
  shard.kept = std::move(after.kept);
  return shard;
}

}  // namespace ballast
