#include "libcore/shard/redact_set.h"

#include <fmt/format.h>

#include "libcore/base/hash.h"
#include "libcore/io/atomic_file.h"
#include "libcore/shard/format.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/redact_move.h"
#include "libcore/shard/verify.h"

namespace ballast {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

Result<void> copy_file(FileSystem& fs, const std::string& from, const std::string& to,
                       const RedactOptions& options) {
  const auto file = BALLAST_TRY(fs.open_read(from));
  AtomicFile copy(fs, to, false);
  std::vector<std::byte> buffer(kPiece);
  for (int64_t at = 0;;) {
    BALLAST_TRY(options.go_on());
    const size_t got = BALLAST_TRY(file->read_at(at, buffer));
    if (got == 0) break;
    BALLAST_TRY(copy.write(Bytes(buffer).first(got)));
    at += static_cast<int64_t>(got);
  }
  return copy.commit();
}

Result<void> take_over(FileSystem& fs, const std::string& prefix, const std::string& target,
                       const RedactOptions& options) {
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  for (const OutputFile& said : manifest.outputs) {
    const std::string damage = BALLAST_TRY(output_damage(fs, prefix, said, false));
    if (!damage.empty()) return corrupt_error("the shard is damaged: " + damage, prefix);
  }
  const auto from = shard_paths(prefix), to = shard_paths(target);
  for (size_t i = 0; i < from.size(); ++i)
    if (!BALLAST_TRY(fs.link(from[i], to[i]))) BALLAST_TRY(copy_file(fs, from[i], to[i], options));
  return {};
}

Result<bool> is_taken_over(FileSystem& fs, const std::string& prefix, const std::string& target) {
  const auto from = shard_paths(prefix), to = shard_paths(target);
  for (size_t i = from.size(); i-- > 0;)
    if (!fs.exists(to[i]) || BALLAST_TRY(fs.info(to[i])).size != BALLAST_TRY(fs.info(from[i])).size)
      return false;
  return BALLAST_TRY(read_file(fs, from.back())) == BALLAST_TRY(read_file(fs, to.back()));
}

Result<Receipt> read_receipt(FileSystem& fs, const std::string& path) {
  return parse_receipt(BALLAST_TRY(read_file(fs, path, kMaxReceiptBytes)), path);
}

Result<bool> is_made(FileSystem& fs, const RedactJob& job, const std::string& target,
                     const RedactOptions& options) {
  return job.documents.empty() ? is_taken_over(fs, job.prefix, target)
                               : is_redacted(fs, job.prefix, target, options);
}

// Is it what these jobs come to?
Result<bool> is_of(const Receipt& receipt, FileSystem& fs, std::span<const RedactJob> jobs,
                   const RedactOptions& options) {
  if (receipt.compact != options.compact || receipt.forget != options.forget ||
      receipt.list_sha256 != options.list_sha256 || receipt.shards.size() != jobs.size() ||
      (options.token && receipt.token != options.token))
    return false;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const ReceiptShard& shard = receipt.shards[i];
    if (shard.name != file_name(jobs[i].prefix) ||
        shard.removed.size() != jobs[i].documents.size() ||
        shard.before.manifest.sha256 !=
            sha256_hex(BALLAST_TRY(read_file(fs, shard_manifest_path(jobs[i].prefix)))))
      return false;
  }
  return true;
}

class SetRedaction {
 public:
  SetRedaction(FileSystem& fs, const std::string& folder, std::span<const RedactJob> jobs,
               const RedactOptions& options, const RedactReport& report)
      : fs_(fs),
        folder_(folder),
        staging_(join_path(folder, kUnfinishedRedaction)),
        jobs_(jobs),
        options_(options),
        report_(report) {
    options_.go_on = [this, ask = options.go_on] {
      Result<void> answer = ask();
      stopped_ = stopped_ || !answer.ok();
      return answer;
    };
  }

  Result<void> check() {
    BALLAST_TRY(check_size());
    const auto begun = BALLAST_TRY(begun_before());
    if (options_.force || (begun && BALLAST_TRY(is_this(*begun)))) return {};
    if (begun)
      return usage_error("the folder has another redaction, which was not finished", staging_,
                         "its command finishes it; -f begins anew");
    return check_outputs();
  }

  Result<Receipt> run() {
    BALLAST_TRY(check());
    if (const auto begun = BALLAST_TRY(begun_before())) {
      // Another one is replaced as whole ones are: should this one fail, that one is whole.
      BALLAST_TRY(publish(*begun));
      if (BALLAST_TRY(is_this(*begun))) return *begun;
    }
    BALLAST_TRY(fs_.make_directories(staging_));
    BALLAST_TRY(fs_.sync_directory(folder_));
    Result<Receipt> receipt = make_all();
    // Who was told to stop does not own the folder any more.
    if (!receipt.ok() && !stopped_) (void)fs_.remove_all(staging_);  // else the next start does it
    if (receipt.ok()) BALLAST_TRY(publish(*receipt));
    return receipt;
  }

 private:
  std::string staged(const std::string& name) const { return join_path(staging_, name); }
  std::string published(const std::string& name) const { return join_path(folder_, name); }

