#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "libcore/cli/message.h"
#include "libcore/guard/detector.h"
#include "libcore/optim/clip/clip.h"
#include "libcore/stats/log_histogram.h"
#include "tools/gradstat/incident_table.h"
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

struct CompareOptions {
  TraceInput input;
  std::vector<std::string> clips;
};

// What one strategy did with the norms of the run.
struct Outcome {
  std::unique_ptr<Clipper> clipper;
  int64_t clipped = 0, dropped = 0;
  int64_t healthy = 0;  // of clipped and dropped: steps in which nothing was wrong
  int64_t missed = 0;   // spikes that stay spikes
  double factors = 0;   // sum over all steps; a dropped update counts 0
  LogHistogram after;   // norms that the optimizer would have seen
};

// One pass over the trace, all strategies side by side. The Detector says what a spike of the norm
// is, as it would have in training; until it has a baseline a step is neither healthy nor a spike.
class Comparison {
 public:
  Result<void> start(const std::vector<std::string>& specs) {
    for (const std::string& spec : specs) {
      Outcome outcome;
      outcome.clipper = BALLAST_TRY(make_clipper(spec));
      outcomes_.push_back(std::move(outcome));
    }
    return {};
  }
  void take(const TraceRecord& record);
  bool empty() const { return steps_ == 0; }
  std::string text() const;
  std::string json_lines() const;

 private:
  void take_step(const StepRecord& step);
  void apply(Outcome& outcome, double norm, double loss, const ChannelVerdict& verdict) const;
  double share(int64_t part, int64_t whole) const {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : std::nan("");
  }
  double tail(const LogHistogram& norms) const {
    return norms.quantile(0.999) / norms.quantile(0.5);
  }
  double rate_lost(const Outcome& outcome) const {
    return 1 - outcome.factors / static_cast<double>(steps_);
  }

  Detector detector_;
  std::vector<Outcome> outcomes_;
  int64_t steps_ = 0, healthy_ = 0, spikes_ = 0;
};

void Comparison::take(const TraceRecord& record) {
  if (record.type == RecordType::step) return take_step(record.step);
  if (record.type != RecordType::event || !restarts_statistics(record.event.event)) return;
  detector_.on_event();
  for (Outcome& outcome : outcomes_) outcome.clipper->on_event();
}

void Comparison::take_step(const StepRecord& step) {
  const bool dropped_by_clipper = step.skipped && step.skip_reason == kClipperSkip;
  if (!step.grad_norm || (step.skipped && !dropped_by_clipper)) return;
  const double norm = *step.grad_norm;
  const double loss = step.loss.value_or(std::nan(""));
  const ChannelVerdict verdict = detector_.observe(loss, norm).norm;
  detector_.accept(loss, norm);
  ++steps_;
  if (verdict.tested) ++(verdict.above ? spikes_ : healthy_);
  for (Outcome& outcome : outcomes_) apply(outcome, norm, loss, verdict);
}

void Comparison::apply(Outcome& outcome, double norm, double loss,
                       const ChannelVerdict& verdict) const {
  const ClipDecision decision = outcome.clipper->decide(norm, loss);
  const double factor = decision.skip ? 0 : decision.factor;
  outcome.factors += factor;
  outcome.clipped += decision.clipped && !decision.skip ? 1 : 0;
  outcome.dropped += decision.skip ? 1 : 0;
  if (verdict.tested && !verdict.above && factor < 1) ++outcome.healthy;
  if (verdict.tested && verdict.above && !(norm * factor <= verdict.threshold)) ++outcome.missed;
  if (factor > 0) outcome.after.add(norm * factor);
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
    text += fmt::format(
        "{:>8} {:>8} {:>9} {:>7} {:>7} {:>9}  {}\n", percent(share(outcome.clipped, steps_)),
        outcome.dropped, percent(share(outcome.healthy, healthy_)), outcome.missed,
        short_number(tail(outcome.after)), percent(rate_lost(outcome)), outcome.clipper->spec());
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
                    {"strategy", outcome.clipper->spec()},
                    {"steps", steps_},
                    {"spikes", spikes_},
                    {"healthy", healthy_},
                    {"clips", outcome.clipped},
                    {"drops", outcome.dropped},
                    {"clip_rate", json_number(share(outcome.clipped, steps_))},
                    {"healthy_clips", outcome.healthy},
                    {"healthy_clip_rate", json_number(share(outcome.healthy, healthy_))},
                    {"missed_spikes", outcome.missed},
                    {"tail", json_number(tail(outcome.after))},
                    {"rate_lost", json_number(rate_lost(outcome))}};
    lines += to_json_line(json) + "\n";
  }
  return lines;
}

Result<int> compare(const CompareOptions& options, const CommonOptions& common) {
  Comparison comparison;
  BALLAST_TRY(comparison.start(options.clips.empty() ? kStrategies : options.clips));
  TraceReadOptions read;
  read.fields = kFieldLoss | kFieldNorm | kFieldSkipped;
  read.steps_only = true;
  read.threads = threads_of(common);
  const std::unique_ptr<TraceReader> reader = BALLAST_TRY(open_trace(options.input, read));
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) comparison.take(record);
  say_what_was_passed_over(reader->health(), reader->parts());
  if (comparison.empty())
    return insufficient_error("the trace has no gradient norms", reader->path());
  BALLAST_TRY(require_per_step(options.input, reader->health()));
  print_out(common.json ? comparison.json_lines() : comparison.text());
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_compare(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<CompareOptions>();
  add_trace_input(app, options->input);
  app.add_option("--clip", options->clips,
                 "strategies to compare, one each (repeatable); default: every law and form");
  return [options, &common] { return compare(*options, common); };
}

}  // namespace ballast
