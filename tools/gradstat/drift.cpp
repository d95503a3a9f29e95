#include "libcore/guard/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/stats/change_points.h"
#include "libcore/stats/curve.h"
#include "libcore/stats/line_fit.h"
#include "libcore/stats/robust.h"
#include "libcore/trace/surviving.h"
#include "tools/gradstat/braille.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/loss_curve.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

constexpr size_t kBlocks = 600;      // means that change points are looked for in
constexpr int64_t kTrendLeast = 32;  // losses that a line in log tokens needs
constexpr double kSameRate = 0.01;   // relative
constexpr size_t kLevelLosses = 64;  // whose median is a level

struct DriftOptions {
  TraceInput input;
  std::string reference;
  bool trend = false;
  int64_t every = 10000000;
  double least = 0;
  std::vector<std::string> fail_on;
};

struct Alarm {
  int64_t step = 0, tokens = 0;
  DriftVerdict verdict;
};

// What is looked at: the loss, or how far it is above a reference or its own trend.
struct Series {
  CurveAxis axis = CurveAxis::tokens;
  std::vector<double> x, y;
  std::vector<int64_t> steps, tokens;
  std::vector<int64_t> restarts;  // steps from which on the law begins anew
  bool difference = false;
};

struct Size {                                   // of the divergence since it began
  double level = 0;                             // at the end
  double before = 0;                            // where it began; 0 for differences to a trend
  double mean = 0;                              // over what came since
  double cumulated = 0;                         // of excess times x
  double trend_excess = NAN, trend_half = NAN;  // above the line in log tokens, 95 %
};

struct Findings {
  bool tested = false;
  std::vector<Alarm> alarms;
  std::vector<LineSegment> segments;
  std::vector<double> block_x, block_y;
  std::vector<int64_t> block_steps;
  size_t began = 0;  // index in the series, with alarms
  Size size;
};

void keep_finite(Series& series) {
  Series kept;
  kept.axis = series.axis;
  kept.restarts = series.restarts;
  kept.difference = series.difference;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    kept.x.push_back(series.x[i]);
    kept.y.push_back(series.y[i]);
    kept.steps.push_back(series.steps[i]);
    kept.tokens.push_back(series.tokens[i]);
  }
  series = std::move(kept);
}

// Forecasts are fair only as long as the learning rate is what it was where they come from: NaN
// where it has changed by more than a hundredth since a quarter of x.
void forget_other_rates(const LossCurve& curve, std::vector<double>& forecast) {
  size_t start = 0;
  for (size_t i = 0; i < curve.x.size(); ++i) {
    if (std::abs(curve.lr[i] - curve.lr[start]) > kSameRate * curve.lr[start]) start = i;
    if (curve.x[start] > curve.x[i] / 4) forecast[i] = NAN;
  }
}

Series own_series(const RunHistory& history, const DriftOptions& options) {
  Series series;
  series.axis = counts_tokens(history) ? CurveAxis::tokens : CurveAxis::steps;
  const LossCurve curve = loss_curve(history, series.axis);
  series.x = curve.x;
  series.y = curve.loss;
  series.steps = curve.steps;
  series.tokens = curve.tokens;
  const SurvivingLine surviving(history.segments);
  for (const EventRecord& event : history.events)
    if (restarts_statistics(event.event) && surviving.holds(event.segment, event.step))
      series.restarts.push_back(event.step);
  std::sort(series.restarts.begin(), series.restarts.end());
  if (!options.trend) return series;
  std::vector<double> line = foretold(curve.x, curve.loss, kTrendLeast);
  forget_other_rates(curve, line);
  for (size_t i = 0; i < line.size(); ++i) series.y[i] -= line[i];
  series.difference = true;
  keep_finite(series);
  return series;
}

Result<Series> compared_series(const RunHistory& history, const RunHistory& reference) {
  Series series;
  series.difference = true;
  series.axis =
      counts_tokens(history) && counts_tokens(reference) ? CurveAxis::tokens : CurveAxis::steps;
  const LossCurve mine = loss_curve(history, series.axis);
  const LossCurve other = loss_curve(reference, series.axis);
  series.x = mine.x;
  series.steps = mine.steps;
  series.tokens = mine.tokens;
  for (size_t i = 0; i < mine.x.size(); ++i)
    series.y.push_back(mine.loss[i] - interpolated(other.x, other.loss, mine.x[i]));
  keep_finite(series);
  if (series.x.empty())
    return insufficient_error("the two runs have no tokens in common", history.path,
                              reference.path);
  return series;
}

