#include "tools/tokshard/stat_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "libcore/base/units.h"
#include "libcore/corpus/ranking.h"
#include "libcore/io/utf8.h"
#include "libcore/text/display_cells.h"
#include "tools/gradstat/gnuplot.h"

namespace ballast {
namespace {

constexpr size_t kBars = 20;    // then "others", as in the tables
constexpr size_t kFewBars = 6;  // fewer are no thicker
constexpr size_t kMostLevelTics = 10;
constexpr size_t kLongestName = 48;  // cells; the longest reason of the filters has 47
constexpr int kPanelWidth = 640, kPanelHeight = 440;  // pixels

struct Bar {
  std::string name, label;  // the label is what the bar's length says
  double value = 0;
};

struct Panel {
  std::string title;
  std::vector<Bar> bars;
  bool upright = false;  // bars stand on an axis of lengths
};

// Names that differ at their ends, as reasons do, still differ when they are cut.
std::string bar_name(const std::string& name) {
  return elide_middle(name.empty() ? "(none)" : printable(name), kLongestName);
}

Bar count_bar(const std::string& name, int64_t count) {
  return {bar_name(name), format_count(count), static_cast<double>(count)};
}

template <class Map, class Count>
Panel counts_panel(const char* title, const Map& counts, Count&& count_of) {
  Panel panel{title, {}, false};
  const auto rows = ranked(counts, count_of);
  int64_t rest = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t count = count_of(rows[i]->second);
    if (i < kBars) panel.bars.push_back(count_bar(rows[i]->first, count));
    if (i >= kBars) rest += count;
  }
  if (rows.size() > kBars) panel.bars.push_back(count_bar("others", rest));
  return panel;
}

// In the order of the tokens, so that both panels name the same languages beside each other.
Panel rates_panel(const ShardCounts& languages) {
  Panel panel{"Tokens per byte by language", {}, false};
  const auto rows = ranked(languages, [](const ShardCount& count) { return count.tokens; });
  for (size_t i = 0; i < std::min(kBars, rows.size()); ++i) {
    const auto& [name, count] = *rows[i];
    if (const auto rate = tokens_per_byte(count.tokens, count.bytes))
      panel.bars.push_back({bar_name(name), fmt::format("{:.3f}", *rate), *rate});
  }
  return panel;
}

// Before margins are made for the names.
void draw_all_text(std::vector<Panel>& panels) {
  for (Panel& panel : panels)
    for (Bar& bar : panel.bars) bar.name = elide_middle(with_drawable_text(bar.name), kLongestName);
}

std::string power_text(size_t exponent) {
  constexpr const char* kUnits[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  return fmt::format("{}{}", int64_t{1} << (exponent % 10), kUnits[exponent / 10]);
}

Panel lengths_panel(const LengthHistogram& lengths) {
  Panel panel{"Documents by tokens (from the number below to twice as many)", {}, true};
  size_t first = 0, last = lengths.buckets.size() - 1;
  while (first < last && lengths.buckets[first] == 0) ++first;
  while (last > first && lengths.buckets[last] == 0) --last;
  if (lengths.documents == 0) return panel;
  for (size_t k = first; k <= last; ++k) {
    Bar bar = count_bar("", lengths.buckets[k]);
    bar.name = k == 0 ? "0" : power_text(k - 1);
    if (lengths.buckets[k] == 0) bar.label.clear();
    panel.bars.push_back(std::move(bar));
  }
  return panel;
}

std::string data_of(const Panel& panel, size_t number) {
  std::string text = fmt::format("$bars{} << EOD\n", number);
  for (size_t i = 0; i < panel.bars.size(); ++i)
    text += fmt::format("{} {} \"{}\"\n", i, panel.bars[i].value, panel.bars[i].label);
  return text + "EOD\n";
}

std::string tics_of(const Panel& panel) {
  std::string text;
  for (size_t i = 0; i < panel.bars.size(); ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot_quoted(panel.bars[i].name), i);
  return text;
}

std::string chart_of(const Panel& panel, size_t number) {
  double most = 0;
  for (const Bar& bar : panel.bars) most = std::max(most, bar.value);
  const double ahead = most > 0 ? 1.18 * most : 1;  // room for the label of the longest bar
  const double room = static_cast<double>(std::max(panel.bars.size(), kFewBars));
  const std::string data = fmt::format("$bars{}", number);
  std::string text = fmt::format("set title {} noenhanced\n", gnuplot_quoted(panel.title));
  if (panel.upright) {
    const double before = (static_cast<double>(panel.bars.size()) - room) / 2 - 0.5;
    text += fmt::format(
        "set lmargin 4\nset xtics ({}) noenhanced nomirror scale 0 {}\nunset ytics\n"
        "set xrange [{}:{}]\nset yrange [0:{}]\n",
        tics_of(panel), panel.bars.size() > kMostLevelTics ? "rotate by -45" : "norotate", before,
        before + room, ahead);
    return text + fmt::format(
                      "plot {0} using 1:($2/2.0):(0.4):($2/2.0) with boxxyerror fs solid noborder "
                      "lc rgb '#0072b2', '' using 1:2:3 with labels center offset 0,0.6\n",
                      data);
  }
  size_t longest = 0;
  for (const Bar& bar : panel.bars) longest = std::max(longest, display_cells(bar.name));
  // Left to itself gnuplot cuts long names off: it takes letters for narrower than they are.
  text += fmt::format(
      "set lmargin {}\nset ytics ({}) noenhanced nomirror scale 0 norotate\nunset xtics\n"
      "set xrange [0:{}]\nset yrange [{}:-0.5]\n",
      4 + 1.15 * static_cast<double>(longest), tics_of(panel), ahead, room - 0.5);
  return text + fmt::format(
                    "plot {0} using ($2/2.0):1:($2/2.0):(0.4) with boxxyerror fs solid noborder lc "
                    "rgb '#0072b2', '' using 2:1:3 with labels left offset 0.5,0\n",
                    data);
}

}  // namespace

std::string stat_script(const DroppedStat& dropped, const ShardStat& shards, bool svg) {
  std::vector<Panel> panels = {counts_panel("Documents dropped by reason", dropped.reasons,
                                            [](int64_t count) { return count; }),
                               counts_panel("Tokens by language", shards.languages,
                                            [](const ShardCount& count) { return count.tokens; }),
                               rates_panel(shards.languages), lengths_panel(shards.lengths)};
  std::erase_if(panels, [](const Panel& panel) { return panel.bars.empty(); });
  if (!svg) draw_all_text(panels);
  if (panels.empty()) return "";
  const int columns = panels.size() > 1 ? 2 : 1;
  const int rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
  std::string text = fmt::format(
      "set encoding utf8\nset terminal {} size {},{} font 'sans,{}' background '#ffffff'\n"
      "unset key\nset border 0\nset tics scale 0\n",
      svg ? "svg" : "pngcairo", columns * kPanelWidth, rows * kPanelHeight, svg ? 13 : 10);
  for (size_t i = 0; i < panels.size(); ++i) text += data_of(panels[i], i);
  text += fmt::format("set multiplot layout {},{}\n", rows, columns);
  for (size_t i = 0; i < panels.size(); ++i) text += chart_of(panels[i], i);
  return text + "unset multiplot\n";
}

}  // namespace ballast
