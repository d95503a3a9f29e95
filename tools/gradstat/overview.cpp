#include "tools/gradstat/overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/base/units.h"
#include "libcore/stats/robust.h"
#include "tools/gradstat/incident_table.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kLastLosses = 20;

void find_problems(const TraceHealth& h, Overview& o) {
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) o.log_problems.push_back(fmt::format("{} {}", count, what));
  };
  add(h.bad_lines, "damaged lines");
  add(h.missing_steps, "steps missing");
  add(h.repeated_steps, "steps out of order");
  add(h.clock_steps_back, "times that go backwards");
  add(h.unknown_types, "records of unknown type");
  if (!o.has_run) o.log_problems.push_back("no run record");
}

std::string range_text(const Overview& o) {
  std::string text = fmt::format("{} to {} ({} on the line", o.first_step, o.last_step, o.steps);
  if (o.skipped > 0) text += fmt::format(", {} skipped", o.skipped);
  if (o.abandoned > 0) text += fmt::format(", {} more abandoned", o.abandoned);
  return text + fmt::format(", {} segment{})", o.segments, o.segments == 1 ? "" : "s");
}

// What the log says of its run, and no more.
std::string run_text(const RunRecord& run) {
  std::vector<std::string> parts;
  if (!run.run.empty()) parts.push_back(run.run);
  if (!run.model.empty()) parts.push_back(run.model);
  if (!run.clip.empty()) parts.push_back("clip " + run.clip);
  return parts.empty() ? "not recorded" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string time_text(const Overview& o) {
  std::vector<std::string> parts;
  if (o.wall_seconds > 0) parts.push_back(format_seconds(o.wall_seconds));
  if (!std::isnan(o.tokens_per_s))
    parts.push_back(format_count(std::llround(o.tokens_per_s)) + " tokens/s");
  return parts.empty() ? "not recorded" : fmt::format("{}", fmt::join(parts, ", "));
}

// "val: loss 3.27, perplexity 26.3 at step 100", and numbers that are of the set alone.
std::string eval_text(const EvalRecord& eval) {
  std::vector<std::string> parts;
  if (eval.loss) parts.push_back("loss " + short_number(*eval.loss));
  if (eval.perplexity) parts.push_back("perplexity " + short_number(*eval.perplexity));
  for (const auto& [key, value] : eval.details.items())
    if (value.is_number()) parts.push_back(key + " " + short_number(value.get<double>()));
  return fmt::format("{}{}{} at step {}", eval.set, eval.set.empty() ? "" : ": ",
                     fmt::join(parts, ", "), eval.step);
}

}  // namespace

void OverviewBuilder::take(const RunRecord& run) {
  ++o_.segments;
  o_.has_run = true;
  o_.run = run;
}

void OverviewBuilder::take(const EventRecord& event) {
  ++o_.events[event.event];
  if (event.event == "phase") o_.phases.emplace_back(event.step, event.reason);
}

void OverviewBuilder::take(const StepRow& row) {
  Span& span = times_.try_emplace(row.segment, Span{row.time_us, row.time_us}).first->second;
  span.last = std::max(span.last, row.time_us);
  if (!row.surviving) {
    ++o_.abandoned;
    Span& range = lost_.try_emplace(row.segment, Span{row.tokens, row.tokens}).first->second;
    range.last = std::max(range.last, row.tokens);
    return;
  }
  if (o_.steps++ == 0) o_.first_step = row.step;
  o_.last_step = row.step;
  o_.skipped += row.skipped ? 1 : 0;
  o_.judgeable += row.has_loss && !row.skipped ? 1 : 0;
  o_.tokens = row.tokens;
  if (std::isfinite(row.tokens_per_s)) speeds_.add(row.tokens_per_s);
  if (std::isfinite(row.loss)) take_loss(row);
  if (std::isfinite(row.norm)) take_norm(row);
}

