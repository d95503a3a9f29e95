// `lr extend`.
#include <fmt/format.h>

#include <cmath>

#include "libcore/base/units.h"
#include "libcore/io/json.h"
#include "libcore/optim/lr_extend.h"
#include "tools/gradstat/lr_setup.h"

namespace ballast {
namespace {

// What the runs that Schaipp et al. released gained by an extension over the same rate with the
// same share of cooldown, in nats per token of their full validation losses.
constexpr const char* kGain =
    "Expect little: in the paper's runs of 124M and 210M parameters, 50k steps made 100k or 200k,\n"
    "either way ended 0.006 to 0.022 nats lower than with the rate kept.\n";

struct Plans {
  std::string name;
  ExtensionRequest request;
  double old_gamma = 0;
  LrBound kept;   // rate and share of cooldown kept
  LrBound fresh;  // a run of the new length from the start, free to choose its rate
  Extension two_stage, cooldown;
};

Result<int64_t> transition_of(const LrOptions& options, const LrSetup& setup) {
  const std::string& text = options.transition;
  const Error refused = usage_error(fmt::format("'{}' is not accepted", text), "--transition",
                                    "tokens like 1B, steps like 1000steps, or a share like 2%");
  if (text.ends_with('%')) {
    const Result<double> percent = parse_double(std::string_view(text).substr(0, text.size() - 1));
    if (!percent.ok() || *percent < 0 || *percent > 100) return refused;
    return static_cast<int64_t>(
        std::llround(*percent / 100 * static_cast<double>(setup.total_tokens)));
  }
  const Result<Length> length = parse_length(text);
  if (!length.ok()) return refused;
  if (length->steps && !setup.batches.constant())
    return usage_error("the batch size changes during the run", "--transition",
                       "give tokens or a share");
  const int64_t unit = length->steps ? setup.batches.first() : 1;
  if (length->count > setup.total_tokens / unit) return refused;
  return length->count * unit;
}

Result<Plans> make_plans(const LrOptions& options) {
  const LrSetup setup = BALLAST_TRY(set_up_lr(options));
  if (setup.schedules.size() > 1)
    return usage_error("more than one schedule", "--schedule", "the finished run's");
  const int64_t to_tokens = BALLAST_TRY(target_tokens(options, setup, 0));
  if (to_tokens == 0)
    return usage_error("the new length is missing", "", "--to-steps or --to-tokens");
  Plans plans;
  plans.name = setup.schedules.front().name;
  ExtensionRequest& request = plans.request;
  request.old = setup.schedules.front().schedule;
  request.borders = BALLAST_TRY(step_borders(setup.batches, setup.total_tokens));
  request.new_borders = BALLAST_TRY(step_borders(setup.batches, to_tokens));
  request.transition_tokens = BALLAST_TRY(transition_of(options, setup));
  plans.two_stage = BALLAST_TRY(extend_schedule(request, ExtensionWay::two_stage));
  plans.cooldown = BALLAST_TRY(extend_schedule(request, ExtensionWay::cooldown));
  plans.old_gamma =
      BALLAST_TRY(lr_bound(step_multipliers(request.old, request.borders))).best_gamma();
  const double share = static_cast<double>(request.old.cooldown_tokens) /
                       static_cast<double>(request.old.total_tokens);
  const Schedule kept = BALLAST_TRY(extended_schedule(request, ExtensionWay::cooldown, share));
  plans.kept = plans.fresh = BALLAST_TRY(lr_bound(step_multipliers(kept, request.new_borders)));
  return plans;
}

Json note_of(const Plans& plans, const Extension& e) {
  const bool two_stage = e.way == ExtensionWay::two_stage;
  Json note{{"from", plans.name},
            {"from_tokens", plans.request.borders.back()},
            {"tokens", plans.request.new_borders.back()},
            {"way", two_stage ? "two-stage" : "cooldown"},
            {two_stage ? "rho" : "cooldown", json_number(e.value)},
            {"grid", json_number(e.grid_value)},
            {"old_best_lr", json_number(plans.old_gamma)},
            {"new_best_lr", json_number(e.bound.best_gamma())},
            {"bound", json_number(e.bound.at(plans.old_gamma))},
            {"bound_kept", json_number(plans.kept.at(plans.old_gamma))},
            {"branch_at_or_before", e.branch_from}};
  return note;
}

std::string row(const char* what, const std::string& solved, const std::string& grid,
                const LrBound& bound, double gamma, const std::string& branch) {
  return fmt::format("{:<26} {:>8} {:>8} {:>12.6g} {:>12.6g}  {}\n", what, solved, grid,
                     bound.best_gamma(), bound.at(gamma), branch);
}

std::string way_row(const char* what, const Extension& e, const Plans& plans) {
  if (!e.found) return fmt::format("{:<26} nothing within reach of the new length\n", what);
  return row(what, fmt::format("{:.4f}", e.value), fmt::format("{:.4g}", e.grid_value), e.bound,
             plans.old_gamma, fmt::format("{}", e.branch_from));
}

std::string plans_text(const Plans& plans) {
  std::string text =
      fmt::format("finished  {}, {} steps, {} tokens\nlonger    {} steps, {} tokens\n\n",
                  plans.name, plans.request.borders.size() - 1, plans.request.borders.back(),
                  plans.request.new_borders.size() - 1, plans.request.new_borders.back());
  text += fmt::format("{:<26} {:>8} {:>8} {:>12} {:>12}  {}\n", "", "solved", "grid", "best peak",
                      "bound", "branch at or before (tokens)");
  const auto hold = plans.request.old.total_tokens - plans.request.old.cooldown_tokens;
  text += row("rate kept", "-", "-", plans.kept, plans.old_gamma, fmt::format("{}", hold));
  text += way_row("two-stage: rate times", plans.two_stage, plans);
  text += way_row("longer cooldown: share", plans.cooldown, plans);
  text += row("new run, rate tuned anew", "-", "-", plans.fresh, plans.fresh.best_gamma(), "-");
  text += fmt::format(
      "\nBest peaks in units of D/G; the finished run's is {:.6g}, and bounds are at that rate.\n"
      "Grid: the nearest of the paper's {} values. --json prints a file for\n"
      "pretrain --branch RUN@STEP --schedule file:F.\n",
      plans.old_gamma, kExtensionGrid);
  return text + kGain;
}

XyChart plans_chart(const Plans& plans, const Extension& e) {
  XyChart chart;
  chart.title = "extension of " + plans.name;
  chart.x_label = "tokens";
  chart.y_label = "multiple of the peak rate";
  const auto add = [&](const std::string& name, const Schedule& schedule,
                       const std::vector<int64_t>& borders) {
    XyCurve curve;
    curve.name = name;
    for (const size_t i : spread(borders.size() - 1, 2000)) {
      curve.x.push_back(static_cast<double>(borders[i]));
      curve.y.push_back(schedule.multiplier(borders[i], borders[i + 1] - borders[i]));
    }
    chart.curves.push_back(std::move(curve));
  };
  add("extended", e.schedule, plans.request.new_borders);
  add("finished run", plans.request.old, plans.request.borders);
  return chart;
}

}  // namespace

Result<int> lr_extend_action(const LrOptions& options, const CommonOptions& common) {
  const Plans plans = BALLAST_TRY(make_plans(options));
  const Extension& chosen = options.way == "two-stage" ? plans.two_stage : plans.cooldown;
  const bool chart = options.chart.plot || wants_picture(common);
  if (!chosen.found && (common.json || chart))
    return insufficient_error(
        fmt::format("no value of {} keeps the rate the best one at the new length", options.way),
        "--way", "try the other, or a shorter length");
  if (common.json) {
    print_out(schedule_file_text(chosen.schedule, to_json_line(note_of(plans, chosen))) + "\n");
    return static_cast<int>(kExitDone);
  }
  if (!wants_picture(common)) print_out(plans_text(plans));
  if (chart) {
    if (options.chart.plot) print_out("\n");
    BALLAST_TRY(show_chart(plans_chart(plans, chosen), options.chart, common));
  }
  return static_cast<int>(kExitDone);
}

}  // namespace ballast
