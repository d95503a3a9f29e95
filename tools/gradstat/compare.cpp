#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "libcore/cli/message.h"
#include "libcore/optim/clip/adagc.h"
#include "libcore/optim/clip/clip.h"
#include "libcore/stats/log_histogram.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/norm_judge.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

// Without --clip: one of each law, and the forms of ZClip that differ in kind.
const std::vector<std::string> kStrategies = {
    "none",           "fixed:0.1",
    "fixed:0.5",      "fixed:1.0",
    "autoclip",       "zclip:mode=reciprocal",
    "zclip:mode=max", "zclip:mode=mean",
    "zclip:form=log", "zclip:form=median",
    "zskip",
};
constexpr const char* kTensorStrategy = "adagc";  // where the trace has what it needs

struct CompareOptions {
  TraceInput input;
  std::vector<std::string> clips;
};

// What one strategy did with the norms of the run.
struct Outcome {
  std::unique_ptr<Clipper> clipper;
  std::optional<AdaGc> by_tensor;  // instead
  std::string spec() const { return by_tensor ? by_tensor->spec() : clipper->spec(); }
  ClipTally tally;
  LogHistogram after;  // norms that the optimizer would have seen
};

// One pass over the trace, all strategies side by side, judged by the Detector.
class Comparison {
 public:
  Result<void> start(const std::vector<std::string>& specs) {
    for (const std::string& spec : specs) {
      Outcome outcome;
      if (is_adagc(spec)) {
        outcome.by_tensor = BALLAST_TRY(make_adagc(spec));
      } else {
        outcome.clipper = BALLAST_TRY(make_clipper(spec));
      }
      outcomes_.push_back(std::move(outcome));
    }
    return {};
  }
  void take(const JudgedNorm& step);
  void restart() {
    for (Outcome& outcome : outcomes_) {
      if (outcome.by_tensor) outcome.by_tensor->on_event();
      if (outcome.clipper) outcome.clipper->on_event();
    }
  }
  // Leaves out laws by tensor where some step has no norms of tensors; how many there were.
  size_t leave_out_by_tensor();
  bool empty() const { return outcomes_.empty(); }
  int64_t steps() const { return steps_; }
  int64_t steps_with_tensors() const { return with_tensors_; }
  std::string text() const;
  std::string json_lines() const;

 private:
  double tail(const LogHistogram& norms) const {
    return norms.quantile(0.999) / norms.quantile(0.5);
  }
  double rate_lost(const Outcome& outcome) const {
    return 1 - outcome.tally.factors / static_cast<double>(steps_);
  }

  std::vector<Outcome> outcomes_;
  int64_t steps_ = 0, healthy_ = 0, spikes_ = 0;
  int64_t with_tensors_ = 0;  // steps that have their norms, all as many
  size_t tensors_ = 0;
};

// What a law by tensor does to the whole gradient.
ClipDecision decide_by_tensor(AdaGc& law, const std::vector<double>& norms) {
  const AdaGcDecision found = law.decide(norms);
  ClipDecision decision;
  decision.factor = found.factor;
  decision.clipped = found.clipped;
  decision.warming = found.warming;
  decision.valid = found.valid;
  return decision;
}

size_t Comparison::leave_out_by_tensor() {
  if (with_tensors_ == steps_) return 0;
  return std::erase_if(outcomes_,
                       [](const Outcome& outcome) { return outcome.by_tensor.has_value(); });
}

void Comparison::take(const JudgedNorm& step) {
  ++steps_;
  healthy_ += step.kind == NormKind::healthy ? 1 : 0;
  spikes_ += step.kind == NormKind::spike ? 1 : 0;
  if (with_tensors_ == 0) tensors_ = step.tensors.size();
  const bool by_tensor = !step.tensors.empty() && step.tensors.size() == tensors_;
  with_tensors_ += by_tensor ? 1 : 0;
  for (Outcome& outcome : outcomes_) {
    if (outcome.by_tensor && !by_tensor) continue;
    const ClipDecision decision = outcome.by_tensor
                                      ? decide_by_tensor(*outcome.by_tensor, step.tensors)
                                      : outcome.clipper->decide(step.norm, step.loss);
    outcome.after.add(tally(outcome.tally, decision, step.norm, step.kind, step.threshold));
  }
}

