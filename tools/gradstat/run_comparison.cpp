#include "tools/gradstat/run_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "libcore/stats/curve.h"
#include "libcore/stats/line_fit.h"

namespace ballast {
namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

std::map<int64_t, const StepRow*> steps_of(const RunHistory& history) {
  std::map<int64_t, const StepRow*> steps;
  for (const size_t i : history.surviving_line()) steps[history.rows[i].step] = &history.rows[i];
  return steps;
}

std::map<std::string, std::string> settings_of(const RunRecord& run) {
  std::map<std::string, std::string> settings = {{"version", run.version},
                                                 {"config_hash", run.config_hash},
                                                 {"model", run.model},
                                                 {"optimizer", run.optimizer},
                                                 {"schedule", run.schedule},
                                                 {"clip", run.clip},
                                                 {"guard", run.guard},
                                                 {"precision", run.precision},
                                                 {"device", run.device},
                                                 {"host", run.host},
                                                 {"ranks", fmt::format("{}", run.ranks)}};
  const auto add = [&](const char* name, const std::optional<int64_t>& value) {
    if (value) settings[name] = fmt::format("{}", *value);
  };
  add("parameters", run.parameters);
  add("total_tokens", run.total_tokens);
  add("batch_tokens", run.batch_tokens);
  add("seq_len", run.seq_len);
  add("seed", run.seed);
  add("data_seed", run.data_seed);
  if (run.details.is_object())
    for (const auto& [key, value] : run.details.items())
      settings[key] = value.is_string() ? value.get<std::string>() : to_json_line(value);
  return settings;
}

// Mean and interval of the differences over the last tenth, from a line through them.
void mean_of_the_end(LossComparison& c, const std::vector<double>& raw) {
  if (c.x.empty()) return;
  const double from = c.x.back() - (c.x.back() - c.x.front()) / 10;
  std::vector<double> x, y;
  for (size_t i = 0; i < c.x.size(); ++i) {
    if (c.x[i] < from) continue;
    x.push_back(c.x[i]);
    y.push_back(raw[i]);
  }
  if (x.size() < 8) return;
  double middle = 0;
  for (const double value : x) middle += value / static_cast<double>(x.size());
  const LineFit fit = fit_line(x, y, middle);  // in the middle of x the line is at the mean
  c.mean = fit.value;
  c.low = fit.value - fit.critical * fit.value_error;
  c.high = fit.value + fit.critical * fit.value_error;
}

void find_equal_losses(LossComparison& c, int64_t levels) {
  if (c.smooth_a.empty() || c.smooth_b.empty()) return;
  const double high = std::min(c.smooth_a.front(), c.smooth_b.front());
  const double low = std::max(*std::min_element(c.smooth_a.begin(), c.smooth_a.end()),
                              *std::min_element(c.smooth_b.begin(), c.smooth_b.end()));
  if (!(low < high)) return;
  for (int64_t i = 1; i <= levels; ++i) {
    EqualLoss e;
    const double share = static_cast<double>(i) / static_cast<double>(levels);
    e.loss = i == levels ? low : high + share * (low - high);
    e.a = first_at_or_below(c.a.x, c.smooth_a, e.loss);
    e.b = first_at_or_below(c.b.x, c.smooth_b, e.loss);
    e.seconds_a = c.a.has_seconds ? interpolated(c.a.x, c.a.seconds, e.a) : NAN;
    e.seconds_b = c.b.has_seconds ? interpolated(c.b.x, c.b.seconds, e.b) : NAN;
    if (std::isfinite(e.a) && std::isfinite(e.b) && e.a > 0 && e.b > 0) c.equal.push_back(e);
  }
}

}  // namespace

BitComparison compare_bits(const RunHistory& a, const RunHistory& b) {
  BitComparison c;
  const auto steps_a = steps_of(a), steps_b = steps_of(b);
  std::vector<int64_t> common;
  for (const auto& [step, row] : steps_a)
    if (steps_b.contains(step)) common.push_back(step);
  c.common = static_cast<int64_t>(common.size());
  if (common.empty()) return c;
  c.first = common.front();
  c.last = common.back();
  const auto within = [&](const std::map<int64_t, const StepRow*>& steps) {
    return std::distance(steps.lower_bound(c.first), steps.upper_bound(c.last));
  };
  c.only_a = within(steps_a) - c.common;
  c.only_b = within(steps_b) - c.common;
  for (const int64_t step : common) {
    const StepRow &x = *steps_a.at(step), &y = *steps_b.at(step);
    const bool loss = x.has_loss != y.has_loss || !same_bits(x.loss, y.loss);
    const bool norm = x.has_norm != y.has_norm || !same_bits(x.norm, y.norm);
    if (!loss && !norm) continue;
    if (c.different++ == 0)
      c.first_difference = loss ? BitDifference{step, "loss", x.loss, y.loss}
                                : BitDifference{step, "grad_norm", x.norm, y.norm};
  }
  return c;
}

std::vector<SettingDifference> compare_settings(const RunHistory& a, const RunHistory& b) {
  std::vector<SettingDifference> differences;
  if (a.runs.empty() || b.runs.empty()) return differences;
  const auto mine = settings_of(a.runs.back()), other = settings_of(b.runs.back());
  std::set<std::string> names;
  for (const auto& [name, value] : mine) names.insert(name);
  for (const auto& [name, value] : other) names.insert(name);
  for (const std::string& name : names) {
    const std::string x = mine.contains(name) ? mine.at(name) : "";
    const std::string y = other.contains(name) ? other.at(name) : "";
    if (x != y) differences.push_back({name, x, y});
  }
  return differences;
}

LossComparison compare_losses(const RunHistory& a, const RunHistory& b, CurveAxis axis,
                              int64_t smooth, int64_t levels) {
  LossComparison c;
  c.axis = axis;
  c.a = loss_curve(a, axis);
  c.b = loss_curve(b, axis);
  if (smooth == 0)
    smooth =
        std::max<int64_t>(1, static_cast<int64_t>(std::min(c.a.loss.size(), c.b.loss.size())) / 50);
  c.smooth_a = running_median(c.a.loss, smooth);
  c.smooth_b = running_median(c.b.loss, smooth);
  std::vector<double> raw;
  for (size_t i = 0; i < c.b.x.size(); ++i) {
    const double there = interpolated(c.a.x, c.smooth_a, c.b.x[i]);
    if (!std::isfinite(there)) continue;
    c.x.push_back(c.b.x[i]);
    c.difference.push_back(c.smooth_b[i] - there);
    raw.push_back(c.b.loss[i] - interpolated(c.a.x, c.a.loss, c.b.x[i]));
  }
  mean_of_the_end(c, raw);
  find_equal_losses(c, levels);
  return c;
}

}  // namespace ballast
