#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "libcore/base/rng.h"
#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/stats/line_fit.h"
#include "libcore/stats/robust.h"
#include "libcore/trace/surviving.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/loss_curve.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

constexpr size_t kLeast = 20;           // losses on either side
constexpr double kPlateauShare = 0.25;  // of the steps: a learning rate that held this long
constexpr double kSameRate = 1e-6;      // relative
constexpr double kErrorFloor = 1e-9;    // of a jump, relative to the loss: of logs without noise
constexpr std::string_view kLooked[] = {"phase", "batch_size", "lr", "precision", "clip", "data"};

struct EventsOptions {
  TraceInput input;
  int64_t window = 200;
  int64_t settle = 0;
  int64_t placebos = 200;
  bool marks = false;
};

struct Moment {
  int64_t step = 0;
  std::string event, what;
};

// Statistics of one step that may have changed something.
struct Effect {
  bool measured = false;
  int64_t before_values = 0, after_values = 0;
  LineFit before, after;
  double norm_before = 0, norm_after = 0;  // medians; NaN: none
  double jump() const { return after.value - before.value; }
  double jump_error() const { return std::hypot(after.value_error, before.value_error); }
  double jump_half() const {
    return std::hypot(after.critical * after.value_error, before.critical * before.value_error);
  }
  // What the placebos are compared by: in standard errors, since the noise changes along a run.
  double jump_score() const {
    return std::abs(jump()) / std::max(jump_error(), kErrorFloor * std::abs(before.value));
  }
  double slope_score() const {
    const double error = std::hypot(after.slope_error, before.slope_error);
    return error > 0 ? std::abs(after.slope - before.slope) / error : 0;
  }
  double norm_score() const { return std::abs(std::log(norm_after / norm_before)); }
};

struct Chances {  // of the placebos; NaN: none could be had
  double jump = NAN, slope = NAN, norm = NAN;
  int64_t placebos = 0;
};

std::string described(const EventRecord& event) {
  std::string text = event.reason;
  if (event.details.is_object() && event.details.contains("from") && event.details.contains("to"))
    text += fmt::format("{}{} to {}", text.empty() ? "" : ", ", event.details.at("from").dump(),
                        event.details.at("to").dump());
  return text;
}

// The first step of a fall of the learning rate that ends a long plateau.
std::vector<Moment> cooldowns(const RunHistory& history, const std::vector<size_t>& line) {
  std::vector<Moment> found;
  size_t begin = 0;
  for (size_t i = 1; i <= line.size(); ++i) {
    const double level = history.rows[line[begin]].lr;
    const double here = i < line.size() ? history.rows[line[i]].lr : NAN;
    if (std::abs(here - level) <= kSameRate * level) continue;
    const bool held =
        static_cast<double>(i - begin) >= kPlateauShare * static_cast<double>(line.size());
    if (held && level > 0 && here < level && i + kLeast < line.size() &&
        history.rows[line[i + kLeast]].lr < here)
      found.push_back({history.rows[line[i]].step, "cooldown",
                       fmt::format("the learning rate falls from {}", short_number(level))});
    begin = i;
  }
  return found;
}

std::vector<Moment> moments_of(const RunHistory& history, const std::vector<size_t>& line,
                               const EventsOptions& options) {
  std::vector<Moment> moments = cooldowns(history, line);
  const SurvivingLine surviving(history.segments);
  for (const EventRecord& event : history.events) {
    const bool looked =
        std::find(std::begin(kLooked), std::end(kLooked), event.event) != std::end(kLooked) ||
        (options.marks && event.event == "note");
    if (looked && surviving.holds(event.segment, event.step))
      moments.push_back({event.step, event.event, described(event)});
  }
  std::stable_sort(moments.begin(), moments.end(),
                   [](const Moment& a, const Moment& b) { return a.step < b.step; });
  return moments;
}

class Measurer {
 public:
  Measurer(const LossCurve& curve, const EventsOptions& options, const std::vector<Moment>& moments)
      : curve_(curve), options_(options) {
    for (const Moment& moment : moments) borders_.insert(moment.step);
  }

