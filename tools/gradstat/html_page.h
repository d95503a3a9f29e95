// The report as one HTML file: no network, no other file, charts that zoom together. Reads on a
// desk and on a phone, in light and in dark, and on paper.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/gradstat/heat_map.h"
#include "tools/gradstat/layer_table.h"
#include "tools/gradstat/overview.h"
#include "tools/gradstat/panels.h"

namespace ballast {

// One run of a report, looked at.
struct ReportRun {
  Overview overview;
  std::vector<RunIncident> incidents;
};

struct Report {
  std::string title;
  std::vector<PlotRun> curves;  // of the run first, then of those it is compared with
  std::vector<ReportRun> runs;  // of the same index
  HeatMaps heat;                // of the first run, as are the tables
  std::vector<std::pair<RunIncident, LayerTable>> layers;
  std::string post_mortem;  // Markdown
};

std::string html_page(const Report& report);

// Text inside HTML.
std::string html_escaped(std::string_view text);
// The Markdown that post_mortem() writes: headings, lists and tables. Nothing else is understood.
std::string markdown_html(std::string_view text);

}  // namespace ballast
