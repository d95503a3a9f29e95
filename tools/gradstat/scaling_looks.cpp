// `scaling points`, `scaling savings` and `scaling lr`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "libcore/base/units.h"
#include "tools/gradstat/scaling_actions.h"

namespace ballast {
namespace {

std::string count_text(double count) {
  return count < 1e18 ? format_count(std::llround(count)) : fmt::format("{:.4g}", count);
}

struct Points {
  RunTable runs;
  RowFlops flops;
  std::vector<bool> on_envelope;
  std::vector<size_t> envelope, order;  // both ascending in compute
};

Result<Points> gather_points(const ScalingOptions& options) {
  Points p;
  p.runs = BALLAST_TRY(read_runs(options.runs, {"parameters", "tokens", "loss"}));
  leave_out(p.runs, [](RunRow row) {
    row.cooled = true;  // both kinds are shown
    return why_no_point(row);
  });
  if (p.runs.rows.empty()) return insufficient_error("no run can be placed");
  p.flops = flops_of(p.runs.rows);
  std::vector<ComputePoint> points;
  for (size_t i = 0; i < p.runs.rows.size(); ++i) {
    points.push_back({p.flops.values[i], p.runs.rows[i].loss});
    p.order.push_back(i);
  }
  p.envelope = loss_envelope(points);
  p.on_envelope.assign(points.size(), false);
  for (const size_t i : p.envelope) p.on_envelope[i] = true;
  std::ranges::stable_sort(p.order, {}, [&](size_t i) { return points[i].flops; });
  return p;
}

// A checkpoint at a constant rate of the same size and length, if there is one: what the cooldown
// brought. NaN without.
double gain_of(const Points& p, size_t i) {
  const RunRow& row = p.runs.rows[i];
  if (!row.cooled) return RunRow::kAbsent;
  for (const RunRow& other : p.runs.rows)
    if (!other.cooled && other.parameters == row.parameters && other.tokens == row.tokens)
      return other.loss - row.loss;
  return RunRow::kAbsent;
}

std::string points_text(const Points& p) {
  std::string text = fmt::format("{:>10}  {:>10} {:>10}  {:>8}  {:<8} {:>8}  run\n",
                                 p.flops.how == "6ND" ? "6ND" : "FLOPs", "parameters", "tokens",
                                 "loss", "rate", "gained");
  for (const size_t i : p.order) {
    const RunRow& row = p.runs.rows[i];
    const double gain = gain_of(p, i);
    text += fmt::format("{:>10.4g}  {:>10} {:>10}  {:>8.4f}{} {:<8} {:>8}  {}\n", p.flops.values[i],
                        count_text(row.parameters), count_text(row.tokens), row.loss,
                        p.on_envelope[i] ? "*" : " ", row.cooled ? "cooled" : "constant",
                        std::isfinite(gain) ? fmt::format("{:.4f}", gain) : "-", row.name);
  }
  text += fmt::format(
      "\n* on the envelope: no other run here has a lower loss for as little compute ({})\n",
      p.flops.how == "6ND"     ? "6 N D; shapes are not known of all"
      : p.flops.how == "shape" ? "forward and backward, by the models' shapes"
                               : "as the tables give it");
  return text + left_out_text(p.runs.left_out);
}

void print_points_json(const Points& p) {
  for (const size_t i : p.order) {
    const RunRow& row = p.runs.rows[i];
    Json json{{"v", 1},
              {"type", "scaling_point"},
              {"name", row.name},
              {"parameters", json_number(row.parameters)},
              {"tokens", json_number(row.tokens)},
              {"loss", json_number(row.loss)},
              {"flops", json_number(p.flops.values[i])},
              {"flops_by", p.flops.how},
              {"cooled", row.cooled},
              {"envelope", p.on_envelope[i] == true}};
    if (const double gain = gain_of(p, i); std::isfinite(gain))
      json["cooldown_gain"] = json_number(gain);
    print_out(to_json_line(json) + "\n");
  }
  for (const LeftOut& one : p.runs.left_out)
    print_out(to_json_line(Json{
                  {"v", 1}, {"type", "scaling_left_out"}, {"name", one.name}, {"why", one.why}}) +
              "\n");
}

XyChart points_chart(const Points& p) {
  XyChart chart;
  chart.title = "loss envelope over compute";
  chart.x_label = p.flops.how == "6ND" ? "FLOPs (6 N D)" : "FLOPs";
  chart.y_label = "loss";
  chart.log_x = true;
  XyCurve envelope, cooled, constant;
  envelope.name = "envelope";
  cooled.name = "cooled down";
  constant.name = "constant rate";
  cooled.points = constant.points = true;
  for (const size_t i : p.envelope) {
    envelope.x.push_back(p.flops.values[i]);
    envelope.y.push_back(p.runs.rows[i].loss);
  }
  for (const size_t i : p.order) {
    XyCurve& curve = p.runs.rows[i].cooled ? cooled : constant;
    curve.x.push_back(p.flops.values[i]);
    curve.y.push_back(p.runs.rows[i].loss);
  }
  chart.curves = {envelope, cooled};
  if (!constant.x.empty()) chart.curves.push_back(constant);
  return chart;
}

// Horizons by size; of --horizons with a size of 0 (not known) or --parameters.
using Horizons = std::map<double, std::vector<double>>;

Result<Horizons> gather_horizons(const ScalingOptions& options, RunTable& runs) {
  Horizons horizons;
  if (!options.horizons.empty()) {
    if (!options.runs.inputs.empty())
      return usage_error("--horizons and tables exclude each other");
    std::vector<double> sizes{0};
    if (!options.parameters.empty())
      sizes = BALLAST_TRY(parse_counts(options.parameters, "--parameters"));
    for (const std::string& item : options.horizons) {
      const double horizon = BALLAST_TRY(parse_counts(item, "--horizons")).front();
      for (const double size : sizes) horizons[size].push_back(horizon);
    }
    return horizons;
  }
  if (!options.parameters.empty())
    return usage_error("the tables have the sizes", "--parameters", "only with --horizons");
  runs = BALLAST_TRY(read_runs(options.runs, {"parameters", "tokens"}));
  leave_out(runs, [](RunRow row) {
    row.loss = 1;  // not needed
    return why_no_point(row);
  });
  for (const RunRow& row : runs.rows) horizons[row.parameters].push_back(row.tokens);
  if (horizons.empty()) return insufficient_error("no run can be counted");
  return horizons;
}

Result<double> cooldown_share(const std::string& text) {
  const bool percent = text.ends_with('%');
  const Result<double> value =
      parse_double(std::string_view(text).substr(0, text.size() - (percent ? 1 : 0)));
  const double share = value.ok() ? *value / (percent ? 100 : 1) : -1;
  if (!(share > 0 && share < 1))
    return usage_error(fmt::format("'{}' is not accepted", text), "--cooldown",
                       "a share like 20% or 0.2");
  return share;
}

Json saving_json(double size, size_t runs, const BranchingCost& cost) {
  Json json{{"v", 1}, {"type", "scaling_savings"}, {"runs", runs}};
  json["parameters"] = size > 0 ? json_number(size) : Json();
  json["separate"] = json_number(cost.separate);
  json["branched"] = json_number(cost.branched);
  json["share"] = json_number(cost.branched / cost.separate);
  return json;
}

std::string saving_row(const std::string& size, size_t runs, const BranchingCost& cost) {
  return fmt::format("{:>10} {:>6}  {:>12.4g} {:>12.4g}  {:>6.1f} %\n", size, runs, cost.separate,
                     cost.branched, 100 * (1 - cost.branched / cost.separate));
}

struct Sized {
  double parameters = 0;
  LrOptimum optimum;
};

std::string lr_text(const std::vector<Sized>& sizes, const PowerLaw& law,
                    const std::vector<double>& wanted, const RunTable& runs) {
  std::string text = fmt::format("{:>10}  {:>12}  {:>8}  {:>4}  {:>12}\n", "parameters",
                                 "best rate", "loss", "runs", "by the law");
  for (const Sized& s : sizes)
    text += fmt::format("{:>10}  {:>12.4g}  {:>8.4f}  {:>4}  {:>12.4g}\n", count_text(s.parameters),
                        s.optimum.lr, s.optimum.loss, s.optimum.runs, law.at(s.parameters));
  text += left_out_text(runs.left_out);
  text += fmt::format("\nlaw        {:.4g} N^{:.4f}, exponent {:.4f} to {:.4f} (95 %)\n",
                      std::exp(law.log_factor), law.exponent, law.exponent_low, law.exponent_high);
  for (const double n : wanted) {
    const PowerLaw::Interval interval = law.interval_at(n);
    text += fmt::format("at {:>7}  {:.4g} ({:.4g} to {:.4g})\n", count_text(n), law.at(n),
                        interval.low, interval.high);
  }
  return text;
}

Json lr_json(const std::vector<Sized>& sizes, const PowerLaw& law,
             const std::vector<double>& wanted, const RunTable& runs) {
  Json json{{"v", 1},
            {"type", "scaling_lr"},
            {"factor", json_number(std::exp(law.log_factor))},
            {"exponent", json_number(law.exponent)},
            {"exponent_low", json_number(law.exponent_low)},
            {"exponent_high", json_number(law.exponent_high)},
            {"sizes", Json::array()},
            {"at", Json::array()},
            {"left_out", left_out_json(runs.left_out)}};
  for (const Sized& s : sizes)
    json["sizes"].push_back({{"parameters", json_number(s.parameters)},
                             {"lr", json_number(s.optimum.lr)},
                             {"loss", json_number(s.optimum.loss)},
                             {"runs", s.optimum.runs}});
  for (const double n : wanted) {
    const PowerLaw::Interval interval = law.interval_at(n);
    json["at"].push_back({{"parameters", json_number(n)},
                          {"lr", json_number(law.at(n))},
                          {"low", json_number(interval.low)},
                          {"high", json_number(interval.high)}});
  }
  return json;
}

XyChart lr_chart(const std::vector<Sized>& sizes, const PowerLaw& law,
                 const std::vector<double>& wanted) {
  XyChart chart;
  chart.title = "best learning rate against size";
  chart.x_label = "parameters";
  chart.y_label = "learning rate";
  chart.log_x = chart.log_y = true;
  XyCurve line, low, high, points;
  points.name = "minima of sweeps";
  points.points = true;
  double least = sizes.front().parameters, most = sizes.back().parameters;
  for (const Sized& s : sizes) {
    points.x.push_back(s.parameters);
    points.y.push_back(s.optimum.lr);
  }
  for (const double n : wanted) {
    least = std::min(least, n);
    most = std::max(most, n);
  }
  line.name = "law";
  low.name = "95 %, low";
  high.name = "95 %, high";
  for (int i = 0; i <= 100; ++i) {
    const double n = least * std::pow(most / least, i / 100.0);
    const PowerLaw::Interval interval = law.interval_at(n);
    for (XyCurve* curve : {&line, &low, &high}) curve->x.push_back(n);
    line.y.push_back(law.at(n));
    low.y.push_back(interval.low);
    high.y.push_back(interval.high);
  }
  chart.curves = {line, points, low, high};
  return chart;
}

}  // namespace

Result<int> scaling_points_action(const ScalingOptions& options, const CommonOptions& common) {
  const Points points = BALLAST_TRY(gather_points(options));
  if (common.json) {
    print_points_json(points);
    return static_cast<int>(kExitDone);
  }
  if (!wants_picture(common)) print_out(points_text(points));
  if (options.chart.plot) print_out("\n");
  BALLAST_TRY(show_chart(points_chart(points), options.chart, common));
  return static_cast<int>(kExitDone);
}

Result<int> scaling_savings_action(const ScalingOptions& options, const CommonOptions& common) {
  RunTable runs;
  const Horizons horizons = BALLAST_TRY(gather_horizons(options, runs));
  const double share = BALLAST_TRY(cooldown_share(options.cooldown));
  const bool sized = horizons.begin()->first > 0;
  BranchingCost total;
  size_t count = 0;
  std::string text = fmt::format("{:>10} {:>6}  {:>12} {:>12}  {:>8}\n", "parameters", "runs",
                                 sized ? "FLOPs apart" : "tokens apart", "branched", "saved");
  for (const auto& [size, list] : horizons) {
    BranchingCost cost = branching_cost(list, share);
    const double unit = size > 0 ? 6 * size : 1;
    cost.separate *= unit;
    cost.branched *= unit;
    total.separate += cost.separate;
    total.branched += cost.branched;
    count += list.size();
    if (common.json) print_out(to_json_line(saving_json(size, list.size(), cost)) + "\n");
    text += saving_row(size > 0 ? count_text(size) : "-", list.size(), cost);
  }
  if (common.json) {
    Json json = saving_json(0, count, total);
    json["total"] = true;
    print_out(to_json_line(json) + "\n");
    return static_cast<int>(kExitDone);
  }
  if (horizons.size() > 1) text += saving_row("total", count, total);
  text += fmt::format(
      "\nApart: every length trained from the start. Branched: of each size one run at a constant\n"
      "rate, from which a cooldown of {:g} % of each length leaves; compute is 6 N D.\n",
      100 * share);
  print_out(text + left_out_text(runs.left_out));
  return static_cast<int>(kExitDone);
}

Result<int> scaling_lr_action(const ScalingOptions& options, const CommonOptions& common) {
  RunTable runs = BALLAST_TRY(read_runs(options.runs, {"parameters", "lr", "loss"}));
  std::vector<double> wanted;
  if (!options.parameters.empty())
    wanted = BALLAST_TRY(parse_counts(options.parameters, "--parameters"));
  leave_out(runs, [](const RunRow& row) -> std::string {
    if (!row.final || !row.cooled) return "not cooled down";
    if (!(row.parameters > 0) || !std::isfinite(row.parameters)) return "no parameters";
    if (!(row.lr > 0) || !std::isfinite(row.lr)) return "no learning rate";
    return std::isfinite(row.loss) ? "" : "no finite loss: it diverged";
  });
  std::map<double, std::vector<SweepRun>> sweeps;
  for (const RunRow& row : runs.rows) sweeps[row.parameters].push_back({row.lr, row.loss});
  std::vector<Sized> sizes;
  std::vector<double> n, lr;
  for (const auto& [size, sweep] : sweeps) {
    const Result<LrOptimum> optimum = best_sweep_lr(sweep);
    if (!optimum.ok()) {
      runs.left_out.push_back({count_text(size) + " parameters", optimum.error().message()});
      continue;
    }
    sizes.push_back({size, *optimum});
    n.push_back(size);
    lr.push_back(optimum->lr);
  }
  Result<PowerLaw> law = fit_power_law(n, lr);
  if (!law.ok()) {
    Error error = law.take_error();
    if (!runs.left_out.empty())
      error.why +=
          fmt::format("; left out {}: {}", runs.left_out.back().name, runs.left_out.back().why);
    return error;
  }
  if (common.json) {
    print_out(to_json_line(lr_json(sizes, *law, wanted, runs)) + "\n");
    return static_cast<int>(kExitDone);
  }
  if (!wants_picture(common)) print_out(lr_text(sizes, *law, wanted, runs));
  if (options.chart.plot) print_out("\n");
  BALLAST_TRY(show_chart(lr_chart(sizes, *law, wanted), options.chart, common));
  return static_cast<int>(kExitDone);
}

}  // namespace ballast
