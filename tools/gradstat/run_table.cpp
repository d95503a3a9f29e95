#include "tools/gradstat/run_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

#include "libcore/base/ascii.h"
#include "libcore/base/units.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"
#include "libcore/model/presets.h"
#include "libcore/trace/foreign/csv_rows.h"
#include "tools/gradstat/run_trace.h"

namespace ballast {
namespace {

constexpr size_t kPeek = 65536;

enum class Column {
  none,
  parameters,
  tokens,
  loss,
  lr,
  flops,
  cooled,
  name,
  model,
  vocab,
  hidden,
  layers,
  heads,
  head_size,
  ffw,
  seq_len,
  gated
};

struct ColumnName {
  const char* name;
  Column column;
};
constexpr ColumnName kColumns[] = {{"n", Column::parameters},
                                   {"params", Column::parameters},
                                   {"parameters", Column::parameters},
                                   {"d", Column::tokens},
                                   {"tokens", Column::tokens},
                                   {"loss", Column::loss},
                                   {"final_loss", Column::loss},
                                   {"lr", Column::lr},
                                   {"learning_rate", Column::lr},
                                   {"c", Column::flops},
                                   {"compute", Column::flops},
                                   {"flops", Column::flops},
                                   {"cooled", Column::cooled},
                                   {"name", Column::name},
                                   {"run", Column::name},
                                   {"model", Column::model},
                                   {"vocab", Column::vocab},
                                   {"hidden", Column::hidden},
                                   {"d_model", Column::hidden},
                                   {"layers", Column::layers},
                                   {"heads", Column::heads},
                                   {"head_size", Column::head_size},
                                   {"ffw", Column::ffw},
                                   {"seq_len", Column::seq_len},
                                   {"gated", Column::gated}};

Column column_of(std::string_view name) {
  std::string lower;
  for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const ColumnName& known : kColumns)
    if (lower == known.name) return known.column;
  return Column::none;
}

// "7e9", "7B", "3.1"; NaN for an empty cell.
Result<double> cell_number(std::string_view text, const std::string& where) {
  if (text.empty()) return RunRow::kAbsent;
  const Result<double> number = parse_double(text);
  if (number.ok()) return *number;
  const Result<int64_t> count = parse_count(text);
  if (count.ok()) return static_cast<double>(*count);
  if (text == "nan" || text == "NaN" || text == "inf" || text == "Infinity") return RunRow::kAbsent;
  return corrupt_error(fmt::format("'{}' is no number", text), where);
}

// One row being read: cells by column, from whatever kind of table.
struct RawRow {
  RunRow row;
  ModelShape shape;
  std::string model;
};

Result<void> take_flag(bool& flag, std::string_view text, const std::string& where) {
  if (text == "yes" || text == "true" || text == "1") {
    flag = true;
  } else if (text == "no" || text == "false" || text == "0") {
    flag = false;
  } else if (!text.empty()) {
    return corrupt_error(fmt::format("'{}' is neither yes nor no", text), where);
  }
  return {};
}

Result<void> take_cell(RawRow& raw, Column column, std::string_view text,
                       const std::string& where) {
  switch (column) {
    case Column::none:
      return {};
    case Column::name:
      raw.row.name = std::string(text);
      return {};
    case Column::model:
      raw.model = std::string(text);
      return {};
    case Column::cooled:
      return take_flag(raw.row.cooled, text, where);
    case Column::gated:
      return take_flag(raw.shape.gated, text, where);
    default:
      break;
  }
  double* const numbers[] = {
      &raw.row.parameters,  &raw.row.tokens,   &raw.row.loss,     &raw.row.lr,
      &raw.row.flops,       nullptr,           nullptr,           nullptr,
      &raw.shape.vocab,     &raw.shape.hidden, &raw.shape.layers, &raw.shape.heads,
      &raw.shape.head_size, &raw.shape.ffw,    &raw.shape.seq_len};
  *numbers[static_cast<int>(column) - 1] = BALLAST_TRY(cell_number(text, where));
  return {};
}

std::optional<ModelShape> whole_shape(RawRow& raw) {
  ModelShape& s = raw.shape;
  if (!raw.model.empty()) {
    const Result<Preset> preset = find_preset(raw.model);
    if (!preset.ok() || !(s.seq_len > 0)) return std::nullopt;
    return shape_of(preset->model, s.seq_len);
  }
  if (!(s.head_size > 0) && s.heads > 0) s.head_size = s.hidden / s.heads;
  const bool whole = s.vocab > 0 && s.hidden > 0 && s.layers > 0 && s.heads > 0 &&
                     s.head_size > 0 && s.ffw > 0 && s.seq_len > 0;
  return whole ? std::optional(s) : std::nullopt;
}

RunRow finished(RawRow raw, const std::string& where) {
  raw.row.shape = whole_shape(raw);
  raw.row.source = where;
  if (raw.row.name.empty()) raw.row.name = where;
  return std::move(raw.row);
}

Result<void> check_needed(const std::vector<Column>& there, const std::vector<std::string>& needed,
                          const std::string& where) {
  for (const std::string& name : needed)
    if (std::ranges::find(there, column_of(name)) == there.end())
      return usage_error(fmt::format("the table has no column '{}'", name), where);
  return {};
}

Result<void> read_csv(std::unique_ptr<ByteSource> source, const std::vector<std::string>& needed,
                      RunTable& table) {
  CsvRows rows(std::move(source));
  std::vector<std::string_view> cells;
  std::vector<Column> columns;
  if (!BALLAST_TRY(rows.next(cells))) return insufficient_error("the table is empty", rows.name());
  for (const std::string_view name : cells) {
    const Column column = column_of(name);
    if (column != Column::none && std::ranges::find(columns, column) != columns.end())
      return usage_error(fmt::format("two columns for '{}'", name), rows.name());
    columns.push_back(column);
  }
  BALLAST_TRY(check_needed(columns, needed, rows.name()));
  while (BALLAST_TRY(rows.next(cells))) {
    const std::string where = fmt::format("{}:{}", rows.name(), rows.number());
    if (rows.bad() || cells.size() != columns.size())
      return corrupt_error(fmt::format("{} cells under {} columns", cells.size(), columns.size()),
                           where);
    RawRow raw;
    for (size_t i = 0; i < cells.size(); ++i)
      BALLAST_TRY(take_cell(raw, columns[i], cells[i], where));
    table.rows.push_back(finished(std::move(raw), where));
  }
  return {};
}

Result<void> read_json_lines(ByteSource& source, const std::vector<std::string>& needed,
                             RunTable& table) {
  LineReader lines(source, int64_t{16} << 20);
  while (const auto line = BALLAST_TRY(lines.next())) {
    if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", source.name(), lines.line_number());
    const Json json = BALLAST_TRY(parse_json(*line, where));
    if (!json.is_object()) return corrupt_error("a line is no JSON object", where);
    RawRow raw;
    std::vector<Column> there;
    for (const auto& [key, value] : json.items()) {
      const Column column = column_of(key);
      if (column == Column::none || value.is_null()) continue;
      there.push_back(column);
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      BALLAST_TRY(take_cell(raw, column, text, where));
    }
    BALLAST_TRY(check_needed(there, needed, where));
    table.rows.push_back(finished(std::move(raw), where));
  }
  return {};
}

// The first bytes, without consuming them for good.
Result<std::string> peek(std::unique_ptr<ByteSource>& source) {
  std::string prefix(kPeek, '\0');
  size_t have = 0;
  while (have < prefix.size()) {
    const size_t got = BALLAST_TRY(
        source->read({reinterpret_cast<std::byte*>(prefix.data()) + have, prefix.size() - have}));
    if (got == 0) break;
    have += got;
  }
  prefix.resize(have);
  source = prefixed_source(prefix, std::move(source));
  return prefix;
}

bool is_trace(const std::string& prefix) {
  const Result<Json> first = parse_json(prefix.substr(0, prefix.find('\n')), "");
  return first.ok() && first->is_object() && first->contains("segment");
}

Result<void> read_input(const std::string& input, const RunTableOptions& options,
                        const std::vector<std::string>& needed, RunTable& table) {
  FileSystem& fs = posix_file_system();
  const bool directory = input != "-" && BALLAST_TRY(fs.info(input)).is_directory;
  if (directory) return read_run_trace(input, options, table);
  std::unique_ptr<ByteSource> source = BALLAST_TRY(open_source(fs, input));
  const std::string prefix = BALLAST_TRY(peek(source));
  if (!prefix.starts_with('{')) return read_csv(std::move(source), needed, table);
  if (!is_trace(prefix)) return read_json_lines(*source, needed, table);
  if (input == "-") return usage_error("standard input is a trace", "-", "name traces as files");
  return read_run_trace(input, options, table);
}

}  // namespace

Result<RunTable> read_runs(const RunTableOptions& options, const std::vector<std::string>& needed) {
  RunTable table;
  for (const std::string& input : options.inputs)
    BALLAST_TRY(read_input(input, options, needed, table));
  return table;
}

RowFlops flops_of(const std::vector<RunRow>& rows) {
  RowFlops flops;
  const bool given = std::ranges::all_of(rows, [](const RunRow& r) { return r.flops > 0; });
  const bool shapes =
      std::ranges::all_of(rows, [](const RunRow& r) { return r.shape.has_value(); });
  flops.how = given ? "given" : shapes ? "shape" : "6ND";
  for (const RunRow& row : rows)
    flops.values.push_back(given    ? row.flops
                           : shapes ? training_flops(*row.shape, row.tokens)
                                    : 6 * row.parameters * row.tokens);
  return flops;
}

std::string why_no_point(const RunRow& row) {
  if (!row.cooled) return "not cooled down";
  if (!(row.parameters > 0) || !std::isfinite(row.parameters)) return "no parameters";
  if (!(row.tokens > 0) || !std::isfinite(row.tokens)) return "no tokens";
  if (!(row.loss > 0) || !std::isfinite(row.loss)) return "no finite loss";
  return "";
}

}  // namespace ballast
