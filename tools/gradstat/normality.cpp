#include "libcore/stats/normality.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "libcore/base/rng.h"
#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/stats/robust.h"
#include "libcore/stats/thinning.h"
#include "tools/gradstat/distribution_charts.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kLeastValues = 8;  // of a window, for any verdict
constexpr int64_t kFewValues = 50;
constexpr size_t kMostValues = 5000;          // Shapiro-Wilk's range
constexpr int kSimulations = 400;             // what rounding alone does
constexpr double kOneSided25 = 0.0062096653;  // share of normal values above 2.5 deviations
// ZClip's windows (arXiv 2504.02507), 135 steps each.
constexpr std::pair<int64_t, int64_t> kPaperWindows[] = {{500, 635}, {3050, 3185}};

struct NormalityOptions {
  TraceInput input;
  std::vector<std::string> windows;
  int64_t thin = 0;
  double alpha = 0.05;
};

using StepRange = std::pair<int64_t, int64_t>;  // half-open

struct SampleTests {
  Shape shape;
  TestResult shapiro, k2, anderson, jarque_bera;
  double rounded_rejects = 0;  // share of rounded normal samples that Shapiro-Wilk rejects; NaN
};

struct WindowReport {
  StepRange range;
  int64_t values = 0, unusable = 0;
  Thinning raw;
  std::vector<double> logs;  // thinned
  double tick = 0;
  int64_t distinct = 0;
  int64_t above = 0;  // of all values, above mean + 2.5 deviations
  SampleTests of_raw, of_log;
  bool enough() const { return static_cast<int64_t>(raw.values.size()) >= kLeastValues; }
};

Result<StepRange> parse_window(const std::string& word) {
  const size_t dash = word.find('-');
  if (dash == std::string::npos || dash == 0 || dash + 1 == word.size())
    return usage_error("a window is FROM-TO", "--window", word);
  const int64_t from = BALLAST_TRY(parse_count(word.substr(0, dash)));
  const int64_t to = BALLAST_TRY(parse_count(word.substr(dash + 1)));
  if (from >= to) return usage_error("the window is empty", "--window", word);
  return StepRange{from, to};
}

Result<std::vector<StepRange>> windows_of(const NormalityOptions& options,
                                          const RunHistory& history,
                                          const std::vector<size_t>& line) {
  std::vector<StepRange> windows;
  for (const std::string& word : options.windows)
    windows.push_back(BALLAST_TRY(parse_window(word)));
  if (!windows.empty()) return windows;
  const int64_t first = history.rows[line.front()].step, last = history.rows[line.back()].step;
  for (const StepRange& window : kPaperWindows)
    if (first <= window.first && window.second - 1 <= last) windows.push_back(window);
  if (!windows.empty()) return windows;
  const int64_t third = std::max<int64_t>(1, (last + 1 - first) / 3);
  for (int64_t i = 0; i < 3; ++i)
    windows.emplace_back(first + i * third, i == 2 ? last + 1 : first + (i + 1) * third);
  return windows;
}

// How often Shapiro-Wilk rejects normal values that were rounded to the tick as these were.
double rounded_rejections(const Shape& shape, int64_t n, double tick, bool logarithmic,
                          const NormalityOptions& options, int64_t seed) {
  int64_t rejected = 0;
  for (int run = 0; run < kSimulations; ++run) {
    std::vector<double> x;
    for (int64_t i = 0; i < n; ++i) {
      double value = shape.mean + shape.deviation * random_normal(static_cast<uint64_t>(seed),
                                                                  static_cast<uint64_t>(run),
                                                                  static_cast<uint64_t>(i));
      if (logarithmic) value = std::exp(value);
      value = std::round(value / tick) * tick;
      x.push_back(logarithmic ? std::log(std::max(value, tick)) : value);
    }
    const TestResult test = shapiro_wilk(x);
    rejected += !(test.p >= options.alpha);
  }
  return static_cast<double>(rejected) / kSimulations;
}

SampleTests tests_of(const std::vector<double>& values, double tick, bool logarithmic,
                     const NormalityOptions& options, int64_t seed) {
  SampleTests t;
  t.shape = shape_of(values);
  t.shapiro = shapiro_wilk(values);
  t.k2 = dagostino_k2(values);
  t.anderson = anderson_darling(values);
  t.jarque_bera = jarque_bera(values);
  t.rounded_rejects = tick > 0 && t.shape.deviation > 0
                          ? rounded_rejections(t.shape, static_cast<int64_t>(values.size()), tick,
                                               logarithmic, options, seed)
                          : NAN;
  return t;
}