  // Windows end at the neighbouring events.
  Effect at(int64_t step) const {
    const auto above = borders_.upper_bound(step);
    const auto below = borders_.lower_bound(step);
    const int64_t last = above == borders_.end() ? INT64_MAX : *above;
    const int64_t first = below == borders_.begin() ? INT64_MIN : *std::prev(below);
    const size_t middle = index_of(step);
    const size_t begin = std::max(index_of(step - options_.window), index_of(first));
    const size_t settled = index_of(step + options_.settle);
    const size_t end = std::min(index_of(step + options_.settle + options_.window), index_of(last));
    Effect effect;
    effect.before_values = static_cast<int64_t>(middle - std::min(begin, middle));
    effect.after_values = static_cast<int64_t>(end - std::min(settled, end));
    if (effect.before_values < static_cast<int64_t>(kLeast) ||
        effect.after_values < static_cast<int64_t>(kLeast))
      return effect;
    effect.measured = true;
    // Both lines are read where the first step under the new state begins.
    const double where = curve_.x[middle];
    effect.before = fit(begin, middle, where);
    effect.after = fit(settled, end, where);
    effect.norm_before = norm(begin, middle);
    effect.norm_after = norm(settled, end);
    return effect;
  }

  // The same statistics at steps drawn at random from where nothing was recorded.
  std::vector<Effect> placebos(uint64_t seed) const {
    const int64_t reach = options_.window + options_.settle;
    std::vector<int64_t> quiet;
    for (const int64_t step : curve_.steps) {
      const auto next = borders_.lower_bound(step - reach);
      const bool near = next != borders_.end() && *next <= step + reach;
      if (!near && step - curve_.steps.front() >= reach && curve_.steps.back() - step >= reach)
        quiet.push_back(step);
    }
    std::vector<Effect> effects;
    for (int64_t i = 0; i < options_.placebos && !quiet.empty(); ++i) {
      const auto pick =
          static_cast<size_t>(random_u64(seed, 1, static_cast<uint64_t>(i)) % quiet.size());
      Effect effect = at(quiet[pick]);
      if (effect.measured) effects.push_back(effect);
      quiet[pick] = quiet.back();  // each once
      quiet.pop_back();
    }
    return effects;
  }

 private:
  size_t index_of(int64_t step) const {
    return static_cast<size_t>(std::lower_bound(curve_.steps.begin(), curve_.steps.end(), step) -
                               curve_.steps.begin());
  }
  LineFit fit(size_t begin, size_t end, double where) const {
    return fit_line(std::span(curve_.x).subspan(begin, end - begin),
                    std::span(curve_.loss).subspan(begin, end - begin), where);
  }
  double norm(size_t begin, size_t end) const {
    std::vector<double> norms;
    for (size_t i = begin; i < end; ++i)
      if (std::isfinite(curve_.norm[i]) && curve_.norm[i] > 0) norms.push_back(curve_.norm[i]);
    return median(std::move(norms));
  }

  const LossCurve& curve_;
  const EventsOptions& options_;
  std::set<int64_t> borders_;
};

// Share of placebos that are at least as far out, the event itself among them.
template <class Score>
double chance(const Effect& effect, const std::vector<Effect>& placebos, Score score) {
  if (placebos.empty() || std::isnan(score(effect))) return NAN;
  int64_t beyond = 1;
  for (const Effect& placebo : placebos) beyond += score(placebo) >= score(effect);
  return static_cast<double>(beyond) / static_cast<double>(placebos.size() + 1);
}

Chances chances_of(const Effect& effect, const std::vector<Effect>& placebos) {
  return {chance(effect, placebos, [](const Effect& e) { return e.jump_score(); }),
          chance(effect, placebos, [](const Effect& e) { return e.slope_score(); }),
          chance(effect, placebos, [](const Effect& e) { return e.norm_score(); }),
          static_cast<int64_t>(placebos.size())};
}

// A power of ten near the width of a window, as the unit of slopes.
double slope_unit(const LossCurve& curve, int64_t window) {
  const double span =
      (curve.x.back() - curve.x.front()) * static_cast<double>(window) /
      static_cast<double>(std::max<int64_t>(1, curve.steps.back() - curve.steps.front()));
  return std::pow(10, std::round(std::log10(std::max(span, 1.0))));
}

std::string signed_number(double value) { return (value >= 0 ? "+" : "") + short_number(value); }

std::string p_text(double p) { return std::isnan(p) ? "p unknown" : fmt::format("p {:.3f}", p); }

std::string slope_text(const LineFit& fit, double unit) {
  const double half = fit.critical * fit.slope_error;
  return fmt::format("{} ({} to {})", signed_number(unit * fit.slope),
                     signed_number(unit * (fit.slope - half)),
                     signed_number(unit * (fit.slope + half)));
}

