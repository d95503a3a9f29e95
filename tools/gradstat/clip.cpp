#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/optim/clip/clip.h"
#include "libcore/stats/moments.h"
#include "libcore/trace/reader.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct ClipOptions {
  TraceInput input;
  std::string strategy;  // empty: the run's own
  std::string line = "surviving";
  bool check = false;
  bool steps = false;
};

// Compares and counts. Memory is flat in the length of the trace.
class Replay {
 public:
  Replay(const ClipOptions& options, const CommonOptions& common)
      : options_(options), common_(common), own_(options.strategy.empty()) {}

  Result<void> start() {
    if (!own_) clipper_ = BALLAST_TRY(make_clipper(options_.strategy));
    return {};
  }
  Result<void> take(const TraceRecord& record);
  Result<int> finish(const std::string& path);

 private:
  Result<void> take_run(const RunRecord& run);
  Result<void> take_step(const StepRecord& step);
  void compare(const StepRecord& step, const ClipDecision& decision);
  void print_step(const StepRecord& step, const ClipDecision& decision) const;
  Json result() const;
  std::string human() const;
  double clip_rate() const {
    return steps_ > 0 ? static_cast<double>(clips_) / static_cast<double>(steps_) : 0;
  }

  const ClipOptions& options_;
  const CommonOptions& common_;
  bool own_;
  std::unique_ptr<Clipper> clipper_;
  std::string logged_spec_;
  int64_t steps_ = 0, clips_ = 0, spikes_ = 0, skipped_ = 0;
  int64_t compared_ = 0, differences_ = 0, first_difference_ = -1, first_segment_ = 0;
  int64_t logged_clips_ = 0;
  int64_t drops_ = 0;  // updates that the strategy drops
  std::string difference_;
  RunningMoments factors_;  // of clipped steps
  RunningMoments thresholds_;
};

Result<void> Replay::take(const TraceRecord& record) {
  if (record.type == RecordType::run) return take_run(record.run);
  if (record.type == RecordType::step) return take_step(record.step);
  if (record.type == RecordType::event && clipper_ && restarts_statistics(record.event.event))
    clipper_->on_event();
  return {};
}

Result<void> Replay::take_run(const RunRecord& run) {
  if (!own_) return {};
  if (run.clip.empty())
    return usage_error("the trace does not say how it was clipped", "", "name one with --clip");
  if (!clipper_ || run.clip != logged_spec_) clipper_ = BALLAST_TRY(make_clipper(run.clip));
  logged_spec_ = run.clip;
  if (!run.clip_state.is_null()) return clipper_->load(run.clip_state);
  // The line before a segment leads to its state; another branch does not.
  if (options_.line == "all" && run.parent)
    return insufficient_error(
        fmt::format("segment {} does not say in which state its clipper began", run.segment));
  return {};
}

bool same(const std::optional<double>& logged, double replayed) {
  if (!logged) return std::isnan(replayed);
  return *logged == replayed || (std::isnan(*logged) && std::isnan(replayed));
}

Result<void> Replay::take_step(const StepRecord& step) {
  if (step.skipped) ++skipped_;
  const bool dropped_by_clipper = step.skipped && step.skip_reason == kClipperSkip;
  if ((step.skipped && !dropped_by_clipper) || !step.grad_norm) return {};
  if (!clipper_)
    return usage_error("the trace has no run record before its steps", "", "name one with --clip");
  const ClipDecision decision = clipper_->decide(*step.grad_norm, step.loss.value_or(std::nan("")));
  ++steps_;
  if (decision.spike) ++spikes_;
  if (decision.skip) ++drops_;
  if (decision.clipped) {
    ++clips_;
    factors_.add(decision.factor);
  }
  if (!std::isnan(decision.threshold)) thresholds_.add(decision.threshold);
  compare(step, decision);
  if (options_.steps) print_step(step, decision);
  return {};
}

void Replay::compare(const StepRecord& step, const ClipDecision& decision) {
  if (step.grad_norm_clipped && *step.grad_norm_clipped < *step.grad_norm) ++logged_clips_;
  if (!step.grad_norm_clipped && !step.clip_threshold && !step.clip_z && !step.skipped) return;
  ++compared_;
  const double clipped = *step.grad_norm * decision.factor;
  std::string what;
  if (!same(step.clip_threshold, decision.threshold)) what = "clip_threshold";
  if (!same(step.clip_z, decision.z)) what = "clip_z";
  if (step.skipped != decision.skip) what = "skipped";
  if (step.grad_norm_clipped && !same(step.grad_norm_clipped, clipped)) what = "grad_norm_clipped";
  if (what.empty() || differences_++ > 0) return;
  first_difference_ = step.step;
  first_segment_ = step.segment;
  difference_ = what;
}

