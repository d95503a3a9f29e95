#include "tests/bench/classifier/spike_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/guard/detector.h"
#include "libcore/stats/spike_scores.h"

namespace ballast {
namespace {

// Flagged positions with fewer than 10 quiet ones between them are one alarm, for every rule.
constexpr size_t kQuiet = 10;

template <class Flag>
std::vector<size_t> alarms_of(const RunView& run, Flag flag) {
  std::vector<size_t> alarms;
  size_t last = 0;
  for (size_t i = 0; i < run.steps.size(); ++i) {
    if (!flag(i)) continue;
    if (alarms.empty() || i - last > kQuiet) alarms.push_back(i);
    last = i;
  }
  return alarms;
}

enum class Channel { loss, norm, either, loss_stays, either_stays };

std::vector<size_t> detector_alarms(const RunView& run, Channel channel, bool with_events) {
  Detector detector;
  size_t event = 0;
  return alarms_of(run, [&](size_t i) {
    bool moved = false;
    for (; event < run.events.size() && run.events[event] <= run.steps[i]; ++event) moved = true;
    if (moved && with_events) detector.on_event();
    const Verdict v = detector.observe(run.loss[i], run.norm[i]);
    detector.accept(run.loss[i], run.norm[i]);
    const bool loss = v.loss.onset || v.loss.nonfinite, norm = v.norm.onset || v.norm.nonfinite;
    if (channel == Channel::loss_stays) return v.loss.persistent || v.loss.nonfinite;
    if (channel == Channel::either_stays) return v.persistent() || v.nonfinite();
    return channel == Channel::loss ? loss : channel == Channel::norm ? norm : loss || norm;
  });
}

template <class Score>
std::vector<size_t> score_alarms(const RunView& run, std::span<const double> values) {
  Score score;
  return alarms_of(run, [&](size_t i) { return score.observe(values[i]); });
}

std::vector<size_t> classifier_alarms(const RunView& run) {
  std::vector<size_t> alarms;
  for (const Incident& incident : classify_run(run))
    alarms.push_back(static_cast<size_t>(
        std::lower_bound(run.steps.begin(), run.steps.end(), incident.onset) - run.steps.begin()));
  return alarms;
}

const AlarmRule kRules[] = {
    {"Detector, loss", [](const RunView& r) { return detector_alarms(r, Channel::loss, true); }},
    {"Detector, norm", [](const RunView& r) { return detector_alarms(r, Channel::norm, true); }},
    {"Detector, either",
     [](const RunView& r) { return detector_alarms(r, Channel::either, true); }},
    {"Detector, either, not told of events",
     [](const RunView& r) { return detector_alarms(r, Channel::either, false); }},
    {"Detector, loss persistent or not finite",
     [](const RunView& r) { return detector_alarms(r, Channel::loss_stays, true); }, 500},
    {"Detector, either persistent or not finite",
     [](const RunView& r) { return detector_alarms(r, Channel::either_stays, true); }, 500},
    {"Classifier (hindsight)", classifier_alarms},
    {"OLMo 2, 7 sd of 1000, loss",
     [](const RunView& r) { return score_alarms<OlmoSpikeScore>(r, r.loss); }},
    {"OLMo 2, 7 sd of 1000, norm",
     [](const RunView& r) { return score_alarms<OlmoSpikeScore>(r, r.norm); }},
    {"OLMo-core, 6 sd of 128, either",
     [](const RunView& r) {
       OlmoCoreMonitor monitor;
       return alarms_of(r, [&](size_t i) { return monitor.observe(r.loss[i], r.norm[i]); });
     }},
    {"llm.c, z > 6 of 128, loss",
     [](const RunView& r) { return score_alarms<LlmcScore>(r, r.loss); }},
    {"llm.c, z > 6 of 128, norm",
     [](const RunView& r) { return score_alarms<LlmcScore>(r, r.norm); }},
    {"fixed: loss 20 % over the last",
     [](const RunView& r) {
       return alarms_of(r, [&](size_t i) { return i > 0 && r.loss[i] >= 1.2 * r.loss[i - 1]; });
     }},
    {"fixed: loss 1 nat over its lowest",
     [](const RunView& r) {
       double lowest = std::numeric_limits<double>::infinity();
       return alarms_of(r, [&](size_t i) {
         lowest = std::fmin(lowest, r.loss[i]);
         return r.loss[i] > lowest + 1;
       });
     }},
    {"fixed: norm > 5",
     [](const RunView& r) { return alarms_of(r, [&](size_t i) { return r.norm[i] > 5; }); }},
    {"2x within 100 steps, loss",
     [](const RunView& r) {
       LossJumpRule rule;
       return alarms_of(r, [&](size_t i) { return rule.observe(r.steps[i], r.loss[i]); });
     }},
};

}  // namespace

std::span<const AlarmRule> alarm_rules() { return kRules; }

std::vector<Incident> classify_run(const RunView& run) {
  return classify({run.steps, run.loss, run.norm, {}, run.events});
}

}  // namespace ballast
