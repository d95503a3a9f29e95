// tokshard redact: takes the documents of a list out of finished shards. New shards in a folder of
// their own, with a receipt that others can verify; a re-run makes only what is missing.
#include "libcore/shard/redact.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>

#include "libcore/base/sha256.h"
#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/stream.h"
#include "libcore/shard/exclusion.h"
#include "libcore/shard/format.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/verify.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/run_record.h"
#include "tools/tokshard/tapped_source.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kMaxLine = int64_t{16} << 20;

struct RedactFlags {
  std::vector<std::string> prefixes;
  std::string list;
  bool tombstone = false, compact = false, forget = false;
  int64_t token = -1;  // none
};

// What the list says of one shard, by document.
struct Wanted {
  std::string sha256;
  int64_t tokens = 0;
  std::string where;  // in the list
};
using WantedDocuments = std::map<int64_t, Wanted>;
struct List {
  std::string sha256;
  int64_t bytes = 0;
  int64_t elsewhere = 0;                          // documents of shards that were not given
  std::map<std::string, WantedDocuments> shards;  // by prefix
};

std::string place_of(const std::string& prefix) {
  std::error_code failure;
  const auto from_root = std::filesystem::absolute(prefix, failure);  // else "x" stays relative
  const auto place = std::filesystem::weakly_canonical(from_root, failure);
  return failure ? prefix : place.string();
}

Result<void> add_wanted(WantedDocuments& documents, int64_t number, const Wanted& wanted) {
  const auto [known, fresh] = documents.try_emplace(number, wanted);
  if (fresh || (known->second.sha256 == wanted.sha256 && known->second.tokens == wanted.tokens))
    return {};
  return usage_error(fmt::format("the list says two things of document {}", number), wanted.where,
                     known->second.where);
}

// Gives the shards of the list to those on the command line: by place, and what was copied or
// redacted since by name. Documents are compared later.
Result<void> assign_shards(const std::vector<std::string>& prefixes,
                           const std::map<std::string, WantedDocuments>& named, List& list) {
  std::map<std::string, std::string> places, names;  // -> prefix
  for (const std::string& prefix : prefixes) places[place_of(prefix)] = prefix;
  std::map<std::string, std::string> moved;  // as spelled in the list -> name
  const auto take = [&](const std::string& prefix,
                        const WantedDocuments& documents) -> Result<void> {
    for (const auto& [number, wanted] : documents)
      BALLAST_TRY(add_wanted(list.shards[prefix], number, wanted));
    return {};
  };
  for (const auto& [spelled, documents] : named) {
    const auto place = places.find(place_of(spelled));
    if (place == places.end())
      moved[spelled] = file_name(spelled);
    else
      BALLAST_TRY(take(place->second, documents));
  }
  for (const std::string& prefix : prefixes)
    if (!list.shards.contains(prefix)) names[file_name(prefix)] = prefix;
  for (const auto& [spelled, name] : moved) {
    const auto found = names.find(name);
    if (found == names.end())
      list.elsewhere += static_cast<int64_t>(named.at(spelled).size());
    else
      BALLAST_TRY(take(found->second, named.at(spelled)));
  }
  return {};
}

Result<List> read_list(const RedactFlags& flags) {
  List list;
  Sha256Hasher hash;
  auto raw = BALLAST_TRY(open_raw_source(posix_file_system(), flags.list));
  const auto source =
      BALLAST_TRY(decoding_source(std::make_unique<TappedSource>(std::move(raw), [&](Bytes piece) {
        hash.update(piece);
        list.bytes += static_cast<int64_t>(piece.size());
      })));
  LineReader reader(*source, kMaxLine);
  std::map<std::string, WantedDocuments> named;  // by shard as the list spells it
  while (const auto line = BALLAST_TRY(reader.next())) {
    if (line->find_first_not_of(" \t\r") == line->npos) continue;
    const std::string where = fmt::format("{}:{}", source->name(), reader.line_number());
    const Exclusion one = BALLAST_TRY(parse_exclusion(*line, where));
    BALLAST_TRY(add_wanted(named[one.shard], one.document, {one.sha256, one.tokens, where}));
  }
  BALLAST_TRY(assign_shards(flags.prefixes, named, list));
  if (list.shards.empty() && list.elsewhere > 0)
    return usage_error("no document of the list is of these shards", flags.list,
                       "it names " + named.begin()->first);
  list.sha256 = hash.hex();
  return list;
}

// Damage of the sidecar would look like a list of another shard.
Result<void> check_sidecar(const std::string& prefix) {
  FileSystem& fs = posix_file_system();
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  for (const OutputFile& said : manifest.outputs)
    if (file_name(said.path) == file_name(shard_docs_path(prefix)))
      BALLAST_TRY(refuse_damage(fs, prefix, said));
  return {};
}