void OverviewBuilder::take_loss(const StepRow& row) {
  if (last_losses_.empty()) {
    o_.first_loss = row.loss;
  } else {
    const double change = row.loss - last_losses_.back();
    if (changes_++ == 0) {
      first_change_ = change;
    } else {
      products_ += change * last_change_;
    }
    sum_ += change;
    squares_ += change * change;
    last_change_ = change;
  }
  last_losses_.push_back(row.loss);
  if (last_losses_.size() > kLastLosses) last_losses_.pop_front();
  if (o_.lowest_loss_step < 0 || row.loss < o_.lowest_loss) {
    o_.lowest_loss = row.loss;
    o_.lowest_loss_step = row.step;
  }
}

void OverviewBuilder::take_norm(const StepRow& row) {
  norms_.add(row.norm);
  if (o_.norm_max_step < 0 || row.norm > o_.norm_max) {
    o_.norm_max = row.norm;
    o_.norm_max_step = row.step;
  }
  if (!std::isnan(row.norm_clipped)) ++o_.clipped_norms;
  if (!(row.norm_clipped < row.norm)) return;
  ++o_.clips;
  factors_ += row.norm_clipped / row.norm;
}

void OverviewBuilder::sum_branches() {
  for (const auto& [segment, span] : times_)
    o_.wall_seconds += static_cast<double>(span.last - span.first) * 1e-6;
  for (const auto& [segment, range] : lost_) o_.tokens_abandoned += range.last - range.first;
  // Each abandoned stretch begins one batch before its first record; the batch is known from steps.
  if (o_.last_step > 0 && o_.tokens > 0)
    o_.tokens_abandoned += static_cast<int64_t>(lost_.size()) * (o_.tokens / o_.last_step);
}

// Lag 1, with the overall mean, from the sums.
double OverviewBuilder::autocorrelation() const {
  constexpr double kRounding = 1e-12;  // of squares_: below it the changes are all the same
  if (changes_ < 2) return kNone;
  const auto n = static_cast<double>(changes_);
  const double mean = sum_ / n;
  const double all = squares_ - n * mean * mean;
  const double lagged =
      products_ - mean * (2 * sum_ - first_change_ - last_change_) + (n - 1) * mean * mean;
  return all > kRounding * squares_ ? lagged / all : 0;
}

Overview OverviewBuilder::finish(const TraceHealth& health) {
  o_.segments = std::max<int64_t>(1, o_.segments);
  o_.interval = health.interval;
  sum_branches();
  if (last_losses_.empty()) {
    o_.first_loss = o_.last_loss = o_.lowest_loss = kNone;
  } else {
    o_.last_loss = median({last_losses_.begin(), last_losses_.end()});
    o_.loss_autocorrelation = autocorrelation();
  }
  o_.norms = norms_.count();
  if (o_.norms == 0) o_.norm_max = kNone;
  o_.mean_factor = o_.clips > 0 ? factors_ / static_cast<double>(o_.clips) : kNone;
  o_.norm_median = norms_.quantile(0.5);
  o_.norm_p99 = norms_.quantile(0.99);
  o_.tokens_per_s = speeds_.quantile(0.5);
  for (const auto& [set, eval] : newest_eval_) o_.evals.push_back(eval);
  find_problems(health, o_);
  return o_;
}

Overview overview_of(const RunHistory& history) {
  OverviewBuilder builder;
  for (const RunRecord& run : history.runs) builder.take(run);
  for (const StepRow& row : history.rows) builder.take(row);
  for (const EventRecord& event : history.events) builder.take(event);
  for (const EvalRecord& eval : history.evals) builder.take(eval);
  return builder.finish(history.health);
}

