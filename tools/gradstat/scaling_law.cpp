// `scaling fit`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/stats/moments.h"
#include "libcore/stats/robust.h"
#include "libcore/stats/scaling_fit.h"
#include "tools/gradstat/scaling_actions.h"

namespace ballast {
namespace {

struct Estimate {
  double value = 0;
  double low = RunRow::kAbsent, high = RunRow::kAbsent, error = RunRow::kAbsent;
};

struct Report {
  RunTable runs;
  ScalingFit fit;
  std::vector<ScalingLaw> samples;
  int64_t asked = 0;  // samples
  std::vector<double> budgets;
};

constexpr int64_t kFewestSamples = 100;  // for 2.5 % tails

Estimate estimate(const Report& report, const std::function<double(const ScalingLaw&)>& of) {
  Estimate e;
  e.value = of(report.fit.law);
  if (static_cast<int64_t>(report.samples.size()) < kFewestSamples) return e;
  std::vector<double> values;
  RunningMoments moments;
  for (const ScalingLaw& law : report.samples) {
    const double value = of(law);
    if (!std::isfinite(value)) continue;
    values.push_back(value);
    moments.add(value);
  }
  e.low = quantile(values, 0.025);
  e.high = quantile(values, 0.975);
  e.error = std::sqrt(moments.sample_variance());
  return e;
}

struct Named {
  const char* name;
  const char* key;
  std::function<double(const ScalingLaw&)> of;
};
const std::vector<Named>& numbers() {
  static const std::vector<Named> list = {
      {"E", "E", [](const ScalingLaw& l) { return l.E(); }},
      {"A", "A", [](const ScalingLaw& l) { return l.A(); }},
      {"B", "B", [](const ScalingLaw& l) { return l.B(); }},
      {"alpha", "alpha", [](const ScalingLaw& l) { return l.alpha; }},
      {"beta", "beta", [](const ScalingLaw& l) { return l.beta; }},
      {"N ~ C^", "exponent", [](const ScalingLaw& l) { return l.exponent(); }}};
  return list;
}

std::string row(const std::string& name, const Estimate& e) {
  std::string text = fmt::format("  {:<8} {:>12.6g}", name, e.value);
  if (std::isfinite(e.low))
    text += fmt::format("  {:>12.6g} to {:<12.6g} {:>10.4g}", e.low, e.high, e.error);
  return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

std::string span_text(const Estimate& e, const std::function<std::string(double)>& form) {
  std::string text = form(e.value);
  if (std::isfinite(e.low)) text += fmt::format(" ({} to {})", form(e.low), form(e.high));
  return text;
}

std::string count_text(double count) {
  if (!std::isfinite(count)) return "-";
  return count < 1e18 ? format_count(std::llround(count)) : fmt::format("{:.4g}", count);
}
std::string loss_text(double loss) { return fmt::format("{:.4f}", loss); }

Estimate optimum_of(const Report& report, double budget, double ScalingOptimum::*member) {
  return estimate(report,
                  [&](const ScalingLaw& law) { return scaling_optimum(law, budget).*member; });
}

std::string report_text(const Report& r) {
  const ScalingLaw& law = r.fit.law;
  std::string text = fmt::format("runs       {} cooled down, {} left out\n", r.runs.rows.size(),
                                 r.runs.left_out.size());
  text += left_out_text(r.runs.left_out);
  text += fmt::format("law        L = {:.5g} + {:.5g}/N^{:.4f} + {:.5g}/D^{:.4f}\n", law.E(),
                      law.A(), law.alpha, law.B(), law.beta);
  text += fmt::format("objective  {:.6g}, the best of {} starts, {} of which converged\n",
                      r.fit.objective, r.fit.starts, r.fit.converged);
  if (r.asked > 0)
    text += fmt::format("bootstrap  {} of {} samples converged{}\n", r.samples.size(), r.asked,
                        static_cast<int64_t>(r.samples.size()) < kFewestSamples
                            ? ": too few for intervals"
                            : "; 95 % intervals and standard errors");
  text += "\n";
  for (const Named& number : numbers()) text += row(number.name, estimate(r, number.of));
  text += "\nbest split of C = 6 N D\n";
  for (const double budget : r.budgets) {
    const Estimate n = optimum_of(r, budget, &ScalingOptimum::parameters);
    const Estimate d = optimum_of(r, budget, &ScalingOptimum::tokens);
    text +=
        fmt::format("  C {:.4g}:  N {},  D {},  {:.1f} tokens per parameter,  loss {}\n", budget,
                    span_text(n, count_text), span_text(d, count_text), d.value / n.value,
                    span_text(optimum_of(r, budget, &ScalingOptimum::loss), loss_text));
  }
  return text;
}

Json estimate_json(const Estimate& e) {
  Json json{{"value", json_number(e.value)}};
  if (!std::isfinite(e.low)) return json;
  json["low"] = json_number(e.low);
  json["high"] = json_number(e.high);
  json["standard_error"] = json_number(e.error);
  return json;
}

Json report_json(const Report& r) {
  Json json{{"v", 1},
            {"type", "scaling_fit"},
            {"runs", r.runs.rows.size()},
            {"left_out", left_out_json(r.runs.left_out)}};
  for (const Named& number : numbers()) json[number.key] = estimate_json(estimate(r, number.of));
  json["objective"] = json_number(r.fit.objective);
  json["starts"] = r.fit.starts;
  json["converged"] = r.fit.converged;
  json["bootstrap"] = r.asked;
  json["bootstrap_converged"] = r.samples.size();
  json["budgets"] = Json::array();
  for (const double budget : r.budgets)
    json["budgets"].push_back(
        {{"flops", json_number(budget)},
         {"parameters", estimate_json(optimum_of(r, budget, &ScalingOptimum::parameters))},
         {"tokens", estimate_json(optimum_of(r, budget, &ScalingOptimum::tokens))},
         {"loss", estimate_json(optimum_of(r, budget, &ScalingOptimum::loss))}});
  return json;
}

XyChart report_chart(const Report& r) {
  XyChart chart;
  chart.title = "loss against compute";
  chart.x_label = "FLOPs (6 N D)";
  chart.y_label = "loss";
  chart.log_x = true;
  XyCurve runs, best;
  runs.name = "runs";
  runs.points = true;
  double low = r.budgets.front(), high = low;
  for (const RunRow& row : r.runs.rows) {
    runs.x.push_back(6 * row.parameters * row.tokens);
    runs.y.push_back(row.loss);
    low = std::min(low, runs.x.back());
    high = std::max(high, runs.x.back());
  }
  for (const double budget : r.budgets) high = std::max(high, budget);
  best.name = "law, best split";
  for (int i = 0; i <= 100; ++i) {
    best.x.push_back(low * std::pow(high / low, i / 100.0));
    best.y.push_back(scaling_optimum(r.fit.law, best.x.back()).loss);
  }
  chart.curves = {best, runs};
  return chart;
}

// Without --budget: the largest run's compute, ten and a hundred times it.
std::vector<double> budgets_of(const ScalingOptions& options, const RunTable& runs) {
  if (!options.budgets.empty()) return options.budgets;
  double most = 0;
  for (const RunRow& row : runs.rows) most = std::max(most, 6 * row.parameters * row.tokens);
  return {most, 10 * most, 100 * most};
}

}  // namespace

Result<int> scaling_fit_action(const ScalingOptions& options, const CommonOptions& common) {
  Report report;
  report.runs = BALLAST_TRY(read_runs(options.runs, {"parameters", "tokens", "loss"}));
  // Checkpoints of a run that has a cooled end of its own are no runs, and not worth a word.
  std::erase_if(report.runs.rows, [](const RunRow& row) { return !row.final; });
  leave_out(report.runs, why_no_point);
  std::vector<ScalingPoint> points;
  for (const RunRow& row : report.runs.rows)
    points.push_back({row.parameters, row.tokens, row.loss});
  ThreadPool pool(common.threads);
  Result<ScalingFit> fit = fit_scaling(points, pool);
  if (!fit.ok()) {
    for (const LeftOut& one : report.runs.left_out)
      print_note(fmt::format("left out {}: {}", one.name, one.why));
    return fit.take_error();
  }
  report.fit = fit.take_value();
  report.asked = options.bootstrap;
  report.samples = bootstrap_scaling(points, report.fit, options.bootstrap,
                                     static_cast<uint64_t>(common.seed), pool);
  report.budgets = budgets_of(options, report.runs);
  if (!(report.fit.law.alpha > 0) || !(report.fit.law.beta > 0))
    print_warning("the loss does not fall with both size and data: the law means nothing here");
  if (common.json) {
    print_out(to_json_line(report_json(report)) + "\n");
    return static_cast<int>(kExitDone);
  }
  if (!wants_picture(common)) print_out(report_text(report));
  if (options.chart.plot) print_out("\n");
  BALLAST_TRY(show_chart(report_chart(report), options.chart, common));
  return static_cast<int>(kExitDone);
}

}  // namespace ballast