WindowReport report_of(const StepRange& range, const RunHistory& history,
                       const std::vector<size_t>& line, const NormalityOptions& options,
                       int64_t seed) {
  WindowReport w;
  w.range = range;
  std::vector<double> norms;
  for (const size_t i : line) {
    const StepRow& row = history.rows[i];
    if (row.step < range.first || row.step >= range.second || !row.has_norm) continue;
    if (std::isfinite(row.norm) && row.norm > 0) {
      norms.push_back(row.norm);
    } else {
      ++w.unusable;
    }
  }
  w.values = static_cast<int64_t>(norms.size());
  if (w.values < kLeastValues) return w;
  const Shape whole = shape_of(norms);
  for (const double norm : norms) w.above += norm > whole.mean + 2.5 * whole.deviation;
  w.raw = thinned(norms, options.thin);
  if (!w.enough()) return w;
  if (w.raw.values.size() > kMostValues) w.raw.values.resize(kMostValues);
  w.tick = tick_of(norms);
  std::vector<double> sorted = w.raw.values;
  std::sort(sorted.begin(), sorted.end());
  w.distinct = std::unique(sorted.begin(), sorted.end()) - sorted.begin();
  for (const double norm : w.raw.values) w.logs.push_back(std::log(norm));
  w.of_raw = tests_of(w.raw.values, w.tick, false, options, seed);
  w.of_log = tests_of(w.logs, w.tick, true, options, seed);
  return w;
}

std::string skew_word(double skewness) {
  if (skewness > 0.3) return ", skewed to the right";
  return skewness < -0.3 ? ", skewed to the left" : "";
}

// What the numbers allow to be said, one clause each.
std::vector<std::string> verdict_of(const WindowReport& w, double alpha) {
  const auto n = static_cast<int64_t>(w.raw.values.size());
  if (w.distinct == 1) return {"all values are equal: nothing can be said"};
  const bool raw_bad = w.of_raw.shapiro.p < alpha, log_bad = w.of_log.shapiro.p < alpha;
  std::string text;
  if (raw_bad && log_bad)
    text = fmt::format("neither the norms{} nor their logarithms are normal",
                       skew_word(w.of_raw.shape.skewness));
  if (raw_bad && !log_bad)
    text = fmt::format("the norms are not normal{}; their logarithms may be",
                       skew_word(w.of_raw.shape.skewness));
  if (!raw_bad && log_bad)
    text = fmt::format("the norms may be normal; their logarithms are not{}",
                       skew_word(w.of_log.shape.skewness));
  if (!raw_bad && !log_bad) text = "both the norms and their logarithms may be normal";
  std::vector<std::string> clauses = {text + fmt::format(" (Shapiro-Wilk at {:g})", alpha)};
  if (n < kFewValues)
    clauses.push_back(fmt::format("{} independent values show only strong departures", n));
  double rounding = 0;
  if (raw_bad) rounding = w.of_raw.rounded_rejects;
  if (log_bad) rounding = std::max(rounding, w.of_log.rounded_rejects);
  if (rounding > 2 * alpha)
    clauses.push_back(fmt::format(
        "the log rounds to {:g} ({} different values): normal values rounded like this are "
        "rejected in {:.0f} % of samples",
        w.tick, w.distinct, 100 * rounding));
  clauses.push_back(fmt::format(
      "{} of {} norms are more than 2.5 deviations above the mean: {:.2f} %, of normal ones {:.2f} "
      "%",
      w.above, w.values, 100 * static_cast<double>(w.above) / static_cast<double>(w.values),
      100 * kOneSided25));
  return clauses;
}

std::string window_title(const WindowReport& w) {
  return fmt::format("steps {} to {}", w.range.first, w.range.second - 1);
}

std::string p_text(double p) {
  if (std::isnan(p)) return "-";
  return p < 1e-4 ? fmt::format("{:.1e}", p) : fmt::format("{:.4f}", p);
}

std::string window_text(const WindowReport& w, const NormalityOptions& options, int columns) {
  std::string text = fmt::format("{}: {} norms", window_title(w), w.values);
  if (w.unusable > 0) text += fmt::format(", {} not finite or not positive left out", w.unusable);
  if (w.values < kLeastValues) return text + ", too few for any test\n";
  if (!w.enough())
    return text + fmt::format(
                      ", lag-1 correlation {:.2f}: they depend on each other over the whole "
                      "window, and thinning leaves too few\n",
                      w.raw.correlation);
  text += fmt::format(", lag-1 correlation {:.2f}\n", w.raw.correlation);
  if (w.raw.every > 1)
    text += fmt::format("  thinned to 1 in {}: {} norms, correlation {:.2f}\n", w.raw.every,
                        w.raw.values.size(), w.raw.left);
  text += fmt::format("  {:<18} {:>10} {:>9}   {:>10} {:>9}\n", "", "norm", "p", "log norm", "p");
  const auto line = [&](const char* name, const TestResult& raw, const TestResult& log) {
    text += fmt::format("  {:<18} {:>10} {:>9}   {:>10} {:>9}\n", name, short_number(raw.statistic),
                        p_text(raw.p), short_number(log.statistic), p_text(log.p));
  };
  line("Shapiro-Wilk W", w.of_raw.shapiro, w.of_log.shapiro);
  line("D'Agostino K2", w.of_raw.k2, w.of_log.k2);
  line("Anderson-Darling", w.of_raw.anderson, w.of_log.anderson);
  line("Jarque-Bera", w.of_raw.jarque_bera, w.of_log.jarque_bera);
  const auto plain = [&](const char* name, double raw, double log) {
    text += fmt::format("  {:<18} {:>10} {:>9}   {:>10}\n", name, short_number(raw), "",
                        short_number(log));
  };
  plain("mean", w.of_raw.shape.mean, w.of_log.shape.mean);
  plain("deviation", w.of_raw.shape.deviation, w.of_log.shape.deviation);
  plain("skewness", w.of_raw.shape.skewness, w.of_log.shape.skewness);
  plain("kurtosis (normal 3)", w.of_raw.shape.kurtosis, w.of_log.shape.kurtosis);
  for (const std::string& clause : verdict_of(w, options.alpha)) text += "  - " + clause + "\n";
  text += "\n";
  return text + distribution_text({window_title(w), {{"norm", w.raw.values}, {"log norm", w.logs}}},
                                  columns);
}

