#include "tools/gradstat/spike_settings.h"

#include <fmt/format.h>

#include <cmath>
#include <variant>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr int64_t kLongestWindow = 100000;  // insertion is linear in it
constexpr int64_t kLongestSpan = 10000000;
constexpr double kMostSigmas = 1000;

struct Setting {
  const char* group;
  const char* name;
  std::variant<int64_t*, double*> value;
  double low, high;
  const char* help;
};

std::vector<Setting> settings_of(ClassifierSettings& c) {
  const char* const g = "Classifier";
  const auto kWindow = static_cast<double>(kLongestWindow);
  const auto kSpan = static_cast<double>(kLongestSpan);
  return {
      {g, "--window", &c.window, 2, kWindow, "losses that make the baseline"},
      {g, "--recent", &c.recent, 2, kWindow,
       "its newest losses, which count alone while the curve falls"},
      {g, "--falling-sigmas", &c.falling_sigmas, 0, kMostSigmas,
       "... so many scales under the window's median"},
      {g, "--gap", &c.gap, 0, kWindow, "steps between the baseline and the candidate"},
      {g, "--minimum", &c.minimum, 2, kWindow, "losses without which there is no baseline"},
      {g, "--mad-floor", &c.mad_floor, 0, 1, "least scale, as a share of the baseline"},
      {g, "--onset-sigmas", &c.onset_sigmas, 0, kMostSigmas,
       "onset: loss above baseline plus so many scales"},
      {g, "--onset-votes", &c.onset_votes, 1, 1000, "... in so many steps"},
      {g, "--onset-span", &c.onset_span, 1, 1000, "... of so many"},
      {g, "--onset-ratio", &c.onset_ratio, 1, 1e6, "onset: loss above so many baselines, once"},
      {g, "--suppress", &c.suppress, 0, kSpan,
       "steps after an event that moves the level without a verdict"},
      {g, "--suppress-ratio", &c.suppress_ratio, 1, 1e6,
       "... unless the loss is above so many baselines"},
      {g, "--recovery-window", &c.recovery_window, 1, 10000,
       "losses whose median decides on recovery"},
      {g, "--recovery-sigmas", &c.recovery_sigmas, 0, kMostSigmas,
       "recovered: median within so many scales"},
      {g, "--recovery-limit", &c.recovery_limit, 0, kSpan,
       "class 1: recovered within so many steps"},
      {g, "--settle-begin", &c.settle_begin, 1, kSpan,
       "classes 2 and 3 look from so many steps after the onset"},
      {g, "--settle-end", &c.settle_end, 2, kSpan, "... to so many"},
      {g, "--lingering-sigmas", &c.lingering_sigmas, 0, kMostSigmas,
       "class 2: median above so many scales"},
      {g, "--divergent-share", &c.divergent_share, 0, 1,
       "class 3: median above this share of the rise"},
      {g, "--lead-sigmas", &c.lead_sigmas, 0, kMostSigmas,
       "abnormal norm: log(norm) above so many scales"},
      {g, "--log-norm-floor", &c.log_norm_floor, 0, 10, "least scale of log(norm)"},
      {g, "--lead-span", &c.lead_span, 0, kWindow,
       "steps before the onset in which the norm may lead"},
  };
}

std::vector<Setting> settings_of(DetectorSettings& d) {
  const char* const g = "Detector";
  return {
      {g, "--detector-window", &d.window, 2, 4096, "accepted values a value is tested against"},
      {g, "--detector-minimum", &d.minimum, 2, 4096, "values before the first verdict"},
      {g, "--detector-sigmas", &d.sigmas, 0, kMostSigmas,
       "onset: so many deviations above the mean"},
      {g, "--detector-persistent-steps", &d.persistent_steps, 1, static_cast<double>(kLongestSpan),
       "persistent: so many steps in a row above that do not come back"},
      {g, "--detector-persistent-limit", &d.persistent_limit, 1, static_cast<double>(kLongestSpan),
       "... in time: so many steps after the first; then in any case"},
      {g, "--detector-quiet-steps", &d.quiet_steps, 1, static_cast<double>(kLongestWindow),
       "values in a row back under the threshold that end an incident"},
      {g, "--detector-loss-floor", &d.loss_floor, 0, 1,
       "least deviation of the loss, as a share of the mean"},
      {g, "--detector-trend-fall", &d.trend_fall, 0, kMostSigmas,
       "a loss that falls by so many deviations is judged by its trend"},
      {g, "--detector-log-norm-floor", &d.log_norm_floor, 0, 10, "least deviation of log(norm)"},
  };
}

std::vector<Setting> settings_of(IncidentSettings& settings) {
  std::vector<Setting> all = settings_of(settings.classifier);
  const std::vector<Setting> detector = settings_of(settings.detector);
  all.insert(all.end(), detector.begin(), detector.end());
  return all;
}

std::string range_text(double low, double high) {
  return fmt::format("{} to {}", format_double(low), format_double(high));
}

}  // namespace

void add_spike_settings(CLI::App& app, IncidentSettings& settings) {
  for (const Setting& setting : settings_of(settings))
    std::visit(
        [&](auto* value) {
          app.add_option(setting.name, *value, setting.help)
              ->capture_default_str()
              ->group(setting.group);
        },
        setting.value);
}

Result<void> check_spike_settings(IncidentSettings settings) {
  for (const Setting& setting : settings_of(settings)) {
    const double value =
        std::visit([](const auto* v) { return static_cast<double>(*v); }, setting.value);
    if (!(value >= setting.low && value <= setting.high))
      return usage_error("the number is out of range", setting.name,
                         range_text(setting.low, setting.high));
  }
  const ClassifierSettings& c = settings.classifier;
  if (c.minimum > c.window)
    return usage_error("the number is out of range", "--minimum", "at most --window");
  if (c.recent > c.window)
    return usage_error("the number is out of range", "--recent", "at most --window");
  if (c.onset_votes > c.onset_span)
    return usage_error("there are more votes than steps", "--onset-votes", "at most --onset-span");
  if (c.settle_begin >= c.settle_end)
    return usage_error("the range is empty", "--settle-begin", "below --settle-end");
  if (settings.detector.minimum > settings.detector.window)
    return usage_error("the number is out of range", "--detector-minimum",
                       "at most --detector-window");
  return {};
}

}  // namespace ballast