std::string overview_text(const Overview& o, const std::vector<RunIncident>& incidents) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<10} {}\n", name, value);
  };
  if (o.has_run) line("run", run_text(o.run));
  line("steps", range_text(o));
  line("tokens", (o.tokens > 0 ? format_count(o.tokens) : "not recorded") +
                     (o.tokens_abandoned > 0 ? fmt::format(", {} more on abandoned branches",
                                                           format_count(o.tokens_abandoned))
                                             : ""));
  line("time", time_text(o));
  line("loss",
       fmt::format("{} at first, {} at last, lowest {} at step {}", short_number(o.first_loss),
                   short_number(o.last_loss), short_number(o.lowest_loss), o.lowest_loss_step));
  if (o.norms > 0) {
    line("norm",
         fmt::format("median {}, 99 % below {}, largest {} at step {}", short_number(o.norm_median),
                     short_number(o.norm_p99), short_number(o.norm_max), o.norm_max_step));
    std::string clipped =
        fmt::format("{} of {} ({:.2f} %)", o.clips, o.norms,
                    100 * static_cast<double>(o.clips) / static_cast<double>(o.norms));
    if (o.clips > 0)
      clipped += fmt::format(", to {} of the norm on average", short_number(o.mean_factor));
    line("clipped", o.clipped_norms > 0 ? clipped : "not recorded");
  }
  for (const auto& [step, name] : o.phases)
    line("phase", fmt::format("{} from step {}", name, step));
  for (const EvalRecord& eval : o.evals) line("eval", eval_text(eval));
  std::string events;
  for (const auto& [name, count] : o.events)
    events += fmt::format("{}{} {}", events.empty() ? "" : ", ", count, name);
  line("events", events.empty() ? "none" : events);
  if (!o.judged) {
    line("incidents", fmt::format("not looked for: the log has one record in {} steps "
                                  "(--assume-per-step)",
                                  o.interval));
  } else if (incidents.empty()) {
    line("incidents", "none");
  }
  for (const RunIncident& incident : incidents) line("incident", incident_sentence(incident));
  line("log",
       o.log_problems.empty() ? "complete" : fmt::format("{}", fmt::join(o.log_problems, ", ")));
  return text;
}

Json overview_json(const Overview& o, const std::vector<RunIncident>& incidents) {
  Json json{{"v", 1}, {"type", "summary"}};
  if (o.has_run) {
    json["run"] = o.run.run;
    json["model"] = o.run.model;
    json["clip"] = o.run.clip;
    json["config_hash"] = o.run.config_hash;
  }
  json["segments"] = o.segments;
  json["first_step"] = o.first_step;
  json["last_step"] = o.last_step;
  json["steps"] = o.steps;
  json["skipped"] = o.skipped;
  json["abandoned"] = o.abandoned;
  json["tokens"] = o.tokens;
  json["tokens_abandoned"] = o.tokens_abandoned;
  json["wall_seconds"] = json_number(o.wall_seconds);
  json["tokens_per_s"] = json_number(o.tokens_per_s);
  json["first_loss"] = json_number(o.first_loss);
  json["last_loss"] = json_number(o.last_loss);
  json["lowest_loss"] = json_number(o.lowest_loss);
  json["lowest_loss_step"] = o.lowest_loss_step;
  json["loss_change_autocorrelation"] = json_number(o.loss_autocorrelation);
  json["norm_median"] = json_number(o.norm_median);
  json["norm_p99"] = json_number(o.norm_p99);
  json["norm_max"] = json_number(o.norm_max);
  json["norm_max_step"] = o.norm_max_step;
  json["clips"] = o.clips;
  json["clip_rate"] = o.clipped_norms > 0
                          ? json_number(static_cast<double>(o.clips) / static_cast<double>(o.norms))
                          : Json(nullptr);
  json["events"] = o.events;
  Json evals = Json::object();
  for (const EvalRecord& eval : o.evals) {
    Json& entry = evals[eval.set] = eval.details.is_object() ? eval.details : Json::object();
    entry["step"] = eval.step;
    if (eval.loss) entry["loss"] = json_number(*eval.loss);
    if (eval.perplexity) entry["perplexity"] = json_number(*eval.perplexity);
  }
  json["evals"] = std::move(evals);
  Json list = Json::array();
  for (const RunIncident& incident : incidents) list.push_back(to_json(incident));
  json["incidents"] = o.judged ? std::move(list) : Json(nullptr);
  json["interval"] = o.interval;
  json["log_problems"] = o.log_problems;
  return json;
}

}  // namespace ballast
