// tokshard redact: takes the documents of a list out of finished shards. New shards in a folder of
// their own, with a receipt that others can verify; a re-run makes only what is missing.
#include <fmt/format.h>

#include <map>
#include <memory>

#include "libcore/base/version.h"
#include "libcore/checkpoint/lease.h"
#include "libcore/cli/message.h"
#include "libcore/shard/format.h"
#include "libcore/shard/redact_set.h"
#include "libcore/shard/shard_set.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/redact_list.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct RedactFlags {
  std::vector<std::string> words;
  std::string list;
  bool tombstone = false, compact = false, forget = false;
  int64_t token = -1;  // none
};

// What a word of the command line names.
struct Named {
  std::string word;
  std::vector<std::string> prefixes;
};

Result<std::vector<Named>> named_shards(const RedactFlags& flags) {
  std::vector<Named> all;
  for (const std::string& word : flags.words) {
    all.push_back({word, BALLAST_TRY(shard_prefixes(posix_file_system(), word))});
  }
  return all;
}

std::vector<std::string> prefixes_of(const std::vector<Named>& all) {
  std::vector<std::string> prefixes;
  for (const Named& named : all)
    prefixes.insert(prefixes.end(), named.prefixes.begin(), named.prefixes.end());
  return prefixes;
}

// A new shard replaces what has its name, which must not be what it is made from. Other names of
// those files, such as the links of an earlier redaction, lose nothing.
Result<void> check_place(const std::string& prefix, const std::string& folder) {
  FileSystem& fs = posix_file_system();
  const auto refusal = [&] {
    return usage_error("the redacted shard would replace the shard itself", prefix,
                       "give another folder to -o");
  };
  for (const std::string& path : {shard_bin_path(prefix), shard_idx_path(prefix),
                                  shard_docs_path(prefix), shard_manifest_path(prefix)})
    if (place_of(path) == join_path(place_of(folder), file_name(path))) return refusal();
  if (!fs.exists(folder)) return {};
  const FileInfo to = BALLAST_TRY(fs.info(folder));  // one folder may be mounted at two places
  const FileInfo from = BALLAST_TRY(fs.info(parent_directory(prefix)));
  if (to.device == from.device && to.inode == from.inode) return refusal();
  return {};
}

Result<RedactJob> plan_job(const std::string& prefix, const RedactFlags& flags,
                           const CommonOptions& common, const RedactList& list) {
  if (!posix_file_system().exists(shard_docs_path(prefix)))
    return io_error("there is no such shard, or it has no sidecar", prefix,
                    "looked for " + shard_docs_path(prefix));
  BALLAST_TRY(check_place(prefix, common.output));
  RedactJob job{prefix, {}};
  if (list.shards.contains(prefix))
    job.documents = BALLAST_TRY(documents_to_go(prefix, list, flags.compact, flags.forget));
  return job;
}

// Of a set or folder all shards or none: the new folder has it whole.
Result<std::vector<RedactJob>> plan_jobs(const RedactFlags& flags, const CommonOptions& common,
                                         const std::vector<Named>& all, const RedactList& list) {
  std::vector<RedactJob> jobs;
  std::map<std::string, std::string> names;
  for (const Named& named : all) {
    std::vector<RedactJob> own;
    bool any = false;
    for (const std::string& prefix : named.prefixes) {
      if (const auto [other, added] = names.try_emplace(file_name(prefix), prefix); !added)
        return usage_error("two shards have the same name", prefix, other->second);
      own.push_back(BALLAST_TRY(plan_job(prefix, flags, common, list)));
      any = any || !own.back().documents.empty();
    }
    if (any) {
      for (RedactJob& job : own) jobs.push_back(std::move(job));
    } else {
      print_note(named.word + ": nothing to redact, left as it is");
    }
  }
  return jobs;
}

RedactOptions redact_options(const RedactFlags& flags, const CommonOptions& common,
                             const RedactList& list) {
  RedactOptions options;
  options.compact = flags.compact;
  options.forget = flags.forget;
  if (flags.token >= 0) options.token = static_cast<int32_t>(flags.token);
  options.list_sha256 = list.sha256;
  options.list_bytes = list.bytes;
  options.tool = fmt::format("tokshard {}", kVersion);
  options.run = run_record(common);
  options.force = common.force;
  return options;
}

int64_t tokens_in(const ReceiptShard& shard) {
  int64_t tokens = 0;
  for (const RemovedDocument& document : shard.removed) tokens += document.tokens;
  return tokens;
}

void report_made(const std::string& target, const RedactJob& job, const ReceiptShard& shard,
                 bool again, const RedactOptions& options) {
  if (job.documents.empty()) {
    print_note(fmt::format("{}: loses nothing, taken over as it is", target));
  } else {
    print_note(fmt::format("{}: {} documents, {} tokens {}{}", target, shard.removed.size(),
                           tokens_in(shard), options.compact ? "removed" : "overwritten",
                           again ? ", by an earlier start" : ""));
  }
}

