// tokshard dedup --method minhash: signatures, buckets, clusters, apply; what an earlier run or
// another task has made in the working directory is not made again.
#include <fmt/format.h>

#include <mutex>

#include "libcore/cli/message.h"
#include "libcore/dedup/cluster_rule.h"
#include "libcore/dedup/minhash_work.h"
#include "libcore/io/output_check.h"
#include "tools/tokshard/counted.h"
#include "tools/tokshard/dedup_flags.h"
#include "tools/tokshard/dedup_job.h"
#include "tools/tokshard/task.h"

namespace ballast {
namespace {

constexpr int64_t kGrain = 64;
// Growing buffers and sorting take up to three times what a sorter holds.
constexpr int64_t kSortOverhead = 3;
constexpr int64_t kLeastMemory = int64_t{64} << 20;  // of a sorter; less would make too many runs

Result<MinHashPlan> make_plan(const DedupFlags& flags) {
  MinHashPlan plan;
  plan.preset = find_minhash_preset(flags.preset);
  plan.inputs = flags.inputs;
  plan.skip_errors = flags.on_error == "skip";
  for (const std::string& path : flags.inputs) {
    if (path == "-") return usage_error("near deduplication reads its inputs twice", path);
    const FileInfo info = BALLAST_TRY(posix_file_system().info(path));
    if (!info.is_regular)
      return usage_error("near deduplication reads its inputs twice", path, "not a plain file");
    plan.sizes.push_back(info.size);
  }
  return plan;
}

bool has_text(const Document& document) {
  return !document.text.empty() && !document.ballast.contains("dropped_by");
}

Result<void> make_signatures(MinHashWork& work, int64_t input, ThreadPool& pool) {
  const auto bands = static_cast<size_t>(work.bands());
  const std::string& path = work.plan().inputs[static_cast<size_t>(input)];
  DocumentBlocks blocks({path}, work.plan().skip_errors, true);
  StageFileWriter writer = work.write_signatures(input);
  std::vector<Hash128> keys;
  while (true) {
    const std::vector<Document> documents = BALLAST_TRY(blocks.next(pool));
    if (documents.empty()) break;
    keys.assign(documents.size() * bands, Hash128{});
    pool.parallel_for(
        static_cast<int64_t>(documents.size()), kGrain, [&](int64_t begin, int64_t end) {
          MinHasher hasher(*work.plan().preset);
          for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
            if (has_text(documents[i]))
              hasher.band_keys(documents[i].text, std::span(keys).subspan(i * bands, bands));
        });
    for (size_t i = 0; i < documents.size(); ++i)
      BALLAST_TRY(writer.add(std::as_bytes(std::span(keys).subspan(i * bands, bands))));
  }
  StageTotals totals;
  totals.source_bytes = static_cast<uint64_t>(blocks.inputs()[0].bytes);
  totals.source_hash = blocks.inputs()[0].hash;
  return writer.finish(totals);
}

Result<void> run_signatures(MinHashWork& work, const Share& share, ThreadPool& pool) {
  int64_t made = 0, found = 0;
  for (int64_t input = 0; input < work.inputs(); ++input) {
    if (!share.has_item(input)) continue;
    const bool there = BALLAST_TRY(work.has_signatures(input));
    if (!there) BALLAST_TRY(make_signatures(work, input, pool));
    ++(there ? found : made);
  }
  print_note(fmt::format("signatures of {} made, of {} found", counted(made, "input"), found));
  return {};
}

// Bands are worked on side by side and share the memory.
Result<void> run_buckets(MinHashWork& work, const Share& share, int threads, int64_t memory) {
  BALLAST_TRY(work.first_documents());
  std::vector<int64_t> missing;
  int64_t found = 0;
  for (int64_t band = 0; band < work.bands(); ++band) {
    if (!share.has_item(band)) continue;
    if (BALLAST_TRY(work.has_pairs(band))) {
      ++found;
    } else {
      missing.push_back(band);
    }
  }
  const auto wanted = static_cast<int64_t>(missing.size());
  const int64_t cores = threads > 0 ? threads : available_cores();
  const int64_t sorters = std::max<int64_t>(1, std::min({wanted, cores, memory / kLeastMemory}));
  ThreadPool pool(static_cast<int>(sorters));
  std::mutex mutex;
  Result<void> failure;
  pool.parallel_for(wanted, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Result<void> done =
          work.make_pairs(missing[static_cast<size_t>(i)], memory / sorters / kSortOverhead);
      const std::lock_guard lock(mutex);
      if (!done.ok() && failure.ok()) failure = done.take_error();
    }
  });
  if (!failure.ok()) return failure;
  print_note(fmt::format("buckets of {} bands made, of {} found", wanted, found));
  return {};
}

Result<void> run_clusters(MinHashWork& work) {
  const bool there = BALLAST_TRY(work.has_clusters());
  if (!there) BALLAST_TRY(work.make_clusters());
  BALLAST_TRY(work.remove_leftovers());
  print_note(there ? "clusters found" : "clusters made");
  return {};
}