void Replay::print_step(const StepRecord& step, const ClipDecision& decision) const {
  if (!common_.json) {
    print_out(fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", step.step, format_double(*step.grad_norm),
                          format_double(decision.z), format_double(decision.threshold),
                          format_double(decision.factor),
                          decision.skip      ? "dropped"
                          : decision.clipped ? "clipped"
                                             : "-"));
    return;
  }
  const Json json{{"type", "decision"},
                  {"segment", step.segment},
                  {"step", step.step},
                  {"grad_norm", json_number(*step.grad_norm)},
                  {"z", json_number(decision.z)},
                  {"threshold", json_number(decision.threshold)},
                  {"target", json_number(decision.target)},
                  {"factor", json_number(decision.factor)},
                  {"clipped", decision.clipped},
                  {"skip", decision.skip}};
  print_out(to_json_line(json) + "\n");
}

Json Replay::result() const {
  Json json{{"v", 1},
            {"type", "clip"},
            {"strategy", clipper_->spec()},
            {"own", own_},
            {"steps", steps_},
            {"skipped", skipped_},
            {"clips", clips_},
            {"spikes", spikes_},
            {"drops", drops_},
            {"clip_rate", clip_rate()},
            {"mean_factor", json_number(factors_.mean())},
            {"mean_threshold", json_number(thresholds_.mean())},
            {"logged_clips", logged_clips_},
            {"compared", compared_},
            {"differences", differences_}};
  if (differences_ > 0) {
    json["first_difference"] = first_difference_;
    json["first_difference_segment"] = first_segment_;
    json["first_difference_key"] = difference_;
  }
  return json;
}

std::string Replay::human() const {
  const double rate = 100 * clip_rate();
  std::string text =
      fmt::format("strategy   {}{}\n", clipper_->spec(), own_ ? "  (the run's own)" : "");
  text += fmt::format("steps      {} replayed, {} skipped by the run\n", steps_, skipped_);
  text +=
      fmt::format("clipped    {} ({:.2f} %), the run clipped {}\n", clips_, rate, logged_clips_);
  if (drops_ > 0) text += fmt::format("dropped    {} updates\n", drops_);
  if (clips_ > 0)
    text += fmt::format("factor     {:.4g} on average when clipped\n", factors_.mean());
  if (thresholds_.count() > 0)
    text += fmt::format("threshold  {:.4g} to {:.4g}, {:.4g} on average\n", thresholds_.minimum(),
                        thresholds_.maximum(), thresholds_.mean());
  if (compared_ == 0) return text + "log        no decision was logged: nothing to compare with\n";
  if (differences_ == 0)
    return text + fmt::format("log        all {} logged decisions are reproduced bit for bit\n",
                              compared_);
  text += fmt::format("log        {} of {} decisions differ, first at step {} of segment {} ({})\n",
                      differences_, compared_, first_difference_, first_segment_, difference_);
  if (!own_)
    text +=
        "note       after the first difference this is a counterfactual: other clipping would\n"
        "           have led to other gradients\n";
  return text;
}

Result<int> Replay::finish(const std::string& path) {
  // A run whose steps were all skipped (no labels, nothing finite) clipped nothing: an answer too.
  if (steps_ == 0 && (skipped_ == 0 || !clipper_))
    return insufficient_error("the trace has no gradient norms", path);
  print_out(common_.json ? to_json_line(result()) + "\n" : human());
  if (!options_.check) return static_cast<int>(kExitDone);
  if (compared_ == 0) return insufficient_error("no decision was logged", path);
  return static_cast<int>(differences_ == 0 ? kExitDone : kExitNo);
}

Result<int> clip(const ClipOptions& options, const CommonOptions& common) {
  if (!options.strategy.empty() && options.line == "all")
    return usage_error("another strategy has no state at the forks of the branches", "--line",
                       "surviving with --clip");
  Replay replay(options, common);
  BALLAST_TRY(replay.start());
  TraceReadOptions read;
  read.fields = kFieldLoss | kFieldNorm | kFieldClip | kFieldSkipped;
  read.steps_only = true;
  read.threads = threads_of(common);
  if (options.line == "all") read.view = TraceView::all;
  const std::unique_ptr<TraceReader> reader = BALLAST_TRY(open_trace(options.input, read));
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) {
    Result<void> taken = replay.take(record);
    if (taken.ok()) continue;
    Error error = taken.take_error();
    error.where = fmt::format("{}:{}", reader->path(), record.line);
    return error;
  }
  say_what_was_passed_over(reader->health(), reader->parts());
  BALLAST_TRY(require_per_step(options.input, reader->health()));
  return replay.finish(reader->path());
}

}  // namespace

VerbRun add_clip(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<ClipOptions>();
  add_trace_input(app, options->input);
  app.add_option("--clip", options->strategy,
                 "strategy to replay (none, fixed:C, autoclip:..., zclip:..., zskip:...); default: "
                 "the run's own");
  choice_option(app.add_option("--line", options->line,
                               "which steps are replayed: those that survived, or all branches")
                    ->capture_default_str(),
                {"surviving", "all"});
  app.add_flag("--check", options->check,
               "exit 1 unless every logged decision is reproduced bit for bit");
  app.add_flag("--steps", options->steps,
               "also print every step: step, norm, z, threshold, factor, decision");
  return [options, &common] { return clip(*options, common); };
}

}  // namespace ballast