void print_records(const std::vector<RedactJob>& jobs, const Receipt& receipt,
                   const CommonOptions& common) {
  for (size_t i = 0; i < jobs.size(); ++i) {
    const ReceiptShard& shard = receipt.shards[i];
    print_out(to_json_line({{"v", 1},
                            {"type", "redact"},
                            {"shard", jobs[i].prefix},
                            {"target", join_path(common.output, shard.name)},
                            {"mode", receipt.compact ? "compact" : "tombstone"},
                            {"documents", shard.removed.size()},
                            {"tokens", tokens_in(shard)},
                            {"kept_bytes", shard.kept.bytes}}) +
              "\n");
  }
}

Result<void> check_flags(const RedactFlags& flags, const CommonOptions& common) {
  if (common.output.empty() || common.output == "-")
    return usage_error("the folder of the redacted shards is missing", "-o");
  if (flags.tombstone && flags.compact) return usage_error("give one of --tombstone and --compact");
  if (flags.compact && flags.token >= 0)
    return usage_error("--compact leaves no tombstones to make of --token", "--token");
  if (flags.compact && flags.forget)
    return usage_error("--compact leaves nothing of the documents to forget", "--forget");
  return {};
}

// One id for all shards, so that a receipt can name it.
Result<void> settle_token(const std::vector<RedactJob>& jobs, RedactOptions& options) {
  if (options.compact) return {};
  for (const RedactJob& job : jobs) {
    if (job.documents.empty()) continue;
    const int32_t token = BALLAST_TRY(tombstone_token(posix_file_system(), job.prefix, options));
    options.token = token;  // of the first shard; the others must have it in their vocabulary
  }
  return {};
}

void say_plan(const std::vector<RedactJob>& jobs, const RedactOptions& options,
              const CommonOptions& common) {
  for (const RedactJob& job : jobs) {
    const std::string target = join_path(common.output, file_name(job.prefix));
    if (job.documents.empty()) {
      print_note(fmt::format("would take over {} as {}", job.prefix, target));
    } else {
      print_note(fmt::format("would {} {} documents of {} in {}",
                             options.compact ? "remove" : "overwrite", job.documents.size(),
                             job.prefix, target));
    }
  }
}

// With nothing left to tidy up.
Result<bool> is_done(const std::vector<RedactJob>& jobs, const RedactOptions& options,
                     const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  if (fs.exists(join_path(common.output, kUnfinishedRedaction))) return false;
  const auto receipt = BALLAST_TRY(redaction_in(fs, common.output, jobs, options));
  if (!receipt) return false;
  print_note(common.output + ": redacted already");
  if (common.json) print_records(jobs, *receipt, common);
  return true;
}

// Holds the folder meanwhile: two redactions would move each other's files.
Result<int> redact_held(const std::vector<RedactJob>& jobs, RedactOptions options,
                        const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  BALLAST_TRY(fs.make_directories(common.output));
  Lease lease =
      BALLAST_TRY(Lease::acquire(fs, common.output, "tokshard redact", this_system(), "folder"));
  if (BALLAST_TRY(is_done(jobs, options, common))) return kExitDone;  // by who held it
  options.go_on = [&] { return lease.renew(); };
  const auto report = [&](const RedactJob& job, const ReceiptShard& shard, bool again) {
    report_made(join_path(common.output, shard.name), job, shard, again, options);
  };
  const Receipt receipt = BALLAST_TRY(redact_set(fs, common.output, jobs, options, report));
  if (common.json) print_records(jobs, receipt, common);
  BALLAST_TRY(lease.release());
  return kExitDone;
}

Result<int> run_redact(const RedactFlags& flags, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags, common));
  const auto named = BALLAST_TRY(named_shards(flags));
  const std::vector<std::string> prefixes = prefixes_of(named);
  BALLAST_TRY(refuse_repeated_inputs(prefixes));
  RedactList list = BALLAST_TRY(read_redact_list(flags.list, prefixes));
  if (list.elsewhere > 0)
    print_note(fmt::format("{} documents of the list are of other shards", list.elsewhere));
  const auto jobs = BALLAST_TRY(plan_jobs(flags, common, named, list));
  list.shards = {};  // the jobs have what is needed of it
  RedactOptions options = redact_options(flags, common, list);
  BALLAST_TRY(settle_token(jobs, options));
  if (jobs.empty()) return kExitDone;
  if (BALLAST_TRY(is_done(jobs, options, common))) return kExitDone;
  BALLAST_TRY(check_redaction(posix_file_system(), common.output, jobs, options));
  if (common.dry_run) {
    say_plan(jobs, options, common);
    return kExitDone;
  }
  return redact_held(jobs, std::move(options), common);
}

}  // namespace

VerbRun add_redact(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<RedactFlags>();
  path_option(app.add_option("prefix", flags->words,
                             "shards, sets or folders of shards, which are only read"))
      ->required();
  path_option(app.add_option("--list", flags->list,
                             "documents to take out, as recheck lists them; '-' is stdin"))
      ->required();
  app.add_flag("--tombstone", flags->tombstone,
               "overwrite their tokens and keep layout and order (the default)");
  app.add_flag("--compact", flags->compact, "remove them; what follows moves up");
  app.add_option("--token", flags->token, "id of tombstones; default: the end token of the shard")
      ->check(CLI::Range(int64_t{0}, int64_t{0x7FFFFFFF}));
  app.add_flag("--forget", flags->forget,
               "with tombstones: drop id, URL and host from the sidecar too");
  return [flags, &common] { return run_redact(*flags, common); };
}

}  // namespace ballast