// What is written must belong to what was compared.
Result<void> check_inputs(MinHashWork& work, const DocumentBlocks& blocks) {
  for (int64_t input = 0; input < work.inputs(); ++input) {
    const StageFileReader signatures = BALLAST_TRY(work.read_signatures(input));
    const OutputFile& file = blocks.inputs()[static_cast<size_t>(input)];
    if (signatures.totals().source_hash != file.hash)
      return usage_error("changed since its signatures were made", file.path);
  }
  return {};
}

Json begin_summary(const DedupFlags& flags) {
  return {{"v", 1},
          {"type", "dedup"},
          {"method", flags.method},
          {"unit", flags.unit},
          {"preset", flags.preset}};
}

Result<void> run_apply(MinHashWork& work, const DedupFlags& flags, const CommonOptions& common,
                       ThreadPool& pool, DocumentOutputs& outputs) {
  std::unique_ptr<ByteSink> listed;
  if (!flags.clusters.empty())
    listed = BALLAST_TRY(open_sink(posix_file_system(), flags.clusters, common.force));
  ClusterRule rule(BALLAST_TRY(work.read_clusters()), listed || outputs.rejects);
  DocumentBlocks blocks(flags.inputs, work.plan().skip_errors, true);
  const DedupSummary summary =
      BALLAST_TRY(run_dedup_job(blocks, rule, pool, outputs, [&] { return rule.status(); }));
  BALLAST_TRY(check_inputs(work, blocks));
  if (listed) {
    BALLAST_TRY(rule.list_clusters([&](std::string_view line) { return listed->write(line); }));
    BALLAST_TRY(listed->finish());
  }
  Json record = begin_summary(flags);
  summary.to_json(record);
  record["malformed"] = blocks.skipped();
  rule.to_json(record);
  std::vector<std::string> lines = summary.to_lines();
  for (std::string& line : rule.to_lines()) lines.push_back(std::move(line));
  return finish_document_outputs(common, outputs, record, lines);
}

Result<void> check_outputs(const DedupFlags& flags, const CommonOptions& common) {
  const bool applies = flags.stage == "all" || flags.stage == "apply";
  const std::pair<const char*, const std::string*> outputs[] = {{"--output", &common.output},
                                                                {"--rejects", &flags.rejects},
                                                                {"--stats", &flags.stats},
                                                                {"--clusters", &flags.clusters}};
  for (const auto& [name, path] : outputs) {
    if (!applies && !path->empty())
      return usage_error("is written by --stage apply", name, "this is --stage " + flags.stage);
  }
  const bool shared = flags.stage == "signatures" || flags.stage == "buckets";
  if (!flags.task.empty() && !shared)
    return usage_error("needs --stage signatures or buckets", "--task");
  if (flags.clusters.empty()) return {};
  const std::vector<std::string> all = {common.output, flags.rejects, flags.stats, flags.clusters};
  BALLAST_TRY(refuse_same_outputs(posix_file_system(), all));
  return refuse_output_over_input(posix_file_system(), flags.clusters, flags.inputs);
}

Result<int> say_missing(MinHashWork& work) {
  int64_t inputs = 0, bands = 0;
  for (int64_t i = 0; i < work.inputs(); ++i) inputs += BALLAST_TRY(work.has_signatures(i)) ? 0 : 1;
  for (int64_t i = 0; i < work.bands(); ++i) bands += BALLAST_TRY(work.has_pairs(i)) ? 0 : 1;
  print_note(fmt::format("would make signatures of {}, buckets of {}{}", counted(inputs, "input"),
                         counted(bands, "band"),
                         BALLAST_TRY(work.has_clusters()) ? "" : ", and clusters"));
  return kExitDone;
}

}  // namespace

Result<int> run_minhash(const DedupFlags& flags, const CommonOptions& common) {
  BALLAST_TRY(check_outputs(flags, common));
  if (flags.memory < kLeastMemory)
    return usage_error("too little for sorting", "--memory", "64MiB or more");
  const Share share = BALLAST_TRY(parse_task(flags.task));
  MinHashPlan plan = BALLAST_TRY(make_plan(flags));
  const bool all = flags.stage == "all";
  DocumentOutputs outputs;
  if (all || flags.stage == "apply")
    outputs = BALLAST_TRY(open_document_outputs(common, flags.rejects, flags.stats, flags.inputs));
  MinHashWork work = BALLAST_TRY(
      MinHashWork::open(posix_file_system(), flags.work, std::move(plan), !common.dry_run));
  if (common.dry_run) return say_missing(work);
  ThreadPool pool(common.threads);
  if (all || flags.stage == "signatures") BALLAST_TRY(run_signatures(work, share, pool));
  if (all || flags.stage == "buckets")
    BALLAST_TRY(run_buckets(work, share, common.threads, flags.memory));
  if (all || flags.stage == "clusters") BALLAST_TRY(run_clusters(work));
  if (all || flags.stage == "apply") BALLAST_TRY(run_apply(work, flags, common, pool, outputs));
  return kExitDone;
}

}  // namespace ballast