  // Who lost the folder to somebody else must not move into it.
  Result<void> publish(const Receipt& receipt) {
    BALLAST_TRY(options_.go_on());
    return move_redaction(fs_, folder_, receipt);
  }

  Result<bool> is_this(const Receipt& receipt) { return is_of(receipt, fs_, jobs_, options_); }

  // The receipt of a call that died while moving: nothing is left but to finish that.
  Result<std::optional<Receipt>> begun_before() {
    if (!fs_.exists(staged(kReceiptName))) return std::optional<Receipt>();
    return std::optional<Receipt>(BALLAST_TRY(read_receipt(fs_, staged(kReceiptName))));
  }

  Result<void> check_size() {
    int64_t bytes = 4096;  // what is said once
    for (const RedactJob& job : jobs_) {
      const FileInfo bin = BALLAST_TRY(fs_.info(shard_bin_path(job.prefix)));
      bytes += receipt_bytes_at_most(file_name(job.prefix), std::ssize(job.documents),
                                     job.documents.empty() ? 0 : job.documents.back(), bin.size);
    }
    if (bytes <= options_.max_receipt_bytes) return {};
    return usage_error("the receipt of so many documents could not be read again", folder_,
                       fmt::format("up to {} bytes, at most {}; redact by parts of the list", bytes,
                                   options_.max_receipt_bytes));
  }

  Result<void> check_outputs() {
    std::vector<std::string> names = {kReceiptName, kReceiptSumsName};
    for (const RedactJob& job : jobs_)
      for (const std::string& path : shard_paths(file_name(job.prefix))) names.push_back(path);
    for (const std::string& name : names)
      if (fs_.exists(published(name)))
        return usage_error("output exists", published(name), "-f replaces it");
    return {};
  }

  Result<ReceiptShard> make(const RedactJob& job, bool& again) {
    const std::string target = staged(file_name(job.prefix));
    again = BALLAST_TRY(is_made(fs_, job, target, options_));
    if (!again) {
      for (const std::string& path : shard_paths(target))
        if (fs_.exists(path)) BALLAST_TRY(fs_.remove(path));
      BALLAST_TRY(job.documents.empty()
                      ? take_over(fs_, job.prefix, target, options_)
                      : redact_shard(fs_, job.prefix, target, job.documents, options_));
    }
    return make_receipt(fs_, job.prefix, target, job.documents, options_);
  }

  Result<Receipt> make_all() {
    Receipt receipt;
    receipt.tool = options_.tool;
    receipt.compact = options_.compact;
    receipt.forget = options_.forget;
    receipt.token = options_.token;
    receipt.list_sha256 = options_.list_sha256;
    receipt.list_bytes = options_.list_bytes;
    for (const RedactJob& job : jobs_) {
      bool again = false;
      receipt.shards.push_back(BALLAST_TRY(make(job, again)));
      report_(job, receipt.shards.back(), again);
    }
    BALLAST_TRY(options_.go_on());
    BALLAST_TRY(fs_.sync_directory(staging_));
    AtomicFile sums(fs_, staged(kReceiptSumsName), true);
    BALLAST_TRY(sums.write(receipt_sums(receipt)));
    BALLAST_TRY(sums.commit());
    AtomicFile file(fs_, staged(kReceiptName), true);
    BALLAST_TRY(file.write(receipt_text(receipt)));
    BALLAST_TRY(file.commit());
    return receipt;
  }

  FileSystem& fs_;
  const std::string folder_, staging_;
  std::span<const RedactJob> jobs_;
  RedactOptions options_;
  const RedactReport report_;
  bool stopped_ = false;
};

}  // namespace

Result<std::optional<Receipt>> redaction_in(FileSystem& fs, const std::string& folder,
                                            std::span<const RedactJob> jobs,
                                            const RedactOptions& options) {
  const std::string path = join_path(folder, kReceiptName);
  const std::optional<Receipt> none;
  if (!fs.exists(path)) return none;
  Result<Receipt> receipt = read_receipt(fs, path);
  if (!receipt.ok() && options.force) return none;
  if (!receipt.ok()) return receipt.take_error();
  if (!BALLAST_TRY(is_of(*receipt, fs, jobs, options))) {
    if (options.force) return none;
    return usage_error("the folder has the receipt of another redaction", path, "-f replaces it");
  }
  for (const RedactJob& job : jobs)
    if (!BALLAST_TRY(is_made(fs, job, join_path(folder, file_name(job.prefix)), options)))
      return none;
  return std::optional<Receipt>(receipt.take_value());
}

Result<void> check_redaction(FileSystem& fs, const std::string& folder,
                             std::span<const RedactJob> jobs, const RedactOptions& options) {
  return SetRedaction(fs, folder, jobs, options, {}).check();
}

Result<Receipt> redact_set(FileSystem& fs, const std::string& folder,
                           std::span<const RedactJob> jobs, const RedactOptions& options,
                           const RedactReport& report) {
  const std::string left = join_path(folder, kUnfinishedRedaction);
  if (fs.exists(left)) {
    const auto made = BALLAST_TRY(redaction_in(fs, folder, jobs, options));
    if (made) {
      BALLAST_TRY(fs.remove_all(left));  // of a call that died as its last file was moved
      return *made;
    }
  }
  return SetRedaction(fs, folder, jobs, options, report).run();
}

}  // namespace ballast
