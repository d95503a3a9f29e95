#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "tools/gradstat/braille.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/run_comparison.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kLevels = 8;    // rows of the table of equal losses
constexpr size_t kDrawn = 1200;   // points of the chart
constexpr size_t kMostText = 60;  // of a setting

struct DiffOptions {
  TraceInput input;  // what both share; the operand is A
  std::string second;
  std::string by = "auto";
  int64_t smooth = 0;
  std::vector<std::string> fail_on;
};

struct Comparison {
  std::string a, b;
  BitComparison bits;
  LossComparison losses;
  std::vector<SettingDifference> settings;
};

std::string axis_word(CurveAxis axis) { return axis == CurveAxis::tokens ? "tokens" : "steps"; }

std::string count_text(double value) { return format_count(std::llround(value)); }

std::string bits_text(const BitComparison& bits) {
  if (bits.common == 0) return "bits      no step in common\n";
  std::string text;
  if (!bits.first_difference) {
    text = fmt::format("bits      losses and norms of all {} common steps, {} to {}, are equal\n",
                       bits.common, bits.first, bits.last);
  } else {
    const BitDifference& d = *bits.first_difference;
    const std::string name = d.field == "loss" ? "loss" : "norm";
    text =
        fmt::format("bits      {} at step {}: {} {} and {}; {} of {} common steps differ\n",
                    d.step == bits.first ? "different from the start," : "first different", d.step,
                    name, format_double(d.a), format_double(d.b), bits.different, bits.common);
  }
  if (bits.only_a + bits.only_b > 0)
    text += fmt::format("          {} steps between {} and {} are in A alone, {} in B alone\n",
                        bits.only_a, bits.first, bits.last, bits.only_b);
  return text;
}

std::string chart(const LossComparison& c) {
  std::vector<int64_t> positions;
  std::vector<double> values;
  const size_t stride = c.x.size() / kDrawn + 1;
  for (size_t i = 0; i < c.x.size(); i += stride) {
    positions.push_back(std::llround(c.x[i]));
    values.push_back(c.difference[i]);
  }
  const Style& s = style(Stream::out);
  BrailleChart chart;
  chart.title = fmt::format("loss of B minus loss of A over {}", axis_word(c.axis));
  chart.steps = &positions;
  chart.series = {{&values, s.blue}};
  chart.columns = std::min(terminal_columns(), 160);
  return draw(chart, s.reset);
}

std::string equal_text(const LossComparison& c) {
  if (c.equal.empty()) return "equal     no loss that both reach\n";
  const bool times = c.a.has_seconds && c.b.has_seconds;
  std::string text =
      fmt::format("equal     {:>9} {:>12} {:>12} {:>9}{}\n", "loss", "A " + axis_word(c.axis),
                  "B " + axis_word(c.axis), "A / B",
                  times ? fmt::format(" {:>10} {:>10} {:>9}", "A time", "B time", "A / B") : "");
  for (const EqualLoss& e : c.equal) {
    text += fmt::format("          {:>9.4f} {:>12} {:>12} {:>9.3f}", e.loss, count_text(e.a),
                        count_text(e.b), e.speed_up());
    if (times)
      text += fmt::format(" {:>10} {:>10} {:>9}", format_seconds(e.seconds_a),
                          format_seconds(e.seconds_b),
                          e.seconds_b > 0 ? fmt::format("{:.3f}", e.speed_up_in_time()) : "-");
    text += "\n";
  }
  return text;
}

std::string setting_text(const std::string& value) {
  if (value.empty()) return "not recorded";
  return value.size() <= kMostText ? value : value.substr(0, kMostText - 3) + "...";
}

std::string comparison_text(const Comparison& c) {
  std::string text = fmt::format("A         {}\nB         {}\n", c.a, c.b) + bits_text(c.bits);
  if (!c.losses.x.empty()) {
    text += fmt::format("common    {} to {}\n", position_text(c.losses.axis, c.losses.x.front()),
                        position_text(c.losses.axis, c.losses.x.back()));
    if (!std::isnan(c.losses.mean))
      text +=
          fmt::format("loss      B is {:+.5f} (95 %: {:+.5f} to {:+.5f}) off A in the last tenth\n",
                      c.losses.mean, c.losses.low, c.losses.high);
    text += equal_text(c.losses);
  } else {
    text += fmt::format("common    no {}\n", axis_word(c.losses.axis));
  }
  for (const SettingDifference& d : c.settings)
    text += fmt::format("setting   {}: {} | {}\n", d.name, setting_text(d.a), setting_text(d.b));
  return c.losses.x.empty() ? text : text + chart(c.losses);
}

Json or_null(double value) { return std::isnan(value) ? Json(nullptr) : json_number(value); }

