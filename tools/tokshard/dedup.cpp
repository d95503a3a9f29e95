// tokshard dedup: documents in, those that repeat no earlier one out, in input order.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/dedup/exact_rule.h"
#include "libcore/dedup/minhash.h"
#include "tools/tokshard/dedup_flags.h"
#include "tools/tokshard/dedup_job.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

// Which method or unit an option is for; others would not look at it.
struct OptionOwner {
  const char* option;
  std::vector<std::string> methods;
};

Result<void> check_flags(const DedupFlags& flags, const CLI::App& app) {
  const OptionOwner owners[] = {{"--capacity", {"bloom"}},
                                {"--false-positives", {"bloom"}},
                                {"--memory", {"exact", "minhash"}},
                                {"--ignore-below", {"exact", "bloom"}},
                                {"--unit", {"exact", "bloom"}},
                                {"--preset", {"minhash"}},
                                {"--work", {"minhash"}},
                                {"--stage", {"minhash"}},
                                {"--task", {"minhash"}},
                                {"--clusters", {"minhash"}}};
  for (const OptionOwner& owner : owners) {
    const auto& methods = owner.methods;
    const bool fits = std::find(methods.begin(), methods.end(), flags.method) != methods.end();
    if (!fits && app.get_option(owner.option)->count() > 0)
      return usage_error(fmt::format("needs --method {}", fmt::join(methods, " or ")),
                         owner.option);
  }
  if (flags.method == "bloom" && app.get_option("--capacity")->count() == 0)
    return usage_error("--method bloom needs --capacity", "",
                       "how many distinct documents, lines or paragraphs will come");
  if (flags.method == "minhash" && flags.work.empty())
    return usage_error("--method minhash needs --work", "", "a directory for its stages");
  if (app.get_option("--ignore-below")->count() > 0 && flags.unit == "document")
    return usage_error("needs --unit line or paragraph", "--ignore-below");
  return refuse_repeated_inputs(flags.inputs);
}

Result<ExactOptions> exact_options(const DedupFlags& flags) {
  ExactOptions options;
  if (flags.unit != "document")
    options.parts = flags.unit == "line" ? PartKind::line : PartKind::paragraph;
  if (flags.method == "bloom")
    options.bloom = BALLAST_TRY(plan_bloom(flags.capacity, flags.false_positives));
  options.ignore_below = flags.ignore_below;
  options.name_kept = !flags.rejects.empty() && !options.parts && !options.bloom;
  return options;
}

Json begin_summary(const DedupFlags& flags) {
  return {{"v", 1}, {"type", "dedup"}, {"method", flags.method}, {"unit", flags.unit}};
}

void add_memory(const ExactRule& rule, Json& record, std::vector<std::string>& lines) {
  record["distinct"] = rule.distinct();
  record["memory"] = rule.bytes();
  lines.push_back(
      fmt::format("{} distinct, remembered in {}", rule.distinct(), format_bytes(rule.bytes())));
  const BloomFilter* bloom = rule.bloom();
  if (bloom == nullptr) return;
  record["capacity"] = bloom->plan().capacity;
  record["false_positives"] = bloom->plan().rate;
  record["false_positives_at_end"] = bloom->rate_now();
  lines.push_back(fmt::format("taken for repeated though new: {:.2g} of what is new at the end",
                              bloom->rate_now()));
}

Result<int> run_exact(const DedupFlags& flags, const CommonOptions& common) {
  const ExactOptions options = BALLAST_TRY(exact_options(flags));
  DocumentOutputs outputs =
      BALLAST_TRY(open_document_outputs(common, flags.rejects, flags.stats, flags.inputs));
  if (options.bloom)
    print_verbose(fmt::format("Bloom filter: {}, {} probes", format_bytes(options.bloom->bits / 8),
                              options.bloom->probes));
  ExactRule rule(options);
  ThreadPool pool(common.threads);
  DocumentBlocks blocks(flags.inputs, flags.on_error == "skip", true);
  bool warned = false;
  const auto watch = [&]() -> Result<void> {
    if (!options.bloom && rule.bytes() > flags.memory)
      return usage_error(
          fmt::format("{} distinct {}s need more memory than allowed", rule.distinct(), flags.unit),
          "--memory", "allow more, or take --method bloom");
    if (options.bloom && !warned && rule.distinct() > options.bloom->capacity) {
      warned = true;
      print_warning(
          fmt::format("more than {} distinct {}s: from here on more than {:g} of what is "
                      "new is taken for repeated",
                      options.bloom->capacity, flags.unit, options.bloom->rate));
    }
    return {};
  };
  const DedupSummary summary = BALLAST_TRY(run_dedup_job(blocks, rule, pool, outputs, watch));
  Json record = begin_summary(flags);
  summary.to_json(record);
  record["malformed"] = blocks.skipped();
  std::vector<std::string> lines = summary.to_lines();
  add_memory(rule, record, lines);
  BALLAST_TRY(finish_document_outputs(common, outputs, record, lines));
  return kExitDone;
}

Result<int> run_dedup(const DedupFlags& flags, const CLI::App& app, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags, app));
  return flags.method == "minhash" ? run_minhash(flags, common) : run_exact(flags, common);
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const MinHashPreset& preset : minhash_presets()) names.push_back(preset.name);
  return names;
}

}  // namespace

VerbRun add_dedup(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<DedupFlags>();
  path_option(
      app.add_option("input", flags->inputs, "documents, plain or compressed; '-' is stdin"))
      ->required();
  choice_option(app.add_option("--method", flags->method, "how repetition is recognised (exact)"),
                {"exact", "bloom", "minhash"});
  choice_option(app.add_option("--unit", flags->unit, "what must not repeat (document)"),
                {"document", "paragraph", "line"});
  count_option(app, "--ignore-below", flags->ignore_below,
               "lines or paragraphs of fewer characters always stay");
  count_option(app, "--capacity", flags->capacity, "bloom: distinct units that are expected");
  app.add_option("--false-positives", flags->false_positives,
                 "bloom: share of new units taken for repeated (1e-6)");
  count_option(app, "--memory", flags->memory,
               "exact: stop when more would be needed; minhash: for sorting");
  choice_option(app.add_option("--preset", flags->preset, "minhash: shingles, bands (datatrove)"),
                preset_names());
  path_option(app.add_option("--work", flags->work, "minhash: directory of the stages' files"));
  choice_option(app.add_option("--stage", flags->stage, "minhash: the stage to run (all)"),
                {"all", "signatures", "buckets", "clusters", "apply"});
  app.add_option("--task", flags->task, "minhash: I/N, this process's share of inputs or bands");
  path_option(app.add_option("--clusters", flags->clusters, "minhash: list of clusters"));
  path_option(app.add_option("--rejects", flags->rejects, "rejected documents with their reasons"));
  path_option(app.add_option("--stats", flags->stats, "summary as one JSON record"));
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  return [flags, &app, &common] { return run_dedup(*flags, app, common); };
}

}  // namespace ballast