std::string effect_text(const Moment& moment, const Effect& e, const Chances& p,
                        const std::string& unit_name, double unit) {
  std::string text = fmt::format("step {}: {}{}{}\n", moment.step, moment.event,
                                 moment.what.empty() ? "" : ", ", moment.what);
  if (!e.measured)
    return text + fmt::format("  too few losses beside it: {} before and {} after, {} needed\n",
                              e.before_values, e.after_values, kLeast);
  text +=
      fmt::format("  loss   {:.4f} to {:.4f}, jump {} (95 %: {} to {}), {}\n", e.before.value,
                  e.after.value, signed_number(e.jump()), signed_number(e.jump() - e.jump_half()),
                  signed_number(e.jump() + e.jump_half()), p_text(p.jump));
  text += fmt::format("  slope  {} before,\n         {} after, per {}, {}\n",
                      slope_text(e.before, unit), slope_text(e.after, unit), unit_name,
                      p_text(p.slope));
  if (!std::isnan(e.norm_before) && !std::isnan(e.norm_after))
    text += fmt::format("  norm   median {} to {}, times {:.3f}, {}\n", short_number(e.norm_before),
                        short_number(e.norm_after), e.norm_after / e.norm_before, p_text(p.norm));
  return text;
}

Json line_json(const LineFit& fit) {
  return Json{{"loss", json_number(fit.value)},
              {"slope", json_number(fit.slope)},
              {"slope_low", json_number(fit.slope - fit.critical * fit.slope_error)},
              {"slope_high", json_number(fit.slope + fit.critical * fit.slope_error)}};
}

Json or_null(double value) { return std::isnan(value) ? Json(nullptr) : json_number(value); }

Json effect_json(const Moment& moment, const Effect& e, const Chances& p, CurveAxis axis) {
  Json json{{"v", 1},
            {"type", "event_effect"},
            {"step", moment.step},
            {"event", moment.event},
            {"what", moment.what},
            {"measured", e.measured},
            {"before_values", e.before_values},
            {"after_values", e.after_values}};
  if (!e.measured) return json;
  json["slope_per"] = axis == CurveAxis::tokens ? "token" : "step";
  json["before"] = line_json(e.before);
  json["after"] = line_json(e.after);
  json["jump"] = json_number(e.jump());
  json["jump_low"] = json_number(e.jump() - e.jump_half());
  json["jump_high"] = json_number(e.jump() + e.jump_half());
  json["jump_p"] = or_null(p.jump);
  json["slope_p"] = or_null(p.slope);
  json["norm_before"] = or_null(e.norm_before);
  json["norm_after"] = or_null(e.norm_after);
  json["norm_ratio"] = or_null(e.norm_after / e.norm_before);
  json["norm_p"] = or_null(p.norm);
  json["placebos"] = p.placebos;
  return json;
}

Result<int> events(const EventsOptions& options, const CommonOptions& common) {
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  const CurveAxis axis = counts_tokens(history) ? CurveAxis::tokens : CurveAxis::steps;
  const LossCurve curve = loss_curve(history, axis);
  if (curve.x.empty()) return insufficient_error("the trace has no losses", history.path);
  const std::vector<size_t> line = history.surviving_line();
  const std::vector<Moment> moments = moments_of(history, line, options);
  if (moments.empty()) {
    if (!common.json) print_out(fmt::format("no event in {} steps\n", line.size()));
    return static_cast<int>(kExitDone);
  }
  const Measurer measurer(curve, options, moments);
  const std::vector<Effect> placebos = measurer.placebos(static_cast<uint64_t>(common.seed));
  const double unit = slope_unit(curve, options.window);
  const std::string unit_name =
      format_count(std::llround(unit)) + (axis == CurveAxis::tokens ? " tokens" : " steps");
  bool any = false;
  std::string text;
  for (const Moment& moment : moments) {
    const Effect effect = measurer.at(moment.step);
    const Chances p = effect.measured ? chances_of(effect, placebos) : Chances{};
    any = any || effect.measured;
    text += common.json ? to_json_line(effect_json(moment, effect, p, axis)) + "\n"
                        : effect_text(moment, effect, p, unit_name, unit);
  }
  if (!common.json)
    text +=
        placebos.empty()
            ? fmt::format("p unknown: no step is {} steps away from every event and both ends\n",
                          options.window + options.settle)
            : fmt::format("p: share of {} steps without an event that show as much\n",
                          placebos.size());
  print_out(text);
  return static_cast<int>(any ? kExitDone : kExitInsufficient);
}

}  // namespace

VerbRun add_events(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<EventsOptions>();
  add_trace_input(app, options->input);
  app.add_option("--window", options->window, "steps before the event, and after it")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{20}, int64_t{1000000}));
  app.add_option("--settle", options->settle, "steps after the event that are left out")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1000000}));
  app.add_option("--placebos", options->placebos,
                 "quiet steps whose statistics say what happens by chance")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{100000}));
  app.add_flag("--marks", options->marks, "notes are events too");
  return [options, &common] { return events(*options, common); };
}

}  // namespace ballast