void look_for_alarms(const Series& series, const DriftOptions& options, Findings& found) {
  DriftSettings settings;
  settings.every = static_cast<double>(options.every);
  settings.least_rise = options.least;
  DriftMonitor monitor(settings);
  size_t restart = 0;
  for (size_t i = 0; i < series.x.size(); ++i) {
    bool event = false;
    for (; restart < series.restarts.size() && series.restarts[restart] <= series.steps[i];
         ++restart)
      event = true;
    if (event) monitor.on_event();
    const DriftVerdict verdict = monitor.observe(series.steps[i], series.tokens[i], series.y[i]);
    found.tested = found.tested || verdict.tested;
    if (verdict.drift) found.alarms.push_back({series.steps[i], series.tokens[i], verdict});
  }
}

void look_for_change_points(const Series& series, Findings& found) {
  const size_t n = series.x.size();
  const size_t size = (n + kBlocks - 1) / kBlocks;
  for (size_t begin = 0; begin + size <= n; begin += size) {
    const auto from = series.y.begin() + static_cast<std::ptrdiff_t>(begin);
    found.block_y.push_back(median({from, from + static_cast<std::ptrdiff_t>(size)}));
    const double x = series.x[begin + size / 2];
    found.block_x.push_back(series.difference ? x : std::log(std::max(x, 1.0)));
    found.block_steps.push_back(series.steps[begin + size / 2]);
  }
  found.segments = linear_segments(found.block_x, found.block_y);
}

// The estimate of the first alarm, moved back over the segments that rise without a break.
void date_the_beginning(const Series& series, Findings& found) {
  const int64_t estimate = found.alarms.front().verdict.began_step;
  int64_t step = estimate;
  for (size_t s = found.segments.size(); s-- > 0;) {
    const LineSegment& segment = found.segments[s];
    const int64_t first = found.block_steps[static_cast<size_t>(segment.begin)];
    const int64_t last = found.block_steps[static_cast<size_t>(segment.end - 1)];
    if (first > estimate) continue;
    if (last < step && last < estimate) {
      // A segment before: goes on only where it rises too.
      if (segment.slope <= 0) break;
    } else if (segment.slope <= 0) {
      break;  // the bend lies within this segment: the estimate stands
    }
    step = first;
  }
  found.began = static_cast<size_t>(
      std::lower_bound(series.steps.begin(), series.steps.end(), step) - series.steps.begin());
  found.began = std::min(found.began, series.steps.size() - 1);
}

double level_of(const Series& series, size_t begin, size_t end) {
  return median({series.y.begin() + static_cast<std::ptrdiff_t>(begin),
                 series.y.begin() + static_cast<std::ptrdiff_t>(end)});
}

void measure(const Series& series, Findings& found) {
  const size_t n = series.x.size();
  const size_t began = found.began;
  Size& size = found.size;
  size.level = level_of(series, n - std::min(n, kLevelLosses), n);
  size.before = level_of(series, began - std::min(began, kLevelLosses), began + 1);
  for (size_t i = began + 1; i < n; ++i)
    size.cumulated += (series.y[i] - size.before) * (series.x[i] - series.x[i - 1]);
  const double span = series.x.back() - series.x[began];
  size.mean = span > 0 ? size.cumulated / span : 0;
  if (series.difference) return;
  // The counterfactual of a run alone: its line in log tokens from half as many tokens on.
  std::vector<double> x, y;
  for (size_t i = 0; i < began; ++i) {
    if (series.x[i] < series.x[began] / 2) continue;
    x.push_back(std::log(series.x[i]));
    y.push_back(series.y[i]);
  }
  if (x.size() < static_cast<size_t>(kTrendLeast)) return;
  const LineFit fit = fit_line(x, y, std::log(series.x.back()));
  size.trend_excess = size.level - fit.value;
  size.trend_half = fit.critical * fit.value_error;
}

std::string what_of(const DriftOptions& options, const std::string& reference) {
  if (!options.reference.empty()) return "difference to " + reference;
  return options.trend ? "loss above what its own past foretold" : "loss";
}

std::string position(const Series& series, size_t i) {
  return series.axis == CurveAxis::tokens
             ? fmt::format("step {} ({} tokens)", series.steps[i], format_count(series.tokens[i]))
             : fmt::format("step {}", series.steps[i]);
}

