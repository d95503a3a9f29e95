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

void sum_steps(const RunHistory& history, Overview& o) {
  std::map<int64_t, std::pair<int64_t, int64_t>> spans;  // segment -> first and last time
  std::map<int64_t, std::pair<int64_t, int64_t>> lost;   // segment -> tokens of abandoned steps
  for (const StepRow& row : history.rows) {
    auto& span = spans.try_emplace(row.segment, row.time_us, row.time_us).first->second;
    span.second = std::max(span.second, row.time_us);
    if (row.surviving) {
      if (o.steps++ == 0) o.first_step = row.step;
      o.last_step = row.step;
      o.skipped += row.skipped ? 1 : 0;
      o.tokens = row.tokens;
    } else {
      ++o.abandoned;
      auto& range = lost.try_emplace(row.segment, row.tokens, row.tokens).first->second;
      range.second = std::max(range.second, row.tokens);
    }
  }
  for (const auto& [segment, span] : spans)
    o.wall_seconds += static_cast<double>(span.second - span.first) * 1e-6;
  for (const auto& [segment, range] : lost) o.tokens_abandoned += range.second - range.first;
  // Each abandoned stretch begins one batch before its first record; the batch is known from steps.
  if (o.last_step > 0 && o.tokens > 0)
    o.tokens_abandoned += static_cast<int64_t>(lost.size()) * (o.tokens / o.last_step);
}

void sum_losses(const RunHistory& history, const std::vector<size_t>& line, Overview& o) {
  std::vector<double> losses, changes;
  o.first_loss = o.last_loss = o.lowest_loss = kNone;
  for (const size_t i : line) {
    const StepRow& row = history.rows[i];
    if (!std::isfinite(row.loss)) continue;
    if (!losses.empty()) changes.push_back(row.loss - losses.back());
    losses.push_back(row.loss);
    if (!(row.loss >= o.lowest_loss)) {
      o.lowest_loss = row.loss;
      o.lowest_loss_step = row.step;
    }
  }
  if (losses.empty()) return;
  o.first_loss = losses.front();
  const size_t last = std::min(kLastLosses, losses.size());
  o.last_loss = median({losses.end() - static_cast<std::ptrdiff_t>(last), losses.end()});
  o.loss_autocorrelation = autocorrelation(changes, 1);
}

void sum_norms(const RunHistory& history, const std::vector<size_t>& line, Overview& o) {
  std::vector<double> norms, speeds;
  double factors = 0;
  o.norm_max = kNone;
  for (const size_t i : line) {
    const StepRow& row = history.rows[i];
    if (std::isfinite(row.tokens_per_s)) speeds.push_back(row.tokens_per_s);
    if (!std::isfinite(row.norm)) continue;
    norms.push_back(row.norm);
    if (!(row.norm <= o.norm_max)) {
      o.norm_max = row.norm;
      o.norm_max_step = row.step;
    }
    if (!std::isnan(row.norm_clipped)) ++o.clipped_norms;
    if (row.norm_clipped < row.norm) {
      ++o.clips;
      factors += row.norm_clipped / row.norm;
    }
  }
  o.norms = static_cast<int64_t>(norms.size());
  o.mean_factor = o.clips > 0 ? factors / static_cast<double>(o.clips) : kNone;
  o.norm_median = median(norms);
  o.norm_p99 = quantile(std::move(norms), 0.99);
  o.tokens_per_s = median(std::move(speeds));
}

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

}  // namespace

Overview overview_of(const RunHistory& history) {
  Overview o;
  o.segments = static_cast<int64_t>(std::max<size_t>(1, history.segments.size()));
  o.interval = history.health.interval;
  o.has_run = !history.runs.empty();
  if (o.has_run) o.run = history.runs.back();
  const std::vector<size_t> line = history.surviving_line();
  sum_steps(history, o);
  sum_losses(history, line, o);
  sum_norms(history, line, o);
  std::map<std::string, EvalRecord> newest;
  for (const EvalRecord& eval : history.evals) newest[eval.set] = eval;
  for (const auto& [set, eval] : newest) o.evals.push_back(eval);
  for (const EventRecord& event : history.events) {
    ++o.events[event.event];
    if (event.event == "phase") o.phases.emplace_back(event.step, event.reason);
  }
  find_problems(history.health, o);
  return o;
}

std::string overview_text(const Overview& o, const std::vector<RunIncident>& incidents) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<10} {}\n", name, value);
  };
  if (o.has_run)
    line("run", fmt::format("{}, {}, clip {}", recorded(o.run.run), recorded(o.run.model),
                            recorded(o.run.clip)));
  line("steps", range_text(o));
  line("tokens", (o.tokens > 0 ? format_count(o.tokens) : "not recorded") +
                     (o.tokens_abandoned > 0 ? fmt::format(", {} more on abandoned branches",
                                                           format_count(o.tokens_abandoned))
                                             : ""));
  line("time",
       fmt::format(
           "{}, {} tokens/s",
           o.wall_seconds > 0 ? format_seconds(o.wall_seconds) : std::string("not recorded"),
           std::isnan(o.tokens_per_s) ? "unknown" : format_count(std::llround(o.tokens_per_s))));
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
  for (const EvalRecord& eval : o.evals)
    line("eval", fmt::format("{}: loss {} at step {}", recorded(eval.set),
                             short_number(eval.loss.value_or(kNone)), eval.step));
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
  for (const EvalRecord& eval : o.evals)
    evals[eval.set] = Json{{"step", eval.step}, {"loss", json_number(eval.loss.value_or(kNone))}};
  json["evals"] = std::move(evals);
  Json list = Json::array();
  for (const RunIncident& incident : incidents) list.push_back(to_json(incident));
  json["incidents"] = o.judged ? std::move(list) : Json(nullptr);
  json["interval"] = o.interval;
  json["log_problems"] = o.log_problems;
  return json;
}

}  // namespace ballast
