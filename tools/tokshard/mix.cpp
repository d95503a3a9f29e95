// tokshard mix: documents by the rates of their languages and sources.
#include <fmt/format.h>

#include <atomic>
#include <memory>

#include "libcore/text/mix/mix_plan.h"
#include "tools/tokshard/document_job.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct MixFlags {
  std::vector<std::string> inputs;
  std::string rates, rejects, stats, on_error = "fail";
};

// Documents and lines by rule; the last is "none fits".
class RuleCounts {
 public:
  explicit RuleCounts(const MixPlan& plan)
      : plan_(plan), documents_(plan.rules().size() + 1), written_(plan.rules().size() + 1) {}
  void add(size_t rule, int64_t copies) {
    documents_[rule].fetch_add(1, std::memory_order_relaxed);
    written_[rule].fetch_add(copies, std::memory_order_relaxed);
  }
  Json to_json() const {
    Json list = Json::array();
    for (size_t i = 0; i < documents_.size(); ++i) {
      list.push_back({{"rule", name(i)},
                      {"rate", plan_.rate(i)},
                      {"documents", documents_[i].load()},
                      {"written", written_[i].load()}});
    }
    return list;
  }
  void to_lines(std::vector<std::string>& lines) const {
    for (size_t i = 0; i < documents_.size(); ++i) {
      lines.push_back(
          fmt::format("{:>8} of {:>8}  {}", written_[i].load(), documents_[i].load(), name(i)));
    }
  }

 private:
  std::string name(size_t rule) const {
    return rule < plan_.rules().size() ? plan_.rules()[rule].text : "no rule";
  }
  const MixPlan& plan_;
  std::vector<std::atomic<int64_t>> documents_, written_;
};

Result<int> run_mix(const MixFlags& flags, const CommonOptions& common) {
  const MixPlan plan = BALLAST_TRY(MixPlan::parse(flags.rates, "--rates"));
  BALLAST_TRY(refuse_repeated_inputs(flags.inputs));
  DocumentOutputs outputs =
      BALLAST_TRY(open_document_outputs(common, flags.rejects, flags.stats, flags.inputs));
  RuleCounts by_rule(plan);
  DocumentRule rule;
  rule.decide = [&](const Document& document) {
    const size_t at = plan.rule_of(document.language, document.source);
    DocumentDecision decision;
    decision.copies = mix_copies(static_cast<uint64_t>(common.seed), document.id, plan.rate(at));
    by_rule.add(at, decision.copies);
    if (decision.copies == 0) {
      decision.stage = "mix";
      decision.reason = "rate";
    }
    return decision;
  };
  rule.mark = [](Document& document, int64_t copy) {
    if (copy > 1) document.ballast["copy"] = copy;
  };
  ThreadPool pool(common.threads);
  DocumentBlocks blocks(flags.inputs, flags.on_error == "skip");
  const DocumentJobCounts counts = BALLAST_TRY(run_document_job(blocks, rule, pool, outputs));
  Json record = {{"v", 1}, {"type", "mix"}, {"seed", common.seed}};
  counts.to_json(record);
  record["rules"] = by_rule.to_json();
  std::vector<std::string> lines = counts.to_lines();
  by_rule.to_lines(lines);
  BALLAST_TRY(finish_document_outputs(common, outputs, record, lines));
  return kExitDone;
}

}  // namespace

VerbRun add_mix(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<MixFlags>();
  path_option(
      app.add_option("input", flags->inputs, "documents, plain or compressed; '-' is stdin"))
      ->required();
  app.add_option("--rates", flags->rates,
                 "rules such as language=de|fr:0.5,source=wiki:2,*:0.1, or apertus-33, apertus-10")
      ->required();
  path_option(app.add_option("--rejects", flags->rejects, "documents that were not drawn"));
  path_option(app.add_option("--stats", flags->stats, "summary as one JSON record"));
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  return [flags, &common] { return run_mix(*flags, common); };
}

}  // namespace ballast
