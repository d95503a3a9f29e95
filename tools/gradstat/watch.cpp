#include "tools/gradstat/watch.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "libcore/base/units.h"
#include "libcore/io/json.h"
#include "tools/gradstat/incident_table.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
// Far more than the Detector remembers: its window, and an incident that froze it.
constexpr size_t kTaught = 4096;

Alarm alarm_of(const char* kind, const char* metric, const StepRecord& step, double value,
               const ChannelVerdict& verdict) {
  Alarm alarm{kind, metric, step.segment, step.step, value, kNone, kNone, ""};
  alarm.text = fmt::format("step {}: {} of the {}: {}", step.step, kind,
                           metric[0] == 'l' ? "loss" : "gradient norm",
                           std::isfinite(value) ? short_number(value) : format_double(value));
  if (!verdict.tested) return alarm;
  alarm.z = verdict.z;
  alarm.threshold = verdict.threshold;
  alarm.text +=
      fmt::format(" (z {:.1f}, threshold {})", verdict.z, short_number(verdict.threshold));
  return alarm;
}

}  // namespace

Json to_json(const Alarm& alarm) {
  const auto known = [](double value) {
    return std::isnan(value) ? Json(nullptr) : json_number(value);
  };
  return Json{{"v", 1},
              {"type", "alarm"},
              {"kind", alarm.kind},
              {"metric", alarm.metric},
              {"segment", alarm.segment},
              {"step", alarm.step},
              {"value", json_number(alarm.value)},
              {"z", known(alarm.z)},
              {"threshold", known(alarm.threshold)}};
}

Result<void> Watch::take(const TraceRecord& record, std::vector<Alarm>& alarms) {
  if (record.type == RecordType::run) return begin_segment(record.run, alarms);
  if (record.type == RecordType::step) take_step(record.step, alarms);
  if (record.type == RecordType::event && restarts_statistics(record.event.event)) {
    detector_.on_event();
    drift_.on_event();
    taught_.push_back({record.event.segment, record.event.step, kNone, kNone, false, true});
  }
  return {};
}

Result<void> Watch::begin_segment(const RunRecord& run, std::vector<Alarm>& alarms) {
  if (!run.detector_state.is_null())
    BALLAST_TRY(detector_.load(run.detector_state));
  else if (run.parent_step)
    go_back(run);
  if (furthest_ < 0) return {};
  if (++vain_ != restarts_) return {};
  Alarm alarm{"stall", "step", run.segment, furthest_, static_cast<double>(furthest_),
              kNone,   kNone,  ""};
  alarm.text = fmt::format("stall: {} restarts did not get beyond step {}", vain_, furthest_);
  alarms.push_back(std::move(alarm));
  return {};
}

// As if what was left had never been seen, which is what training and `spikes` make of it.
void Watch::go_back(const RunRecord& run) {
  while (!taught_.empty() && taught_.back().step > *run.parent_step) taught_.pop_back();
  detector_ = Detector(detector_.settings());
  for (const Taught& t : taught_) {
    if (t.event) {
      detector_.on_event();
      continue;
    }
    (void)detector_.observe(t.loss, std::isnan(t.norm) ? 1.0 : t.norm);
    if (!t.skipped) detector_.accept(t.loss, std::isnan(t.norm) ? 0.0 : t.norm);
  }
}

void Watch::take_step(const StepRecord& step, std::vector<Alarm>& alarms) {
  ++steps_;
  if (step.step > furthest_) {
    furthest_ = step.step;
    vain_ = 0;
  }
  if (!step.loss) return;
  judge(step, alarms);
  if (!step.skipped) judge_drift(step, alarms);
}

void Watch::judge(const StepRecord& step, std::vector<Alarm>& alarms) {
  const double norm = step.grad_norm.value_or(1.0);
  const Verdict verdict = detector_.observe(*step.loss, norm);
  if (!step.skipped) {
    detector_.accept(*step.loss, step.grad_norm.value_or(0.0));
    ++judged_;
  }
  taught_.push_back(
      {step.segment, step.step, *step.loss, step.grad_norm.value_or(kNone), step.skipped, false});
  if (taught_.size() > kTaught) taught_.pop_front();
  const auto look = [&](const char* metric, double value, const ChannelVerdict& v) {
    if (v.nonfinite) alarms.push_back(alarm_of("nonfinite", metric, step, value, v));
    if (v.onset) alarms.push_back(alarm_of("onset", metric, step, value, v));
    if (v.persistent) alarms.push_back(alarm_of("persistent", metric, step, value, v));
  };
  look("loss", *step.loss, verdict.loss);
  if (step.grad_norm) look("grad_norm", norm, verdict.norm);
}

void Watch::judge_drift(const StepRecord& step, std::vector<Alarm>& alarms) {
  const DriftVerdict verdict = drift_.observe(step.step, step.tokens, *step.loss);
  drift_tested_ = drift_tested_ || verdict.tested;
  if (!verdict.drift) return;
  Alarm alarm{"drift", "loss", step.segment, step.step, *step.loss, verdict.z, verdict.limit, ""};
  alarm.text = fmt::format(
      "step {}: drift of the loss: {} higher than at step {} (z {:.1f}, limit {:.1f})", step.step,
      short_number(verdict.rise), verdict.began_step, verdict.z, verdict.limit);
  alarms.push_back(std::move(alarm));
}

}  // namespace ballast
