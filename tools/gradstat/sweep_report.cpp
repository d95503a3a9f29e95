#include "tools/gradstat/sweep_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"

namespace ballast {
namespace {

constexpr size_t kMostRows = 8;     // of the front
constexpr int64_t kFewSpikes = 10;  // of as many caught the share is right to some 30 %

// At most four characters.
std::string percent(double share) {
  const double value = 100 * share;
  if (!std::isfinite(value)) return "-";
  if (value == 0) return "0";
  if (value < 0.005) return "<.01";
  return value < 9.995 ? fmt::format("{:.2f}", value)
                       : fmt::format("{:.{}f}", value, value < 99.95 ? 1 : 0);
}

double clipped(const Sweep& sweep, const SweepCell& cell) {
  return share_of(cell.tally.clipped, sweep.steps);
}
double healthy(const Sweep& sweep, const SweepCell& cell) {
  return share_of(cell.tally.healthy, sweep.healthy);
}
double rate_lost(const Sweep& sweep, const SweepCell& cell) {
  return 1 - cell.tally.factors / static_cast<double>(sweep.steps);
}

template <typename Value>
GridMap percent_map(const Sweep& sweep, const std::string& title, const Value& value) {
  GridMap map{title, {}, {}};
  for (const SweepCell& cell : sweep.cells) {
    map.values.push_back(value(cell));
    map.texts.push_back(percent(map.values.back()));
  }
  return map;
}

std::string front_table(const Sweep& sweep) {
  std::string text = fmt::format("{:>6} {:>6} {:>7} {:>5} {:>7} {:>8} {:>8} {:>9} {:>9} {:>9}\n",
                                 "z", "alpha", "caught", "late", "missed", "clipped", "healthy",
                                 "shuffled", "simulated", "rate lost");
  for (size_t i = 0; i < std::min(sweep.front.size(), kMostRows); ++i) {
    const SweepCell& cell = sweep.cells[sweep.front[i]];
    text += fmt::format("{:>6} {:>6} {:>7} {:>5} {:>7} {:>8} {:>8} {:>9} {:>9} {:>9}\n",
                        format_double(cell.z), format_double(cell.alpha), cell.caught, cell.late,
                        cell.missed, percent(clipped(sweep, cell)), percent(healthy(sweep, cell)),
                        percent(cell.shuffled.mean), percent(cell.simulated.mean),
                        percent(rate_lost(sweep, cell)));
  }
  if (sweep.front.size() > kMostRows)
    text += fmt::format("{} more catch fewer\n", sweep.front.size() - kMostRows);
  return text;
}

// "2.5 to 4", "0.97".
std::string range_of(const Sweep& sweep, double SweepCell::*key) {
  double low = INFINITY, high = -INFINITY;
  for (const size_t c : sweep.recommended) {
    low = std::min(low, sweep.cells[c].*key);
    high = std::max(high, sweep.cells[c].*key);
  }
  return low == high ? format_double(low)
                     : fmt::format("{} to {}", format_double(low), format_double(high));
}

// Which ends of the grid the best cell touches, in words; empty: none.
std::string edge_of(const SweepCell& cell, const SweepSettings& settings) {
  std::string words;
  const auto look = [&](const char* name, double value, const std::vector<double>& grid) {
    if (grid.size() < 2 || (value != grid.front() && value != grid.back())) return;
    words += fmt::format(
        "{}{} {}", words.empty() ? "" : " and ", name,
        value == grid.back() ? "above " + format_double(value) : "below " + format_double(value));
  };
  look("z", cell.z, settings.z);
  look("alpha", cell.alpha, settings.alpha);
  return words;
}

std::string advice(const Sweep& sweep, const SweepSettings& settings) {
  if (sweep.spikes == 0)
    return "The detector found no spike in these norms: nothing can be tuned on them. What remains "
           "is\nthe price of each cell.\n";
  if (sweep.recommended.empty()) return "No cell catches a spike at its first norm.\n";
  const SweepCell& best = sweep.cells[sweep.recommended.front()];
  const size_t count = sweep.recommended.size();
  std::string text = fmt::format(
      "In brackets: {} of {} spikes caught at the fewest false alarms\n"
      "  region  z {}, alpha {} ({} cell{})\n"
      "  best    {}\n"
      "  clips   {}, of which calm norms alone would have given about {}\n",
      best.caught, sweep.spikes, range_of(sweep, &SweepCell::z), range_of(sweep, &SweepCell::alpha),
      count, count == 1 ? "" : "s", cell_spec(settings, best.z, best.alpha), best.tally.clipped,
      std::min(best.tally.clipped,
               std::lround(best.worst().mean * static_cast<double>(sweep.healthy))));
  const std::string edge = edge_of(best, settings);
  if (!edge.empty()) text += fmt::format("  edge    of the grid: {} may be better still\n", edge);
  if (sweep.spikes < kFewSpikes)
    text +=
        fmt::format("With {} spike{} the differences between cells are hardly more than luck.\n",
                    sweep.spikes, sweep.spikes == 1 ? "" : "s");
  return text;
}

Json rate_json(const FalseRate& rate) {
  return Json{{"mean", json_number(rate.mean)},
              {"low", json_number(rate.low)},
              {"high", json_number(rate.high)},
              {"error", json_number(rate.error)}};
}

Json pairs_json(const Sweep& sweep, const std::vector<size_t>& cells) {
  Json list = Json::array();
  for (const size_t c : cells)
    list.push_back(
        Json{{"z", json_number(sweep.cells[c].z)}, {"alpha", json_number(sweep.cells[c].alpha)}});
  return list;
}

}  // namespace

GridMaps sweep_maps(const Sweep& sweep, const SweepSettings& settings) {
  GridMaps grid;
  grid.row_name = "z";
  grid.column_name = "alpha";
  for (const double z : settings.z) grid.rows.push_back(format_double(z));
  for (const double alpha : settings.alpha) grid.columns.push_back(format_double(alpha));
  grid.marked.resize(sweep.cells.size());
  for (const size_t c : sweep.recommended) grid.marked[c] = true;
  if (sweep.spikes > 0) {
    GridMap caught{fmt::format("spikes caught, of {}", sweep.spikes), {}, {}};
    for (const SweepCell& cell : sweep.cells) {
      caught.values.push_back(static_cast<double>(cell.caught));
      caught.texts.push_back(fmt::format("{}", cell.caught));
    }
    grid.maps.push_back(std::move(caught));
  }
  grid.maps.push_back(percent_map(sweep, "healthy norms clipped, %",
                                  [&](const SweepCell& cell) { return healthy(sweep, cell); }));
  grid.maps.push_back(percent_map(sweep, "false alarms, shuffled norms, %",
                                  [](const SweepCell& cell) { return cell.shuffled.mean; }));
  grid.maps.push_back(percent_map(sweep, "false alarms, simulated norms, %",
                                  [](const SweepCell& cell) { return cell.simulated.mean; }));
  grid.maps.push_back(percent_map(sweep, "all norms clipped, %",
                                  [&](const SweepCell& cell) { return clipped(sweep, cell); }));
  grid.maps.push_back(percent_map(sweep, "learning rate given away, %",
                                  [&](const SweepCell& cell) { return rate_lost(sweep, cell); }));
  return grid;
}

std::string sweep_text(const Sweep& sweep, const SweepSettings& settings, double sigmas,
                       int columns, bool color) {
  std::string text = fmt::format(
      "{} norms; by the detector (above {} deviations) {} spike{}, {} norms healthy\n", sweep.steps,
      format_double(sigmas), sweep.spikes, sweep.spikes == 1 ? "" : "s", sweep.healthy);
  text += fmt::format(
      "calm norms: the healthy ones around their median of {} steps (lag-1 correlation {:.2f}),\n"
      "{}, and lognormal ones of the same correlation; {} series each\n\n",
      settings.trend, sweep.correlation,
      sweep.block == 1 ? "shuffled" : fmt::format("shuffled in blocks of {}", sweep.block),
      settings.repeats);
  text += grid_text(sweep_maps(sweep, settings), columns, color) + "\n" + advice(sweep, settings);
  if (sweep.front.size() > 1)
    text += "\nFewer false alarms are had for fewer spikes only:\n" + front_table(sweep);
  return text +
         "\ncaught  spikes brought under the detector's threshold from their first norm; late: "
         "only\n"
         "        a later one\n"
         "false   calm norms that are clipped: the price of the cell on this run without any "
         "incident\n"
         "Norms as logged: after its first decision that differs from the run's own, a strategy "
         "would\n"
         "have led to other gradients.\n";
}

std::string sweep_json(const Sweep& sweep, const SweepSettings& settings) {
  std::string lines = to_json_line(Json{{"v", 1},
                                        {"type", "sweep"},
                                        {"steps", sweep.steps},
                                        {"healthy", sweep.healthy},
                                        {"spikes", sweep.spikes},
                                        {"trend", settings.trend},
                                        {"correlation", json_number(sweep.correlation)},
                                        {"block", sweep.block},
                                        {"repeats", settings.repeats},
                                        {"seed", settings.seed},
                                        {"recommended", pairs_json(sweep, sweep.recommended)},
                                        {"front", pairs_json(sweep, sweep.front)}}) +
                      "\n";
  for (const SweepCell& cell : sweep.cells)
    lines += to_json_line(Json{{"v", 1},
                               {"type", "sweep_cell"},
                               {"strategy", cell_spec(settings, cell.z, cell.alpha)},
                               {"z", json_number(cell.z)},
                               {"alpha", json_number(cell.alpha)},
                               {"caught", cell.caught},
                               {"late", cell.late},
                               {"missed", cell.missed},
                               {"clips", cell.tally.clipped},
                               {"clip_rate", json_number(clipped(sweep, cell))},
                               {"healthy_clips", cell.tally.healthy},
                               {"healthy_clip_rate", json_number(healthy(sweep, cell))},
                               {"rate_lost", json_number(rate_lost(sweep, cell))},
                               {"shuffled", rate_json(cell.shuffled)},
                               {"simulated", rate_json(cell.simulated)}}) +
             "\n";
  return lines;
}

}  // namespace ballast