std::string chart(const Series& series, const Findings& found, const std::string& what) {
  BrailleChart chart;
  chart.title =
      fmt::format("{} (medians of {} steps)", what, (series.x.size() + kBlocks - 1) / kBlocks);
  chart.steps = &found.block_steps;
  const Style& s = style(Stream::out);
  chart.series = {{&found.block_y, s.blue}};
  if (!found.alarms.empty()) {
    chart.marks.push_back(series.steps[found.began]);
    for (const Alarm& alarm : found.alarms) chart.marks.push_back(alarm.step);
  }
  chart.columns = std::min(terminal_columns(), 160);
  return draw(chart, s.reset);
}

std::string unit_text(const Series& series) {
  return series.axis == CurveAxis::tokens ? "token" : "step";
}

std::string findings_text(const Series& series, const Findings& found, const std::string& what,
                          const DriftOptions& options) {
  std::string text = chart(series, found, what);
  if (found.alarms.empty()) {
    text +=
        found.tested
            ? fmt::format(
                  "no drift: the {} does not rise beyond its noise (at most one "
                  "false alarm in {} values)\n",
                  what, format_count(options.every))
            : fmt::format("too few values for a verdict ({} of {})\n", series.x.size(),
                          DriftMonitor::kBlockValues * static_cast<int64_t>(DriftMonitor::kBlocks));
  }
  for (const Alarm& alarm : found.alarms)
    text += fmt::format(
        "drift   alarm at step {}: up by {} since about step {} (z {:.1f}, limit {:.1f}, over {} "
        "values)\n",
        alarm.step, short_number(alarm.verdict.rise), alarm.verdict.began_step, alarm.verdict.z,
        alarm.verdict.limit, alarm.verdict.window);
  if (!found.alarms.empty()) {
    const Size& size = found.size;
    text += fmt::format("began   at {}, with the {} at {:.4f}\n", position(series, found.began),
                        what, size.before);
    text += fmt::format("end     {:.4f}, {:+.4f} since it began\n", size.level,
                        size.level - size.before);
    if (!std::isnan(size.trend_excess))
      text += fmt::format(
          "        at most {:+.4f} (95 %: {:+.4f} to {:+.4f}), from the line in log {}s before "
          "it\n",
          size.trend_excess, size.trend_excess - size.trend_half,
          size.trend_excess + size.trend_half, unit_text(series));
    text += fmt::format("since   {:+.4f} on average, {} nats over all {}s\n", size.mean,
                        short_number(size.cumulated), unit_text(series));
  }
  if (found.segments.size() > 1) text += "change points\n";
  for (size_t s = 1; s < found.segments.size(); ++s) {
    const LineSegment &a = found.segments[s - 1], &b = found.segments[s];
    text += fmt::format("        step {}: {:.4f} to {:.4f}, then {} to {:.4f}\n",
                        found.block_steps[static_cast<size_t>(b.begin)], a.last, b.first,
                        b.slope > 0 ? "rising" : "falling", b.last);
  }
  return text;
}

Json findings_json(const Series& series, const Findings& found, const DriftOptions& options) {
  Json json{{"v", 1},
            {"type", "drift"},
            {"series", !options.reference.empty() ? "reference"
                       : options.trend            ? "trend"
                                                  : "loss"},
            {"values", series.x.size()},
            {"tested", found.tested},
            {"drift", !found.alarms.empty()}};
  Json alarms = Json::array();
  for (const Alarm& alarm : found.alarms)
    alarms.push_back(Json{{"step", alarm.step},
                          {"tokens", alarm.tokens},
                          {"z", json_number(alarm.verdict.z)},
                          {"limit", json_number(alarm.verdict.limit)},
                          {"rise", json_number(alarm.verdict.rise)},
                          {"began_step", alarm.verdict.began_step},
                          {"window", alarm.verdict.window}});
  json["alarms"] = std::move(alarms);
  if (!found.alarms.empty()) {
    const Size& size = found.size;
    json["began_step"] = series.steps[found.began];
    json["began_tokens"] = series.tokens[found.began];
    json["before"] = json_number(size.before);
    json["end"] = json_number(size.level);
    json["mean_since"] = json_number(size.mean);
    json["cumulated"] = json_number(size.cumulated);
    json["cumulated_per"] = unit_text(series);
    if (!std::isnan(size.trend_excess)) {
      json["above_trend"] = json_number(size.trend_excess);
      json["above_trend_low"] = json_number(size.trend_excess - size.trend_half);
      json["above_trend_high"] = json_number(size.trend_excess + size.trend_half);
    }
  }
  Json segments = Json::array();
  for (const LineSegment& s : found.segments)
    segments.push_back(Json{{"from_step", found.block_steps[static_cast<size_t>(s.begin)]},
                            {"to_step", found.block_steps[static_cast<size_t>(s.end - 1)]},
                            {"first", json_number(s.first)},
                            {"last", json_number(s.last)}});
  json["segments"] = std::move(segments);
  return json;
}