Json tests_json(const SampleTests& t) {
  const auto test = [](const TestResult& r) {
    return Json{{"statistic", json_number(r.statistic)}, {"p", json_number(r.p)}};
  };
  return Json{{"mean", json_number(t.shape.mean)},
              {"deviation", json_number(t.shape.deviation)},
              {"skewness", json_number(t.shape.skewness)},
              {"kurtosis", json_number(t.shape.kurtosis)},
              {"shapiro_wilk", test(t.shapiro)},
              {"dagostino_k2", test(t.k2)},
              {"anderson_darling", test(t.anderson)},
              {"jarque_bera", test(t.jarque_bera)},
              {"rounded_rejects",
               std::isnan(t.rounded_rejects) ? Json(nullptr) : json_number(t.rounded_rejects)}};
}

Json window_json(const WindowReport& w, double alpha) {
  Json json{{"v", 1},
            {"type", "normality"},
            {"from", w.range.first},
            {"to", w.range.second},
            {"values", w.values},
            {"unusable", w.unusable}};
  if (w.values < kLeastValues) return json;
  json["autocorrelation"] = json_number(w.raw.correlation);
  json["thinning"] = w.raw.every;
  json["above_2_5"] = w.above;
  if (!w.enough()) return json;
  json["tested"] = w.raw.values.size();
  json["autocorrelation_left"] = json_number(w.raw.left);
  json["tick"] = w.tick > 0 ? json_number(w.tick) : Json(nullptr);
  json["distinct"] = w.distinct;
  json["norm"] = tests_json(w.of_raw);
  json["log_norm"] = tests_json(w.of_log);
  json["verdict"] = verdict_of(w, alpha);
  return json;
}

Result<void> print_picture(const std::vector<WindowReport>& reports, const RunHistory& history,
                           bool svg) {
  std::vector<SampleRow> rows;
  for (const WindowReport& w : reports)
    if (w.enough())
      rows.push_back({window_title(w), {{"norm", w.raw.values}, {"log norm", w.logs}}});
  const std::string title = history.runs.empty() || history.runs.back().run.empty()
                                ? history.path
                                : history.runs.back().run;
  print_out(BALLAST_TRY(run_gnuplot(distribution_script(rows, svg, title))));
  return {};
}

Result<int> normality(const NormalityOptions& options, const CommonOptions& common) {
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  const std::vector<size_t> line = history.surviving_line();
  const bool any_norm =
      std::any_of(line.begin(), line.end(), [&](size_t i) { return history.rows[i].has_norm; });
  if (!any_norm) return insufficient_error("the trace has no gradient norms", history.path);
  std::vector<WindowReport> reports;
  bool any = false;
  for (const StepRange& range : BALLAST_TRY(windows_of(options, history, line))) {
    reports.push_back(report_of(range, history, line, options, common.seed));
    any = any || reports.back().enough();
  }
  const bool svg = common.output.ends_with(".svg");
  if (svg || common.output.ends_with(".png")) {
    if (!any) return insufficient_error("no window has enough values to draw", history.path);
    BALLAST_TRY(print_picture(reports, history, svg));
    return static_cast<int>(kExitDone);
  }
  std::string text;
  for (const WindowReport& w : reports)
    text += common.json ? to_json_line(window_json(w, options.alpha)) + "\n"
                        : (text.empty() ? "" : "\n") + window_text(w, options, terminal_columns());
  print_out(text);
  return static_cast<int>(any ? kExitDone : kExitInsufficient);
}

}  // namespace

VerbRun add_normality(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<NormalityOptions>();
  add_trace_input(app, options->input);
  app.add_option("--window", options->windows,
                 "FROM-TO: steps from FROM to before TO, repeatable (500-635 and 3050-3185 where "
                 "the trace has them, else thirds)");
  app.add_option("--thin", options->thin,
                 "take every so manieth norm; 0: by the autocorrelation, to below 0.2")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1000000}));
  app.add_option("--alpha", options->alpha, "level at which the sentence calls a sample not normal")
      ->capture_default_str()
      ->check(CLI::Range(1e-9, 0.5));
  return [options, &common] { return normality(*options, common); };
}

}  // namespace ballast
