#include "libcore/shard/redact_move.h"

#include <algorithm>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/shard/format.h"

namespace ballast {
namespace {

constexpr const char* kReplacedReceipt = "replaced.json";  // in redact.unfinished

class Mover {
 public:
  Mover(FileSystem& fs, const std::string& folder, const Receipt& receipt)
      : fs_(fs),
        folder_(folder),
        staging_(join_path(folder, kUnfinishedRedaction)),
        receipt_(receipt) {}

  // Every sync is there because nothing of the next step may reach the disk before the last one.
  Result<void> run() {
    BALLAST_TRY(withdraw_old());
    const std::vector<ReceiptShard>& shards = receipt_.shards;
    for (const ReceiptShard& shard : shards)
      for (const ReceiptFile* file : {&shard.after.bin, &shard.after.docs})
        BALLAST_TRY(move(file->name));
    BALLAST_TRY(fs_.sync_directory(folder_));
    // The first shard of a set says that it is whole, so it is the last.
    for (size_t i = shards.size(); i-- > 0;) BALLAST_TRY(move(shards[i].after.manifest.name));
    BALLAST_TRY(fs_.sync_directory(folder_));
    for (size_t i = shards.size(); i-- > 0;) BALLAST_TRY(move(shards[i].after.idx.name));
    BALLAST_TRY(fs_.sync_directory(folder_));
    BALLAST_TRY(move(kReceiptSumsName));
    BALLAST_TRY(move(kReceiptName));
    BALLAST_TRY(fs_.sync_directory(folder_));
    BALLAST_TRY(fs_.remove_all(staging_));
    return fs_.sync_directory(folder_);
  }

 private:
  std::string staged(const std::string& name) const { return join_path(staging_, name); }
  std::string published(const std::string& name) const { return join_path(folder_, name); }

  // Shows nothing any more of what is in the way, the receipt first, which is kept aside.
  Result<void> withdraw_old() {
    if (fs_.exists(staged(kReceiptName)) && fs_.exists(published(kReceiptName)))
      BALLAST_TRY(fs_.rename(published(kReceiptName), staged(kReplacedReceipt)));
    BALLAST_TRY(withdraw(kReceiptSumsName));
    BALLAST_TRY(fs_.sync_directory(staging_));
    BALLAST_TRY(fs_.sync_directory(folder_));
    const auto stale = BALLAST_TRY(stale_shards());
    for (const ReceiptShard& shard : receipt_.shards) BALLAST_TRY(withdraw(shard.after.idx.name));
    for (const std::string& prefix : stale) BALLAST_TRY(remove(shard_idx_path(prefix)));
    BALLAST_TRY(fs_.sync_directory(folder_));
    for (const ReceiptShard& shard : receipt_.shards)
      BALLAST_TRY(withdraw(shard.after.manifest.name));
    for (const std::string& prefix : stale)
      for (const std::string& path : {shard_bin_path(prefix), shard_docs_path(prefix)})
        BALLAST_TRY(remove(path));
    BALLAST_TRY(fs_.sync_directory(folder_));
    for (const std::string& prefix : stale) BALLAST_TRY(remove(shard_manifest_path(prefix)));
    return fs_.sync_directory(folder_);
  }

  // Prefixes of shards of the replaced redaction that this one has not. After a death they are
  // known by their manifests, so these go last.
  Result<std::vector<std::string>> stale_shards() {
    std::vector<std::string> stale;
    const std::string path = staged(kReplacedReceipt);
    if (!fs_.exists(path)) return stale;
    const Result<Receipt> old = parse_receipt(BALLAST_TRY(read_file(fs_, path)), path);
    if (!old.ok()) return stale;  // it names nothing
    for (const ReceiptShard& shard : old->shards) {
      const auto is_it = [&](const ReceiptShard& kept) { return kept.name == shard.name; };
      const std::string prefix = published(file_name(shard.name));
      const std::string manifest = shard_manifest_path(prefix);
      if (std::ranges::any_of(receipt_.shards, is_it) || !fs_.exists(manifest)) continue;
      if (sha256_hex(BALLAST_TRY(read_file(fs_, manifest))) == shard.after.manifest.sha256)
        stale.push_back(prefix);
    }
    return stale;
  }

  Result<void> remove(const std::string& path) {
    return fs_.exists(path) ? fs_.remove(path) : Result<void>();
  }

  // What an earlier redaction left at a name would be taken for a part of this one.
  Result<void> withdraw(const std::string& name) {
    return fs_.exists(staged(name)) ? remove(published(name)) : Result<void>();
  }

  Result<void> move(const std::string& name) {
    if (fs_.exists(staged(name))) return fs_.rename(staged(name), published(name));
    if (fs_.exists(published(name))) return {};  // by a call that died
    return corrupt_error("a file of the unfinished redaction is gone", staged(name),
                         "remove its folder and begin again");
  }

  FileSystem& fs_;
  const std::string folder_, staging_;
  const Receipt& receipt_;
};

}  // namespace

Result<void> refuse_half_moved(FileSystem& fs, const std::string& prefix) {
  const std::string staging = join_path(parent_directory(prefix), kUnfinishedRedaction);
  if (!fs.exists(join_path(staging, kReceiptName))) return {};
  return corrupt_error("the redaction of this shard's folder is not finished", staging,
                       "the same tokshard redact finishes it");
}

Result<void> move_redaction(FileSystem& fs, const std::string& folder, const Receipt& receipt) {
  return Mover(fs, folder, receipt).run();
}

}  // namespace ballast