std::string script(const Series& series, const Findings& found, const std::string& what, bool svg,
                   const std::string& title) {
  std::vector<double> x, fitted_x, fitted_y, marks;
  for (const int64_t step : found.block_steps) x.push_back(static_cast<double>(step));
  for (const LineSegment& s : found.segments) {
    fitted_x.insert(fitted_x.end(),
                    {x[static_cast<size_t>(s.begin)], x[static_cast<size_t>(s.end - 1)]});
    fitted_y.insert(fitted_y.end(), {s.first, s.last});
  }
  if (!found.alarms.empty()) {
    marks.push_back(static_cast<double>(series.steps[found.began]));
    for (const Alarm& alarm : found.alarms) marks.push_back(static_cast<double>(alarm.step));
  }
  PicturePanel panel{what, {{what, x, found.block_y}}, false};
  if (series.difference) panel.lines.push_back({"segments", fitted_x, fitted_y});
  return panel_script({panel}, marks, "step", !series.difference, svg, title);
}

Result<bool> wants_verdict(const std::vector<std::string>& words) {
  for (const std::string& word : words)
    if (word != "drift")
      return usage_error(fmt::format("'{}' is not built", word), "--fail-on", "drift");
  return !words.empty();
}

Result<int> drift(const DriftOptions& options, const CommonOptions& common) {
  const bool fails = BALLAST_TRY(wants_verdict(options.fail_on));
  if (options.trend && !options.reference.empty())
    return usage_error("a run is compared either with a reference or with its own trend", "--trend",
                       "leave out --reference");
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  Series series;
  std::string name;
  if (options.reference.empty()) {
    series = own_series(history, options);
  } else {
    TraceInput input = options.input;
    input.path = options.reference;
    const RunHistory reference = BALLAST_TRY(load_trace(input));
    name = run_title(reference);
    series = BALLAST_TRY(compared_series(history, reference));
  }
  if (series.x.empty())
    return options.trend ? insufficient_error(
                               "nothing foretells a loss: the learning rate is never the same "
                               "over four times the tokens",
                               history.path)
                         : insufficient_error("the trace has no losses to judge", history.path);
  Findings found;
  look_for_alarms(series, options, found);
  look_for_change_points(series, found);
  if (!found.alarms.empty()) {
    date_the_beginning(series, found);
    measure(series, found);
  }
  const std::string what = what_of(options, name);
  const bool svg = common.output.ends_with(".svg");
  if (svg || common.output.ends_with(".png")) {
    print_out(BALLAST_TRY(run_gnuplot(script(series, found, what, svg, run_title(history)))));
  } else {
    print_out(common.json ? to_json_line(findings_json(series, found, options)) + "\n"
                          : findings_text(series, found, what, options));
  }
  if (!fails) return static_cast<int>(kExitDone);
  if (!found.alarms.empty()) return static_cast<int>(kExitNo);
  return static_cast<int>(found.tested ? kExitDone : kExitInsufficient);
}

}  // namespace

VerbRun add_drift(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<DriftOptions>();
  add_trace_input(app, options->input, Operands::one);
  path_option(app.add_option("--reference", options->reference,
                             "judge the difference to this run at the same number of tokens"));
  app.add_flag("--trend", options->trend,
               "judge the loss above what a line in log tokens foretold, from its own past");
  count_option(app, "--every", options->every,
               "at most one false alarm in so many values, on average");
  app.add_option("--least", options->least, "rises that are smaller are no drift")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--fail-on", options->fail_on, "exit 1 when this was seen: drift")->delimiter(',');
  return [options, &common] {
    if (options->every < 1)
      return Result<int>(usage_error("the number is out of range", "--every", "1 or more"));
    return drift(*options, common);
  };
}

}  // namespace ballast
