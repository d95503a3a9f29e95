#include "tools/gradstat/html_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "libcore/base/units.h"
#include "libcore/io/utf8.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/page_assets.h"
#include "tools/gradstat/page_data.h"

namespace ballast {
namespace {

constexpr size_t kMostTables = 8;  // of layers at incidents

std::string shown(std::string_view text) { return html_escaped(printable(text)); }

std::string chart_section(Panel panel, const std::vector<PlotRun>& runs, bool low, bool scale) {
  if (panel_curves(panel, runs).empty()) return "";
  std::string title(panel_title(panel));
  title[0] = static_cast<char>(title[0] - 'a' + 'A');
  const std::string button =
      scale ? fmt::format("<button data-log=\"{}\"></button>", panel_word(panel)) : "";
  return fmt::format(
      "<div class=\"head\"><h2>{}</h2>{}</div>\n<div class=\"legend\"></div><div id=\"{}\" "
      "class=\"chart{}\"></div>\n",
      title, button, panel_word(panel), low ? " low" : "");
}

std::string heat_section(const HeatMaps& heat) {
  if (heat.empty()) return "";
  return "<div class=\"head\"><h2 id=\"layers\">Layers</h2></div>\n<div class=\"controls\">"
         "<select id=\"heat-quantity\" aria-label=\"quantity\"></select>"
         "<select id=\"heat-mode\" aria-label=\"scale\"><option value=\"value\">value</option>"
         "<option value=\"relative\">over the median of the layer</option></select>"
         "<select id=\"heat-line\" aria-label=\"branch\"></select></div>\n"
         "<div class=\"legend\" id=\"heat-note\"></div>"
         "<div class=\"heat\" id=\"heat\"><canvas></canvas></div>\n";
}

// "12.3 ×4.1", the strongest changes marked.
std::string change_cell(const LayerChange& change, bool strong) {
  if (std::isnan(change.at)) return "<td>-</td>";
  const std::string value = std::isfinite(change.at) ? short_number(change.at) : "not finite";
  const std::string ratio =
      std::isfinite(change.ratio) ? fmt::format(" <small>\u00d7{:.3g}</small>", change.ratio) : "";
  return fmt::format("<td{}>{}{}</td>", strong ? " class=\"strong\"" : "", value, ratio);
}

std::string steps_list(const std::vector<int64_t>& steps) {
  if (steps.size() == 1) return fmt::format("step {}", steps[0]);
  return fmt::format("{} records of steps {} to {}", steps.size(), steps.front(), steps.back());
}

std::string layer_table_html(const RunIncident& incident, const LayerTable& table) {
  constexpr double kStrong = 2;
  std::string text = fmt::format(
      "<h3>Layers at incident #{} (step {})</h3>\n<p class=\"hint\">Each statistic at the incident "
      "({}) and over its median before ({}). Most changed: {}.</p>\n<div class=\"scroll\"><table "
      "class=\"layers\"><tr><th>layer</th>",
      incident.id, incident.onset, steps_list(table.at_steps), steps_list(table.before_steps),
      html_escaped(change_sentence(table)));
  size_t layers = 0;
  for (const LayerTable::Row& row : table.rows) {
    std::string words = row.key;
    std::replace(words.begin(), words.end(), '_', ' ');
    text += fmt::format("<th title=\"{}\">{}</th>", html_escaped(layer_quantity_title(row.key)),
                        shown(words));
    layers = std::max(layers, row.layers.size());
  }
  text += "</tr>\n";
  for (size_t layer = 0; layer < layers; ++layer) {
    text += fmt::format("<tr><td>{}</td>", layer);
    for (const LayerTable::Row& row : table.rows) {
      if (layer >= row.layers.size()) {
        text += "<td>-</td>";
        continue;
      }
      const LayerChange& change = row.layers[layer];
      text += change_cell(change, change.ratio >= kStrong || change.ratio <= 1 / kStrong);
    }
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

std::string layer_tables(const Report& report) {
  std::string text;
  size_t count = 0;
  for (const auto& [incident, table] : report.layers) {
    if (table.empty()) continue;
    if (count++ == kMostTables)
      return text + "<p class=\"hint\">More incidents have layers in the trace.</p>\n";
    text += layer_table_html(incident, table);
  }
  return text;
}

// The lines of a summary as a definition list; incidents have a table of their own.
std::string summary_list(const ReportRun& run) {
  const std::string text = overview_text(run.overview, run.incidents);
  std::string html = "<dl>\n";
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const size_t space = line.find(' ');
    const size_t value = line.find_first_not_of(' ', space);
    const bool listed = line.starts_with("incident ");
    if (!listed && space != std::string::npos && value != std::string::npos)
      html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", shown(line.substr(0, space)),
                          shown(line.substr(value)));
    begin = end + 1;
  }
  if (!run.incidents.empty())
    html += fmt::format("<dt>incidents</dt><dd>{}</dd>\n", run.incidents.size());
  return html + "</dl>\n";
}

// A table of which a narrow screen makes one card a row, its cells with their titles.
std::string incident_rows(const Report& report) {
  const std::vector<RunIncident>& incidents = report.runs[0].incidents;
  if (incidents.empty()) return "<p>none</p>\n";
  struct Cell {
    const char* title;
    std::string text;
    bool numeric;
  };
  const auto cells = [](const RunIncident& i) {
    const bool recovered = i.classified && i.verdict.recovery >= 0;
    const bool lead = i.classified && i.verdict.norm_onset >= 0;
    const std::string kind = class_name(i) + (i.classified && i.verdict.provisional ? "?" : "") +
                             (i.nonfinite ? ", not finite" : "");
    return std::array<Cell, 9>{
        {{"#", fmt::format("{}", i.id), true},
         {"onset", fmt::format("{}", i.onset), true},
         {"class", kind, false},
         {"peak loss", short_number(i.peak_loss), true},
         {"peak norm", short_number(i.peak_norm), true},
         {"recovered", recovered ? fmt::format("{}", i.verdict.recovery) : "-", true},
         {"lead", lead ? fmt::format("{}", i.verdict.lead) : "-", true},
         {"tokens", tokens_cell(i), true},
         {"branch", i.abandoned ? fmt::format("abandoned, segment {}", i.segment) : "surviving",
          false}}};
  };
  std::string text = "<div class=\"scroll\"><table class=\"cards\"><tr>";
  for (const Cell& cell : cells(incidents[0]))
    text += fmt::format("<th{}>{}</th>", cell.numeric ? " class=\"n\"" : "", cell.title);
  text += "</tr>\n";
  const Curves& curves = report.curves[0].curves;
  for (const RunIncident& i : incidents) {
    int64_t x = i.onset;
    for (const Mark& mark : curves.marks)
      if (mark.incident && mark.step == i.onset) x = mark.x;
    text += fmt::format("<tr data-x=\"{}\">", x);
    for (const Cell& cell : cells(i))
      text += fmt::format("<td{} data-title=\"{}\">{}</td>", cell.numeric ? " class=\"n\"" : "",
                          cell.title, cell.text);
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

std::string event_table(const Curves& c) {
  if (c.marks.empty()) return "<p>none</p>\n";
  std::string text =
      "<div class=\"scroll\"><table><tr><th class=\"n\">step</th><th>what</th></tr>\n";
  for (const Mark& mark : c.marks)
    text += fmt::format("<tr data-x=\"{}\"{}><td class=\"n\">{}</td><td>{}</td></tr>\n", mark.x,
                        mark.incident ? " class=\"incident\"" : "", mark.step, shown(mark.label));
  return text + "</table></div>\n";
}

// One column per run.
std::string comparison(const Report& report) {
  if (report.runs.size() < 2) return "";
  std::string text =
      "<h2 id=\"comparison\">Comparison</h2>\n<div class=\"scroll\"><table><tr><th></th>";
  for (const PlotRun& run : report.curves) text += "<th class=\"n\">" + shown(run.name) + "</th>";
  text += "</tr>\n";
  const auto row = [&](const char* name,
                       const std::function<std::string(const ReportRun&)>& value) {
    text += fmt::format("<tr><td>{}</td>", name);
    for (const ReportRun& run : report.runs)
      text += "<td class=\"n\">" + html_escaped(value(run)) + "</td>";
    text += "</tr>\n";
  };
  const auto incidents = [](int type) {
    return [type](const ReportRun& run) {
      const auto found =
          std::count_if(run.incidents.begin(), run.incidents.end(), [&](const RunIncident& i) {
            return (i.classified ? static_cast<int>(i.verdict.type) : 0) == type;
          });
      return fmt::format("{}", found);
    };
  };
  row("steps", [](const ReportRun& r) { return fmt::format("{}", r.overview.steps); });
  row("tokens", [](const ReportRun& r) { return format_count(r.overview.tokens); });
  row("loss at the end", [](const ReportRun& r) { return short_number(r.overview.last_loss); });
  row("lowest loss", [](const ReportRun& r) { return short_number(r.overview.lowest_loss); });
  row("median norm", [](const ReportRun& r) { return short_number(r.overview.norm_median); });
  row("largest norm", [](const ReportRun& r) { return short_number(r.overview.norm_max); });
  row("steps clipped", [](const ReportRun& r) {
    if (r.overview.norms == 0) return std::string("-");
    return fmt::format("{:.2f} %", 100 * static_cast<double>(r.overview.clips) /
                                       static_cast<double>(r.overview.norms));
  });
  row("recoverable spikes", incidents(1));
  row("lingering spikes", incidents(2));
  row("divergent spikes", incidents(3));
  row("alarms without a class", incidents(0));
  row("tokens on abandoned branches",
      [](const ReportRun& r) { return format_count(r.overview.tokens_abandoned); });
  row("tokens per second", [](const ReportRun& r) {
    return std::isnan(r.overview.tokens_per_s)
               ? std::string("-")
               : format_count(std::llround(r.overview.tokens_per_s));
  });
  return text + "</table></div>\n";
}

std::string head(const std::string& title) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n<style>{1}{2}</style>"
      "</head>\n<body><h1>{0}</h1>\n",
      shown(title), dygraphs_style(), report_style());
}

// To the sections below the charts, which are far down on a phone.
std::string links(const Report& report) {
  std::string text = "<nav>";
  const auto add = [&](bool there, const char* id, const char* title) {
    if (there) text += fmt::format("<a href=\"#{}\">{}</a> ", id, title);
  };
  add(!report.heat.empty(), "layers", "layers");
  add(report.runs.size() > 1, "comparison", "comparison");
  add(true, "summary", "summary");
  add(true, "incidents", "incidents");
  add(true, "events", "events");
  add(true, "post-mortem", "post-mortem");
  return text + "</nav>\n";
}

// A row of a Markdown table; its cells hold no bars.
std::string table_row(std::string_view line, const char* tag) {
  std::string text = "<tr>";
  line.remove_prefix(1);
  while (!line.empty()) {
    const size_t bar = std::min(line.find('|'), line.size());
    text += fmt::format("<{0}>{1}</{0}>", tag, html_escaped(line.substr(0, bar)));
    line.remove_prefix(std::min(bar + 1, line.size()));
  }
  return text + "</tr>\n";
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

std::string markdown_html(std::string_view text) {
  std::string html, open;  // `open`: the element the lines so far stand in
  int rows = 0;
  const auto enter = [&](const char* element) {
    if (open == element) return;
    if (!open.empty()) html += open == "table" ? "</table></div>\n" : "</" + open + ">\n";
    open = element;
    rows = 0;
    if (open == "table") html += "<div class=\"scroll\"><table>\n";
    if (open == "ul") html += "<ul>\n";
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("- ")) {
      enter("ul");
      html += "<li>" + html_escaped(line.substr(2)) + "</li>\n";
    } else if (line.starts_with("|-")) {
      continue;  // the line under a table's head
    } else if (line.starts_with("|")) {
      enter("table");
      html += table_row(line, rows++ == 0 ? "th" : "td");
    } else {
      enter("");
      if (line.starts_with("## "))
        html += "<h4>" + html_escaped(line.substr(3)) + "</h4>\n";
      else if (line.starts_with("# "))
        html += "<h3>" + html_escaped(line.substr(2)) + "</h3>\n";
      else if (!line.empty())
        html += "<p>" + html_escaped(line) + "</p>\n";
    }
  }
  enter("");
  return html;
}

std::string html_page(const Report& report) {
  std::string page = head(report.title);
  page +=
      "<p class=\"hint\">Drag to zoom, shift-drag to move, double-click to see all; with fingers, "
      "pinch and drag. The charts move together. Red lines are incidents, grey lines phases, "
      "dashed lines other events, red squares steps with a loss or norm that is not finite. "
      "<button id=\"all\">show all</button></p>\n";
  page += links(report);
  page += chart_section(Panel::loss, report.curves, false, true);
  page += chart_section(Panel::norms, report.curves, false, true);
  page += heat_section(report.heat);
  page += chart_section(Panel::lr, report.curves, true, false);
  page += chart_section(Panel::speed, report.curves, true, false);
  page += comparison(report);
  page += "<h2 id=\"summary\">Summary</h2>\n" + summary_list(report.runs[0]);
  page += "<h2 id=\"incidents\">Incidents</h2>\n" + incident_rows(report) + layer_tables(report);
  page += "<h2 id=\"events\">Events</h2>\n" + event_table(report.curves[0].curves);
  page += "<h2 id=\"post-mortem\">Post-mortem</h2>\n<div class=\"account\">" +
          markdown_html(report.post_mortem) + "</div>\n";
  page += "<script>";
  page += dygraphs_script();
  page += "</script>\n<script>\n" + page_data(report.curves, report.heat);
  page += report_script();
  return page + "</script>\n</body></html>\n";
}

}  // namespace ballast