// A list of another shard, or of an older state of this one, would take out the wrong documents.
Result<std::vector<int64_t>> documents_to_go(const std::string& prefix, bool compact,
                                             const WantedDocuments& wanted) {
  BALLAST_TRY(check_sidecar(prefix));
  SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(posix_file_system(), prefix));
  std::vector<int64_t> documents;
  int64_t redacted = 0;
  for (const auto& [number, one] : wanted) {
    if (number >= sidecar.documents())
      return usage_error(
          fmt::format("the list names document {}, which '{}' does not have", number, prefix),
          one.where, fmt::format("{} documents", sidecar.documents()));
    const ShardDocument document = BALLAST_TRY(sidecar.read(number));
    if (document.sha256 != one.sha256 || document.tokens != one.tokens)
      return usage_error(
          fmt::format("document {} of '{}' is another one than the list says", number, prefix),
          one.where, "the list was made for another shard");
    if (document.redacted && !compact) {
      ++redacted;
    } else {
      documents.push_back(number);
    }
  }
  if (redacted > 0)
    print_note(fmt::format("{}: {} documents of the list were redacted before", prefix, redacted));
  return documents;
}

struct Job {
  std::string prefix, target;
  std::vector<int64_t> documents;
};

Result<std::vector<Job>> plan_jobs(const RedactFlags& flags, const CommonOptions& common,
                                   const List& list) {
  FileSystem& fs = posix_file_system();
  std::vector<Job> jobs;
  std::map<std::string, std::string> names;
  for (const std::string& prefix : flags.prefixes) {
    const std::string name = file_name(prefix);
    if (const auto [other, added] = names.try_emplace(name, prefix); !added)
      return usage_error("two shards have the same name", prefix, other->second);
    if (place_of(join_path(common.output, name)) == place_of(prefix))
      return usage_error("the redacted shard would replace the shard itself", prefix,
                         "give another folder to -o");
    if (!fs.exists(shard_docs_path(prefix)))
      return io_error("there is no such shard, or it has no sidecar", prefix,
                      "looked for " + shard_docs_path(prefix));
    const auto wanted = list.shards.find(prefix);
    Job job{prefix, join_path(common.output, name), {}};
    if (wanted != list.shards.end())
      job.documents = BALLAST_TRY(documents_to_go(prefix, flags.compact, wanted->second));
    if (job.documents.empty()) {
      print_note(prefix + ": nothing to redact, left as it is");
      continue;
    }
    for (const std::string& path : {shard_bin_path(prefix), shard_idx_path(prefix),
                                    shard_docs_path(prefix), shard_manifest_path(prefix)})
      BALLAST_TRY(refuse_output_over_input(fs, join_path(common.output, file_name(path)),
                                           std::vector<std::string>{path}));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

RedactOptions redact_options(const RedactFlags& flags, const CommonOptions& common,
                             const List& list) {
  RedactOptions options;
  options.compact = flags.compact;
  options.forget = flags.forget;
  if (flags.token >= 0) options.token = static_cast<int32_t>(flags.token);
  options.list_sha256 = list.sha256;
  options.tool = fmt::format("tokshard {}", kVersion);
  options.run = run_record(common);
  options.force = common.force;
  return options;
}

void report(const Job& job, const ReceiptShard& shard, const RedactOptions& options,
            const CommonOptions& common) {
  int64_t tokens = 0;
  for (const RemovedDocument& document : shard.removed) tokens += document.tokens;
  print_note(fmt::format("{}: {} documents, {} tokens {}", job.target, shard.removed.size(), tokens,
                         options.compact ? "removed" : "overwritten"));
  if (!common.json) return;
  print_out(to_json_line({{"v", 1},
                          {"type", "redact"},
                          {"shard", job.prefix},
                          {"target", job.target},
                          {"mode", options.compact ? "compact" : "tombstone"},
                          {"documents", shard.removed.size()},
                          {"tokens", tokens},
                          {"kept_bytes", shard.kept.bytes}}) +
            "\n");
}

// The sums first: where there is a receipt, everything is there. is_done() has said that a receipt
// in the folder may be replaced.
Result<void> write_receipt(const std::string& folder, const Receipt& receipt) {
  FileSystem& fs = posix_file_system();
  AtomicFile sums(fs, join_path(folder, kReceiptSumsName), true);
  BALLAST_TRY(sums.write(receipt_sums(receipt)));
  BALLAST_TRY(sums.commit());
  AtomicFile file(fs, join_path(folder, kReceiptName), true);
  BALLAST_TRY(file.write(receipt_text(receipt)));
  return file.commit();
}

// Is the receipt in the folder what this call would write? Then nothing is missing.
Result<bool> is_done(const std::string& folder, const std::vector<Job>& jobs,
                     const RedactOptions& options) {
  FileSystem& fs = posix_file_system();
  const std::string path = join_path(folder, kReceiptName);
  if (!fs.exists(path)) return false;
  const std::string text = BALLAST_TRY(read_file(fs, path));
  Result<Receipt> parsed = parse_receipt(text, path);
  if (!parsed.ok() && options.force) return false;
  if (!parsed.ok()) return parsed.take_error();
  const Receipt& receipt = *parsed;
  bool same = receipt.compact == options.compact && receipt.forget == options.forget &&
              receipt.list_sha256 == options.list_sha256 && receipt.shards.size() == jobs.size() &&
              (!options.token || receipt.token == options.token);
  for (size_t i = 0; same && i < jobs.size(); ++i)
    same = receipt.shards[i].name == file_name(jobs[i].target);
  if (!same && !options.force)
    return usage_error("the folder has the receipt of another redaction", path, "-f replaces it");
  for (size_t i = 0; same && i < jobs.size(); ++i)
    same = BALLAST_TRY(is_redacted(fs, jobs[i].prefix, jobs[i].target, options));
  return same;
}

Result<int> run_jobs(const std::vector<Job>& jobs, const List& list, const RedactOptions& options,
                     const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  BALLAST_TRY(fs.make_directories(common.output));
  Receipt receipt;
  receipt.tool = options.tool;
  receipt.compact = options.compact;
  receipt.forget = options.forget;
  receipt.token = options.token;
  receipt.list_sha256 = list.sha256;
  receipt.list_bytes = list.bytes;
  for (const Job& job : jobs) {
    BALLAST_TRY(clear_unfinished(fs, job.target));
    if (BALLAST_TRY(is_redacted(fs, job.prefix, job.target, options))) {
      print_note(job.target + ": redacted already");
    } else {
      BALLAST_TRY(redact_shard(fs, job.prefix, job.target, job.documents, options));
    }
    receipt.shards.push_back(
        BALLAST_TRY(make_receipt(fs, job.prefix, job.target, job.documents, options)));
    report(job, receipt.shards.back(), options, common);
  }
  BALLAST_TRY(write_receipt(common.output, receipt));
  return kExitDone;
}

Result<void> check_flags(const RedactFlags& flags, const CommonOptions& common) {
  if (common.output.empty() || common.output == "-")
    return usage_error("the folder of the redacted shards is missing", "-o");
  if (flags.tombstone && flags.compact) return usage_error("give one of --tombstone and --compact");
  if (flags.compact && flags.token >= 0)
    return usage_error("--compact leaves no tombstones to make of --token", "--token");
  if (flags.compact && flags.forget)
    return usage_error("--compact leaves nothing of the documents to forget", "--forget");
  return refuse_repeated_inputs(flags.prefixes);
}

// One id for all shards, so that a receipt can name it.
Result<void> settle_token(const std::vector<Job>& jobs, RedactOptions& options) {
  if (options.compact) return {};
  for (const Job& job : jobs) {
    const int32_t token = BALLAST_TRY(tombstone_token(posix_file_system(), job.prefix, options));
    options.token = token;  // of the first shard; the others must have it in their vocabulary
  }
  return {};
}

Result<int> run_redact(const RedactFlags& flags, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags, common));
  const List list = BALLAST_TRY(read_list(flags));
  if (list.elsewhere > 0)
    print_note(fmt::format("{} documents of the list are of other shards", list.elsewhere));
  const std::vector<Job> jobs = BALLAST_TRY(plan_jobs(flags, common, list));
  RedactOptions options = redact_options(flags, common, list);
  BALLAST_TRY(settle_token(jobs, options));
  if (common.dry_run) {
    for (const Job& job : jobs)
      print_note(fmt::format("would {} {} documents of {} in {}",
                             options.compact ? "remove" : "overwrite", job.documents.size(),
                             job.prefix, job.target));
    return kExitDone;
  }
  if (jobs.empty()) return kExitDone;
  if (BALLAST_TRY(is_done(common.output, jobs, options))) {
    print_note(common.output + ": redacted already");
    return kExitDone;
  }
  return run_jobs(jobs, list, options, common);
}

}  // namespace

VerbRun add_redact(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<RedactFlags>();
  path_option(app.add_option("prefix", flags->prefixes, "shards, which are only read"))->required();
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