Json comparison_json(const Comparison& c) {
  Json json{{"v", 1},
            {"type", "diff"},
            {"a", c.a},
            {"b", c.b},
            {"by", axis_word(c.losses.axis)},
            {"common_steps", c.bits.common},
            {"same_bits", c.bits.common > 0 && c.bits.same()},
            {"different_steps", c.bits.different},
            {"only_a", c.bits.only_a},
            {"only_b", c.bits.only_b}};
  if (c.bits.first_difference) {
    const BitDifference& d = *c.bits.first_difference;
    json["first_difference"] = Json{
        {"step", d.step}, {"field", d.field}, {"a", json_number(d.a)}, {"b", json_number(d.b)}};
  }
  json["difference"] = or_null(c.losses.mean);
  json["difference_low"] = or_null(c.losses.low);
  json["difference_high"] = or_null(c.losses.high);
  Json equal = Json::array();
  for (const EqualLoss& e : c.losses.equal)
    equal.push_back(Json{{"loss", json_number(e.loss)},
                         {"a", json_number(e.a)},
                         {"b", json_number(e.b)},
                         {"speed_up", json_number(e.speed_up())},
                         {"seconds_a", or_null(e.seconds_a)},
                         {"seconds_b", or_null(e.seconds_b)}});
  json["equal_loss"] = std::move(equal);
  Json settings = Json::object();
  for (const SettingDifference& d : c.settings) settings[d.name] = Json{{"a", d.a}, {"b", d.b}};
  json["settings"] = std::move(settings);
  return json;
}

std::string script(const Comparison& c, bool svg) {
  PicturePanel losses{"loss",
                      {{"A: " + c.a, c.losses.a.x, c.losses.smooth_a},
                       {"B: " + c.b, c.losses.b.x, c.losses.smooth_b}},
                      false};
  PicturePanel difference{"B minus A", {{"difference", c.losses.x, c.losses.difference}}, false};
  PicturePanel ratio{
      fmt::format("{} of A / B to equal loss", axis_word(c.losses.axis)), {{}}, false};
  ratio.lines[0].name = "speed-up of B";
  for (const EqualLoss& e : c.losses.equal) {
    ratio.lines[0].x.push_back(e.b);
    ratio.lines[0].y.push_back(e.speed_up());
  }
  std::vector<PicturePanel> panels = {losses};
  if (!c.losses.x.empty()) panels.push_back(difference);
  if (c.losses.equal.size() > 1) panels.push_back(ratio);
  return panel_script(panels, {}, axis_word(c.losses.axis), false, svg, c.a + " | " + c.b);
}

Result<CurveAxis> axis_of(const std::string& by, const RunHistory& a, const RunHistory& b) {
  if (by == "step") return CurveAxis::steps;
  const bool tokens = counts_tokens(a) && counts_tokens(b);
  if (by == "tokens" && !tokens)
    return insufficient_error("a trace does not count tokens", (counts_tokens(a) ? b : a).path,
                              "give --by step");
  if (!tokens) print_note("aligned by steps: a trace does not count tokens");
  return tokens ? CurveAxis::tokens : CurveAxis::steps;
}

Result<int> diff(const DiffOptions& options, const CommonOptions& common) {
  for (const std::string& word : options.fail_on)
    if (word != "difference")
      return usage_error(fmt::format("'{}' is not built", word), "--fail-on", "difference");
  if (options.input.path == "-" && options.second == "-")
    return usage_error("standard input can be only one of the two runs", "-");
  TraceInput second = options.input;
  second.path = options.second;
  const RunHistory a = BALLAST_TRY(load_trace(options.input));
  const RunHistory b = BALLAST_TRY(load_trace(second));
  const CurveAxis axis = BALLAST_TRY(axis_of(options.by, a, b));
  const bool picture = common.output.ends_with(".svg") || common.output.ends_with(".png");
  Comparison c{run_title(a), run_title(b), compare_bits(a, b),
               compare_losses(a, b, axis, options.smooth, picture ? 200 : kLevels),
               compare_settings(a, b)};
  if (c.a == c.b) {
    c.a = a.path;
    c.b = b.path;
  }
  if (picture) {
    if (c.losses.a.x.empty() || c.losses.b.x.empty())
      return insufficient_error("there are no losses to draw",
                                c.losses.a.x.empty() ? a.path : b.path);
    print_out(BALLAST_TRY(run_gnuplot(script(c, common.output.ends_with(".svg")))));
  } else {
    print_out(common.json ? to_json_line(comparison_json(c)) + "\n" : comparison_text(c));
  }
  if (options.fail_on.empty()) return static_cast<int>(kExitDone);
  if (c.bits.common == 0) return static_cast<int>(kExitInsufficient);
  return static_cast<int>(c.bits.same() ? kExitDone : kExitNo);
}

}  // namespace

VerbRun add_diff(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<DiffOptions>();
  add_trace_input(app, options->input, Operands::one);
  path_option(app.add_option("other", options->second, "the run it is compared with"))->required();
  choice_option(app.add_option("--by", options->by,
                               "what aligns the losses: tokens where both count them, else steps")
                    ->capture_default_str(),
                {"auto", "tokens", "step"});
  app.add_option("--smooth", options->smooth,
                 "running median of so many losses; 0: a fiftieth of the shorter run")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{100000}));
  app.add_option("--fail-on", options->fail_on,
                 "exit 1 when common steps differ in any bit of loss or norm: difference")
      ->delimiter(',');
  return [options, &common] { return diff(*options, common); };
}

}  // namespace ballast