std::string Comparison::text() const {
  std::string text = fmt::format("{} steps; by the detector {} spikes of the norm, {} healthy\n\n",
                                 steps_, spikes_, healthy_);
  text += fmt::format("{:>8} {:>8} {:>9} {:>7} {:>7} {:>9}  {}\n", "clipped", "dropped", "healthy",
                      "missed", "tail", "rate lost", "strategy");
  const auto percent = [](double share) {
    return std::isnan(share) ? std::string("-") : fmt::format("{:.2f} %", 100 * share);
  };
  for (const Outcome& outcome : outcomes_)
    text +=
        fmt::format("{:>8} {:>8} {:>9} {:>7} {:>7} {:>9}  {}\n",
                    percent(share_of(outcome.tally.clipped, steps_)), outcome.tally.dropped,
                    percent(share_of(outcome.tally.healthy, healthy_)), outcome.tally.missed,
                    short_number(tail(outcome.after)), percent(rate_lost(outcome)), outcome.spec());
  text +=
      "\nhealthy    healthy steps that were clipped or dropped\n"
      "missed     spikes whose norm is still above the detector's threshold afterwards\n"
      "tail       99.9 % of the norms that remain lie below so many medians\n"
      "rate lost  learning rate given away on average: 1 - mean factor, a dropped update is 0\n"
      "Norms as logged: after its first decision that differs from the run's own, a strategy "
      "would\n"
      "have led to other gradients.\n";
  return text;
}

std::string Comparison::json_lines() const {
  std::string lines;
  for (const Outcome& outcome : outcomes_) {
    const Json json{{"v", 1},
                    {"type", "compare"},
                    {"strategy", outcome.spec()},
                    {"steps", steps_},
                    {"spikes", spikes_},
                    {"healthy", healthy_},
                    {"clips", outcome.tally.clipped},
                    {"drops", outcome.tally.dropped},
                    {"clip_rate", json_number(share_of(outcome.tally.clipped, steps_))},
                    {"healthy_clips", outcome.tally.healthy},
                    {"healthy_clip_rate", json_number(share_of(outcome.tally.healthy, healthy_))},
                    {"missed_spikes", outcome.tally.missed},
                    {"tail", json_number(tail(outcome.after))},
                    {"rate_lost", json_number(rate_lost(outcome))}};
    lines += to_json_line(json) + "\n";
  }
  return lines;
}

Result<int> compare(const CompareOptions& options, const CommonOptions& common) {
  std::vector<std::string> specs = options.clips;
  if (specs.empty()) {
    specs = kStrategies;
    specs.push_back(kTensorStrategy);
  }
  Comparison comparison;
  BALLAST_TRY(comparison.start(specs));
  const bool tensors = std::any_of(specs.begin(), specs.end(), is_adagc);
  BALLAST_TRY(read_norms(
      options.input, {{}, tensors, threads_of(common)},
      [&](const JudgedNorm& step) { comparison.take(step); }, [&] { comparison.restart(); }));
  if (comparison.leave_out_by_tensor() > 0) {
    const std::string why =
        fmt::format("adagc clips by tensor, and {} of {} steps have the norms of all tensors",
                    comparison.steps_with_tensors(), comparison.steps());
    const std::string hint = "pretrain --layers-every 1 writes them";
    if (comparison.empty()) return insufficient_error(why, options.input.path, hint);
    print_note(fmt::format("{}: left out ({})", why, hint));
  }
  print_out(common.json ? comparison.json_lines() : comparison.text());
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_compare(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<CompareOptions>();
  add_trace_input(app, options->input);
  app.add_option(
      "--clip", options->clips,
      "strategies to compare, one each (repeatable), also adagc[:k=v,...]; default: every "
      "law and form");
  return [options, &common] { return compare(*options, common); };
}

}  // namespace ballast
