// tokshard dedup: documents in, those that repeat no earlier one out, in input order.
#include <fmt/format.h>

#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/dedup/exact_rule.h"
#include "tools/tokshard/dedup_job.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct DedupFlags {
  std::vector<std::string> inputs;
  std::string method = "exact", unit = "document", rejects, stats, on_error = "fail";
  int64_t capacity = 0, memory = int64_t{4} << 30, ignore_below = 0;
  double false_positives = 1e-6;
  CLI::Option *capacity_option = nullptr, *rate_option = nullptr, *memory_option = nullptr,
              *ignore_option = nullptr;
};

bool given(const CLI::Option* option) { return option->count() > 0; }

// Options that the method or unit would not look at.
Result<void> check_flags(const DedupFlags& flags) {
  const bool bloom = flags.method == "bloom";
  for (const CLI::Option* option : {flags.capacity_option, flags.rate_option}) {
    if (given(option) && !bloom) return usage_error("needs --method bloom", option->get_name());
  }
  if (bloom && !given(flags.capacity_option))
    return usage_error("--method bloom needs --capacity", "",
                       "how many distinct documents, lines or paragraphs will come");
  if (bloom && given(flags.memory_option))
    return usage_error("the memory of --method bloom follows from --capacity", "--memory");
  if (given(flags.ignore_option) && flags.unit == "document")
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

Result<int> run_dedup(const DedupFlags& flags, const CommonOptions& common) {
  BALLAST_TRY(check_flags(flags));
  return run_exact(flags, common);
}

}  // namespace

VerbRun add_dedup(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<DedupFlags>();
  path_option(
      app.add_option("input", flags->inputs, "documents, plain or compressed; '-' is stdin"))
      ->required();
  choice_option(app.add_option("--method", flags->method, "how repetition is recognised (exact)"),
                {"exact", "bloom"});
  choice_option(app.add_option("--unit", flags->unit, "what must not repeat (document)"),
                {"document", "paragraph", "line"});
  flags->ignore_option = count_option(app, "--ignore-below", flags->ignore_below,
                                      "lines or paragraphs of fewer characters always stay");
  flags->capacity_option =
      count_option(app, "--capacity", flags->capacity, "bloom: distinct units that are expected");
  flags->rate_option = app.add_option("--false-positives", flags->false_positives,
                                      "bloom: share of new units taken for repeated (1e-6)");
  flags->memory_option =
      count_option(app, "--memory", flags->memory, "exact: stop when more would be needed");
  path_option(app.add_option("--rejects", flags->rejects, "rejected documents with their reasons"));
  path_option(app.add_option("--stats", flags->stats, "summary as one JSON record"));
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  return [flags, &common] { return run_dedup(*flags, common); };
}

}  // namespace ballast
