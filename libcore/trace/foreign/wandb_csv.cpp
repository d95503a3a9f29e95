#include "libcore/trace/foreign/wandb_csv.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/table.h"

namespace ballast {
namespace {

constexpr std::string_view kLowest = "__MIN";
constexpr std::string_view kHighest = "__MAX";

bool is_band(std::string_view metric) {
  return metric.ends_with(kLowest) || metric.ends_with(kHighest);
}

// "RUN - METRIC" at its last " - ": names of runs have more of them than those of metrics.
struct Column {
  std::string run, metric;
};
std::optional<Column> column_in(std::string_view name) {
  constexpr std::string_view kBetween = " - ";
  const size_t at = name.rfind(kBetween);
  if (at == std::string_view::npos || at == 0 || at + kBetween.size() == name.size())
    return std::nullopt;
  return Column{std::string(name.substr(0, at)), std::string(name.substr(at + kBetween.size()))};
}

std::vector<std::string> runs_of(const std::vector<std::string>& header) {
  std::vector<std::string> runs;
  for (size_t i = 1; i < header.size(); ++i)
    if (const auto column = column_in(header[i]))
      if (std::find(runs.begin(), runs.end(), column->run) == runs.end())
        runs.push_back(column->run);
  return runs;
}

// The run that is asked for: by name, by a mapped column, or the only one.
Result<std::string> chosen_run(const std::vector<std::string>& header, const ImportOptions& options,
                               const std::string& where) {
  constexpr size_t kShown = 20;
  const std::vector<std::string> runs = runs_of(header);
  std::string list;
  for (size_t i = 0; i < std::min(runs.size(), kShown); ++i)
    list += fmt::format("{}'{}'", i == 0 ? "" : ", ", runs[i]);
  if (runs.size() > kShown) list += fmt::format(" and {} more", runs.size() - kShown);
  if (!options.run_name.empty()) {
    if (std::find(runs.begin(), runs.end(), options.run_name) != runs.end())
      return options.run_name;
    return usage_error(fmt::format("no run '{}'", options.run_name), where,
                       fmt::format("it has {}", list));
  }
  if (runs.size() == 1) return runs[0];
  for (const auto& [key, name] : options.map) {
    const auto column = column_in(name);
    if (column && std::find(header.begin(), header.end(), name) != header.end()) return column->run;
  }
  return usage_error(fmt::format("{} runs in one file", runs.size()), where,
                     fmt::format("say which with --run-name: {}", list));
}

}  // namespace

Result<std::unique_ptr<ForeignLog>> wandb_csv_log(std::unique_ptr<ByteSource> source,
                                                  const ImportOptions& options) {
  const ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  auto rows = std::make_unique<CsvRows>(std::move(source));
  TableColumns columns = BALLAST_TRY(read_table_header(*rows));
  const std::string run = BALLAST_TRY(chosen_run(columns.header, options, rows->name()));
  const auto mapped = [&](const std::string& name) {
    return std::any_of(options.map.begin(), options.map.end(),
                       [&](const auto& pair) { return pair.second == name; });
  };
  // Columns of other runs and of the band have no name.
  std::vector<std::string> names(columns.header.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string& full = columns.header[i];
    const std::optional<Column> column = i == 0 ? std::nullopt : column_in(full);
    if (mapped(full) || !column) names[i] = full;
    if (!names[i].empty() || !column || column->run != run) continue;
    if (!is_band(column->metric)) {
      names[i] = column->metric;
      continue;
    }
    const std::string base = full.substr(0, full.size() - kLowest.size());
    const auto found = std::find(columns.header.begin(), columns.header.end(), base);
    if (found != columns.header.end())
      columns.bands.push_back({i, static_cast<size_t>(found - columns.header.begin())});
  }
  BALLAST_TRY(columns.resolve(map, names, rows->name()));
  return rows_log(std::move(rows), std::move(columns));
}

bool looks_like_wandb_csv(std::string_view head) {
  CsvRows rows(memory_source(std::string(head)));
  std::vector<std::string_view> cells;
  const Result<bool> got = rows.next(cells);
  if (!got.ok() || !*got || rows.bad() || cells.size() < 2 || head.starts_with('{')) return false;
  // All columns but the x axis are of runs; the name of the axis or the band tell it from other
  // tables.
  bool banded = cells[0] == "Step";
  for (size_t i = 1; i < cells.size(); ++i) {
    if (!column_in(cells[i])) return false;
    banded = banded || is_band(cells[i]);
  }
  return banded && cells[0].find_first_of("{}[]") == std::string_view::npos;
}

}  // namespace ballast
