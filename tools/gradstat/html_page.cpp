#include "tools/gradstat/html_page.h"

#include <fmt/format.h>

#include <cmath>

#include "libcore/io/utf8.h"
#include "tools/gradstat/dygraphs.h"
#include "tools/gradstat/incident_table.h"

namespace ballast {
namespace {

constexpr const char* kStyle = R"css(
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 1em 2em;
  color: #222; background: #fff; }
h1 { font-size: 1.5em; margin: .4em 0; } h2 { font-size: 1.15em; margin: 1.6em 0 .4em; }
pre { background: #f6f6f4; padding: .8em 1em; overflow-x: auto; font-size: 13px; }
.chart { width: 100%; height: 300px; } .chart.low { height: 180px; }
.legend { min-height: 1.4em; font-size: 13px; color: #444; }
.hint { color: #777; font-size: 13px; } button { font: inherit; font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: .2em .8em .2em 0;
  text-align: left; vertical-align: top; } th { color: #666; font-weight: 600; }
tr.incident td { color: #b3261e; } tr[data-step] { cursor: pointer; }
tr[data-step]:hover { background: #f3f3f0; }
)css";

// Charts share their range of steps; a click on an event zooms to it.
constexpr const char* kScript = R"js(
const charts = [];
const points = { drawPoints: true, pointSize: 2.5, strokeWidth: 0 };
let moving = false;
function marks(canvas, area, g) {
  for (const m of data.marks) {
    const x = g.toDomXCoord(m.step);
    if (x < area.x || x > area.x + area.w) continue;
    canvas.strokeStyle = m.incident ? 'rgba(179,38,30,.75)' : 'rgba(110,110,110,.45)';
    canvas.setLineDash(m.incident ? [] : [3, 3]);
    canvas.beginPath();
    canvas.moveTo(x + .5, area.y);
    canvas.lineTo(x + .5, area.y + area.h);
    canvas.stroke();
  }
  canvas.setLineDash([]);
  canvas.fillStyle = 'rgba(179,38,30,.8)';
  for (const step of data.nonfinite) {
    const x = g.toDomXCoord(step);
    if (x >= area.x && x <= area.x + area.w) canvas.fillRect(x - 2, area.y, 5, 5);
  }
}
function follow(g, first) {
  if (moving || first) return;
  moving = true;
  const range = g.xAxisRange();
  for (const other of charts)
    if (other !== g) other.updateOptions({ dateWindow: range });
  moving = false;
}
function chart(id, rows, options) {
  const holder = document.getElementById(id);
  if (!holder) return null;
  const g = new Dygraph(holder, rows, Object.assign({
    labelsDiv: holder.previousElementSibling, legend: 'always', xlabel: 'step', xLabelHeight: 16, connectSeparatedPoints: true,
    underlayCallback: marks, drawCallback: follow, animatedZooms: false, strokeWidth: 1.2,
    axes: { y: { axisLabelWidth: 60 }, x: { axisLabelFormatter: v => Math.round(v) } },
    xRangePad: 5, yRangePad: 8 }, options));
  charts.push(g);
  return g;
}
chart('loss', data.loss, { labels: ['step', 'loss', 'abandoned branches'], colors: ['#1f77b4', '#9467bd'],
  series: { 'abandoned branches': points } });
const norms = chart('norms', data.norms, { logscale: true,
  labels: ['step', 'before clipping', 'after clipping', 'threshold', 'abandoned branches'],
  colors: ['#ffb366', '#1a7f37', '#333333', '#9467bd'],
  series: { 'abandoned branches': points, 'before clipping': { strokeWidth: 2.5 }, threshold: { strokePattern: [2, 3], strokeWidth: 1 } } });
chart('lr', data.lr, { labels: ['step', 'learning rate'], colors: ['#6a51a3'],
  includeZero: true, axes: { y: { axisLabelWidth: 60, axisLabelFormatter: v => v.toExponential(1) } } });
const log = document.getElementById('log');
if (log && norms) log.onclick = () => {
  const now = !norms.getOption('logscale');
  norms.updateOptions({ logscale: now });
  log.textContent = now ? 'linear scale' : 'logarithmic scale';
};
document.querySelectorAll('tr[data-step]').forEach(row => row.onclick = () => {
  const step = +row.dataset.step;
  for (const g of charts) g.updateOptions({ dateWindow: [step - 100, step + 150] });
  window.scrollTo({ top: 0, behavior: 'smooth' });
});
)js";

std::string cell(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

bool any(const std::vector<double>& values) {
  for (const double value : values)
    if (std::isfinite(value)) return true;
  return false;
}

// [step, value, ..., abandoned] rows in step order: those of the line, merged with the points of
// the branches that were left.
std::string rows_of(const Curves& c, const std::vector<const std::vector<double>*>& columns,
                    const std::vector<double>& abandoned) {
  std::string nulls;
  for (size_t k = 0; k < columns.size(); ++k) nulls += "null,";
  std::string text = "[";
  size_t a = 0;
  const auto left_until = [&](int64_t step) {
    for (; a < c.abandoned_steps.size() && c.abandoned_steps[a] < step; ++a)
      text += fmt::format("[{},{}{}],", c.abandoned_steps[a], nulls, cell(abandoned[a]));
  };
  for (size_t i = 0; i < c.steps.size(); ++i) {
    left_until(c.steps[i]);
    const bool both = a < c.abandoned_steps.size() && c.abandoned_steps[a] == c.steps[i];
    text += fmt::format("[{},", c.steps[i]);
    for (const std::vector<double>* column : columns) text += cell((*column)[i]) + ",";
    text += (both ? cell(abandoned[a++]) : "null") + "],";
  }
  left_until(INT64_MAX);
  return text + "]";
}

std::string lr_rows(const Curves& c) {
  std::string text = "[";
  for (size_t i = 0; i < c.steps.size(); ++i)
    text += fmt::format("[{},{}],", c.steps[i], cell(c.lr[i]));
  return text + "]";
}

// "</script>" inside a string would end the script: "<" is written as an escape.
std::string script_text(const Json& json) {
  std::string text;
  for (const char c : to_json_line(json))
    text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return text;
}

std::string data_script(const Curves& c) {
  Json marks = Json::array();
  for (const Mark& mark : c.marks)
    marks.push_back(Json{{"step", mark.step}, {"incident", mark.incident}});
  return fmt::format(
      "const data = {{\nloss: {},\nnorms: {},\nlr: {},\nmarks: {},\nnonfinite: {}}};\n",
      rows_of(c, {&c.loss}, c.abandoned_loss),
      rows_of(c, {&c.norm, &c.norm_clipped, &c.threshold}, c.abandoned_norm), lr_rows(c),
      script_text(marks), script_text(Json(c.nonfinite_steps)));
}

std::string chart_section(const char* id, const char* title, const char* extra, bool low) {
  return fmt::format(
      "<h2>{} {}</h2>\n<div class=\"legend\"></div><div id=\"{}\" class=\"chart{}\"></div>\n",
      title, extra, id, low ? " low" : "");
}

std::string event_table(const Curves& c) {
  if (c.marks.empty()) return "<p>none</p>\n";
  std::string text = "<table><tr><th>step</th><th>what</th></tr>\n";
  for (const Mark& mark : c.marks)
    text += fmt::format("<tr data-step=\"{0}\"{1}><td>{0}</td><td>{2}</td></tr>\n", mark.step,
                        mark.incident ? " class=\"incident\"" : "",
                        html_escaped(printable(mark.label)));
  return text + "</table>\n";
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string html_page(const std::string& title, const Overview& overview,
                      const std::vector<RunIncident>& incidents, const Curves& curves,
                      const std::string& post_mortem_text) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<style>{1}{2}</style></head>\n<body><h1>{0}</h1>\n",
      html_escaped(printable(title)), dygraphs_style(), kStyle);
  page +=
      "<p class=\"hint\">Drag to zoom, shift-drag to move, double-click to see all; the charts "
      "move together. Red lines are incidents, dashed lines events, red squares steps with a "
      "loss or norm that is not finite.</p>\n";
  page += chart_section("loss", "Loss", "", false);
  if (any(curves.norm))
    page +=
        chart_section("norms", "Gradient norm", "<button id=\"log\">linear scale</button>", false);
  if (any(curves.lr)) page += chart_section("lr", "Learning rate", "", true);
  page += "<h2>Summary</h2>\n<pre>" + html_escaped(overview_text(overview, incidents)) + "</pre>\n";
  page += "<h2>Incidents</h2>\n<pre>" +
          html_escaped(incidents.empty() ? "none\n" : incident_table(incidents)) + "</pre>\n";
  page += "<h2>Events</h2>\n" + event_table(curves);
  page += "<h2>Post-mortem</h2>\n<pre>" + html_escaped(post_mortem_text) + "</pre>\n";
  page += "<script>";
  page += dygraphs_script();
  page += "</script>\n<script>\n" + data_script(curves) + kScript + "</script>\n</body></html>\n";
  return page;
}

}  // namespace ballast
