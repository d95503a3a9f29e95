#include "tools/gradstat/page_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "libcore/io/json.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

std::string cell(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

// Four digits are more than a colour shows.
std::string short_cell(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : "null";
}

// "</script>" inside a string would end the script: "<" is written as an escape.
std::string script_text(const Json& json) {
  std::string text;
  for (const char c : to_json_line(json))
    text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return text;
}

std::string_view role_word(PanelCurve::Role role) {
  switch (role) {
    case PanelCurve::Role::before:
      return "before clipping";
    case PanelCurve::Role::after:
      return "after clipping";
    case PanelCurve::Role::threshold:
      return "threshold";
    case PanelCurve::Role::abandoned:
      return "abandoned branches";
    case PanelCurve::Role::line:
      break;
  }
  return "";
}

// {title, log, curves: [{label, role, run}], rows} of a panel; "" when it has nothing.
std::string chart_data(Panel panel, const std::vector<PlotRun>& runs) {
  std::vector<PanelCurve> curves = panel_curves(panel, runs);
  if (curves.empty()) return "";
  // What was left is drawn over the line it was left for.
  std::stable_partition(curves.begin(), curves.end(), [](const PanelCurve& curve) {
    return curve.role != PanelCurve::Role::abandoned;
  });
  const bool several = runs.size() > 1;
  Json list = Json::array();
  for (const PanelCurve& curve : curves) {
    std::string label = several ? printable(runs[curve.run].name) : std::string();
    if (!role_word(curve.role).empty())
      label += (label.empty() ? "" : ", ") + std::string(role_word(curve.role));
    if (label.empty()) label = panel_title(panel);
    list.push_back(
        Json{{"label", label},
             {"role", curve.role == PanelCurve::Role::line ? "line" : role_word(curve.role)},
             {"run", curve.run}});
  }
  return fmt::format("\"{}\": {{log: {}, curves: {},\nrows: {}}},\n", panel_word(panel),
                     is_logarithmic(panel, LogScales(), curves) ? "true" : "false",
                     script_text(list), merged_rows(curves));
}

std::string rows_text(const std::vector<std::vector<double>>& rows) {
  std::string text = "[";
  for (const std::vector<double>& row : rows) {
    text += "[";
    for (const double value : row) text += short_cell(value) + ",";
    text += "],";
  }
  return text + "]";
}

Json scale_json(const HeatScale& scale) {
  return Json{{"low", scale.low}, {"high", scale.high}, {"log", scale.logarithmic}};
}

std::string heat_data(const HeatMaps& heat) {
  if (heat.empty()) return "null";
  Json columns = Json::array(), lines = Json::array();
  for (const HeatColumn& c : heat.columns)
    columns.push_back(
        Json{{"segment", c.segment}, {"first", c.first}, {"last", c.last}, {"x", c.x}});
  for (const HeatLine& line : heat.lines)
    lines.push_back(Json{{"title", line.title}, {"columns", line.columns}});
  std::string text = fmt::format("{{columns: {}, lines: {}, quantities: [", script_text(columns),
                                 script_text(lines));
  for (const HeatQuantity& q : heat.quantities)
    text += fmt::format(
        "{{title: {}, lowest: {}, scale: {}, relativeScale: {},\nvalues: {},\n"
        "relative: {}}},\n",
        script_text(q.title), q.lowest, script_text(scale_json(q.scale)),
        script_text(scale_json(q.relative_scale)), rows_text(q.values), rows_text(q.relative));
  Json palette = Json::array();
  for (const std::array<int, 3>& color : heat_palette(64)) palette.push_back(color);
  return text + fmt::format("], palette: {}}}", script_text(palette));
}

}  // namespace

std::string merged_rows(const std::vector<PanelCurve>& curves) {
  std::vector<size_t> at(curves.size());
  std::string text = "[";
  while (true) {
    int64_t x = INT64_MAX;
    bool more = false;
    for (size_t k = 0; k < curves.size(); ++k) {
      // What cannot be drawn makes no row.
      while (at[k] < curves[k].x->size() && !std::isfinite((*curves[k].values)[at[k]])) ++at[k];
      if (at[k] == curves[k].x->size()) continue;
      x = std::min(x, (*curves[k].x)[at[k]]);
      more = true;
    }
    if (!more) return text + "]";
    text += fmt::format("[{}", x);
    for (size_t k = 0; k < curves.size(); ++k) {
      const bool here = at[k] < curves[k].x->size() && (*curves[k].x)[at[k]] == x;
      text += "," + (here ? cell((*curves[k].values)[at[k]]) : std::string("null"));
      at[k] += here ? 1 : 0;
    }
    text += "],";
  }
}

std::string page_data(const std::vector<PlotRun>& runs, const HeatMaps& heat) {
  Json marks = Json::array(), nonfinite = Json::array(), names = Json::array();
  for (size_t r = 0; r < runs.size(); ++r) {
    names.push_back(printable(runs[r].name));
    for (const Mark& mark : runs[r].curves.marks)
      marks.push_back(
          Json{{"x", mark.x}, {"incident", mark.incident}, {"phase", mark.phase}, {"run", r}});
    for (const int64_t x : runs[r].curves.nonfinite_x) nonfinite.push_back(x);
  }
  std::string text = fmt::format("const data = {{\naxis: \"{}\", runs: {},\ncharts: {{\n",
                                 runs.front().curves.axis == XAxis::tokens ? "tokens" : "step",
                                 script_text(names));
  for (const Panel panel : {Panel::loss, Panel::norms, Panel::lr, Panel::speed})
    text += chart_data(panel, runs);
  return text + fmt::format("}},\nmarks: {},\nnonfinite: {},\nheat: {}}};\n", script_text(marks),
                            script_text(nonfinite), heat_data(heat));
}

}  // namespace ballast
