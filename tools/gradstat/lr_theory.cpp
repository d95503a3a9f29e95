// `lr bound` and `lr transfer`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"
#include "libcore/io/json.h"
#include "libcore/optim/lr_extend.h"
#include "libcore/stats/robust.h"
#include "tools/gradstat/lr_setup.h"

namespace ballast {
namespace {

struct Rated {
  std::string name;
  std::vector<double> eta;
  std::vector<double> norms;  // empty: the constant
  double lr = 0;              // peak in use; 0: unknown
  LrBound bound;
  std::vector<int64_t> after;
  std::vector<double> curve;  // at the peak in use, or the best one
};

// Norms for `steps` steps; beyond the log, the median of its last tenth.
std::vector<double> norms_for(const LoggedSteps& logged, size_t steps) {
  std::vector<double> norms = logged.norms;
  if (norms.size() < steps) {
    const auto tail = static_cast<std::ptrdiff_t>(std::max<size_t>(1, norms.size() / 10));
    norms.resize(steps, median(std::vector<double>(norms.end() - tail, norms.end())));
  }
  norms.resize(steps);
  return norms;
}

Result<std::vector<Rated>> gather(const LrSetup& setup) {
  std::vector<Rated> list;
  if (setup.logged && !setup.logged->has_norms)
    return insufficient_error("the trace has no gradient norms");
  if (setup.schedules.empty()) {
    if (!setup.logged->has_rates)
      return insufficient_error("the trace has no learning rates", "", "name a --schedule");
    Rated rated;
    rated.name = "logged";
    rated.eta = setup.logged->rates;
    rated.norms = setup.logged->norms;
    rated.lr = *std::ranges::max_element(rated.eta);
    for (double& eta : rated.eta) eta /= rated.lr;
    list.push_back(std::move(rated));
    return list;
  }
  const std::vector<int64_t> borders = BALLAST_TRY(step_borders(setup.batches, setup.total_tokens));
  for (const NamedSchedule& named : setup.schedules) {
    Rated rated;
    rated.name = named.name;
    rated.eta = step_multipliers(named.schedule, borders);
    if (setup.logged) rated.norms = norms_for(*setup.logged, rated.eta.size());
    rated.lr = setup.peak_lr;
    list.push_back(std::move(rated));
  }
  return list;
}

Result<void> rate(Rated& rated, const LrOptions& options) {
  LrBoundSettings settings;
  settings.distance = options.distance;
  settings.norm = options.norm;
  settings.norms = rated.norms;
  rated.bound = BALLAST_TRY(lr_bound(rated.eta, settings));
  size_t first = 0;  // before it nothing moves, and there is no bound
  while (!(rated.eta[first] > 0)) ++first;
  for (const size_t i : spread(static_cast<size_t>(rated.bound.steps) - first, options.points))
    rated.after.push_back(static_cast<int64_t>(first + i) + 1);
  constexpr int64_t kMostWork = 20'000'000'000;
  if (static_cast<int64_t>(rated.after.size()) > kMostWork / rated.bound.steps)
    return usage_error("the curve has too many points for so many steps", "--points",
                       fmt::format("accepted: up to {}", kMostWork / rated.bound.steps));
  const double gamma = rated.lr > 0 ? rated.lr : rated.bound.best_gamma();
  rated.curve = BALLAST_TRY(lr_bound_curve(rated.eta, settings, gamma, rated.after));
  return {};
}

Json bound_json(const Rated& r, const LrOptions& options) {
  Json curve = Json::array();
  for (size_t i = 0; i < r.after.size(); ++i)
    curve.push_back(Json::array({r.after[i], json_number(r.curve[i])}));
  Json json{{"v", 1},
            {"type", "lr_bound"},
            {"schedule", r.name},
            {"steps", r.bound.steps},
            {"distance", json_number(options.distance)},
            {"norm", r.norms.empty() ? json_number(options.norm) : Json("logged")},
            {"distance_term", json_number(r.bound.distance_term)},
            {"noise_term", json_number(r.bound.noise_term)},
            {"best_lr", json_number(r.bound.best_gamma())},
            {"best_bound", json_number(r.bound.best())}};
  if (r.lr > 0) {
    json["lr"] = json_number(r.lr);
    json["bound_at_lr"] = json_number(r.bound.at(r.lr));
  }
  json["curve"] = curve;
  return json;
}

std::string log_text(const LoggedSteps& logged, bool own_rates, int64_t steps) {
  const auto count = static_cast<int64_t>(logged.norms.size());
  std::string text = fmt::format("logged, steps {} to {}, median {:.4g}", logged.first_step,
                                 logged.first_step + count - 1, median(logged.norms));
  if (steps > count) text += "; from there on the median of the last tenth";
  if (own_rates && logged.skipped > 0)
    text += fmt::format("\n           skipped steps ({}) have rate 0", logged.skipped);
  if (logged.filled > 0)
    text += fmt::format("\n           steps without a logged norm ({}) have the one before",
                        logged.filled);
  return text;
}

std::string bound_text(const std::vector<Rated>& list, const LrSetup& setup,
                       const LrOptions& options) {
  size_t width = 8;
  int64_t steps = 0;
  for (const Rated& r : list) {
    width = std::max(width, r.name.size());
    steps = std::max(steps, r.bound.steps);
  }
  std::string text =
      fmt::format("distance   D = {:g}{}\n", options.distance,
                  options.distance == 1 ? " (rates and bounds are in its units)" : "");
  text += "norm       G = " +
          (setup.logged ? log_text(*setup.logged, setup.schedules.empty(), steps)
                        : fmt::format("{:g}, assumed constant", options.norm)) +
          "\n\n";
  const bool at_lr = list.front().lr > 0;
  text += fmt::format("{:<{}} {:>9} {:>13} {:>13}{}\n", "schedule", width, "steps", "best peak",
                      "bound there", at_lr ? "    at peak      bound" : "");
  for (const Rated& r : list) {
    text += fmt::format("{:<{}} {:>9} {:>13.6g} {:>13.6g}", r.name, width, r.bound.steps,
                        r.bound.best_gamma(), r.bound.best());
    if (at_lr) text += fmt::format(" {:>10.4g} {:>10.6g}", r.lr, r.bound.at(r.lr));
    text += "\n";
  }
  return text +
         "\nA bound of convex optimisation: schedules compare by it, the numbers are no losses.\n";
}

XyChart bound_chart(const std::vector<Rated>& list) {
  XyChart chart;
  chart.title = "last-iterate bound";
  chart.x_label = "step";
  chart.y_label = "bound of the loss above its minimum";
  chart.log_y = true;
  for (const Rated& r : list) {
    XyCurve curve;
    curve.name = fmt::format("{} at {:.4g}", r.name, r.lr > 0 ? r.lr : r.bound.best_gamma());
    // The first steps' bounds are a hundred times those of the rest, and say nothing.
    for (size_t i = 0; i < r.after.size(); ++i) {
      if (r.after[i] * 50 < r.bound.steps) continue;
      curve.x.push_back(static_cast<double>(r.after[i]));
      curve.y.push_back(r.curve[i]);
    }
    chart.curves.push_back(std::move(curve));
  }
  return chart;
}

}  // namespace

Result<int> lr_bound_action(const LrOptions& options, const CommonOptions& common) {
  const LrSetup setup = BALLAST_TRY(set_up_lr(options));
  std::vector<Rated> list = BALLAST_TRY(gather(setup));
  LrOptions resolved = options;
  const bool chart = options.chart.plot || wants_picture(common);
  if (chart) resolved.points = std::max<int64_t>(options.points, 200);
  for (Rated& rated : list) BALLAST_TRY(rate(rated, resolved));
  if (common.json) {
    for (const Rated& rated : list) print_out(to_json_line(bound_json(rated, options)) + "\n");
    return static_cast<int>(kExitDone);
  }
  if (!wants_picture(common)) print_out(bound_text(list, setup, options));
  if (options.chart.plot) print_out("\n");
  BALLAST_TRY(show_chart(bound_chart(list), options.chart, common));
  return static_cast<int>(kExitDone);
}

Result<int> lr_transfer_action(const LrOptions& options, const CommonOptions& common) {
  if (options.chart.plot || wants_picture(common))
    return usage_error("lr transfer draws nothing", options.chart.plot ? "--plot" : "-o",
                       "lr values and lr bound do");
  if (options.schedules.size() > 2)
    return usage_error("more than two schedules", "--schedule", "from, and to");
  const LrSetup setup = BALLAST_TRY(set_up_lr(options));
  const int64_t to_tokens = BALLAST_TRY(target_tokens(options, setup, setup.total_tokens));
  if (setup.schedules.size() < 2 && to_tokens == setup.total_tokens)
    return usage_error("there is nothing to transfer to", "--schedule",
                       "give a second one, or --to-steps or --to-tokens");
  const NamedSchedule& from = setup.schedules.front();
  const NamedSchedule to = BALLAST_TRY(schedule_for(setup.schedules.back().name, setup, to_tokens));
  const auto bound_of = [&](const Schedule& schedule, int64_t tokens) -> Result<LrBound> {
    const std::vector<int64_t> borders = BALLAST_TRY(step_borders(setup.batches, tokens));
    return lr_bound(step_multipliers(schedule, borders));
  };
  const LrBound a = BALLAST_TRY(bound_of(from.schedule, setup.total_tokens));
  const LrBound b = BALLAST_TRY(bound_of(to.schedule, to_tokens));
  const double factor = b.best_gamma() / a.best_gamma();
  if (common.json) {
    Json json{{"v", 1},
              {"type", "lr_transfer"},
              {"from", from.name},
              {"from_steps", a.steps},
              {"from_best_lr", json_number(a.best_gamma())},
              {"to", to.name},
              {"to_steps", b.steps},
              {"to_best_lr", json_number(b.best_gamma())},
              {"factor", json_number(factor)}};
    if (setup.peak_lr > 0) {
      json["lr"] = json_number(setup.peak_lr);
      json["to_lr"] = json_number(setup.peak_lr * factor);
    }
    print_out(to_json_line(json) + "\n");
    return static_cast<int>(kExitDone);
  }
  print_out(fmt::format("from    {}, {} steps, best peak {:.6g} D/G\n", from.name, a.steps,
                        a.best_gamma()));
  print_out(fmt::format("to      {}, {} steps, best peak {:.6g} D/G\n", to.name, b.steps,
                        b.best_gamma()));
  print_out(fmt::format("factor  {:.4g}\n", factor));
  if (setup.peak_lr > 0)
    print_out(fmt::format("rate    {:.4g}, if {:.4g} is the best peak of the first\n",
                          setup.peak_lr * factor, setup.peak_lr));
  return static_cast<int>(kExitDone);
}

}  // namespace ballast
