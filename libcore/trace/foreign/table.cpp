#include "libcore/trace/foreign/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/ascii.h"
#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/wandb_csv.h"

namespace ballast {
namespace {

bool is_value(const ColumnTarget& target) {
  return target.kind == ColumnKind::field || target.kind == ColumnKind::eval_loss ||
         target.kind == ColumnKind::eval_perplexity;
}

bool is_text(const ColumnTarget& target) {
  return target.kind == ColumnKind::field && (target.field->kind == StepField::Kind::text ||
                                              target.field->kind == StepField::Kind::flag);
}

bool is_missing(std::string_view cell) {
  cell = trim_blanks(cell);
  return cell.empty() || cell == "null" || cell == "None" || cell == "NA" || cell == "N/A";
}

std::optional<int64_t> step_in(std::string_view cell) {
  constexpr double kMost = 9e15;
  const std::optional<double> number = number_in(cell);
  if (!number || !(*number >= 0 && *number <= kMost) || *number != std::floor(*number))
    return std::nullopt;
  return static_cast<int64_t>(*number);
}

class TableLog final : public QueuedLog {
 public:
  TableLog(std::unique_ptr<CsvRows> rows, TableColumns columns)
      : rows_(std::move(rows)), columns_(std::move(columns)) {
    notes_.unused = columns_.unused;
    for (size_t i = 0; i < columns_.targets.size(); ++i) {
      const ColumnKind kind = columns_.targets[i].kind;
      if (kind == ColumnKind::step) step_column_ = i;
      if (kind == ColumnKind::elapsed_seconds && !time_column_) time_column_ = i;
    }
    for (size_t i = 0; i < columns_.targets.size(); ++i)
      if (columns_.targets[i].kind == ColumnKind::unix_seconds) time_column_ = i;
  }

 private:
  Result<bool> read_more() override {
    if (BALLAST_TRY(rows_->next(cells_))) {
      take_row();
      return true;
    }
    if (gatherer_.is_open()) {
      gatherer_.finish(queue_);
      return true;
    }
    if (banded_ || (!columns_.bands.empty() && gaps_.usual() > 1))
      notes_.averaged = "a sampled chart: each value stands for several steps";
    return false;
  }
  struct Value {
    const ColumnTarget* target;
    double number;
    std::string_view text;
  };

  void take_row();
  bool read_values();
  bool is_header() const;
  void store(int64_t step);
  int64_t time_us() const;

  std::unique_ptr<CsvRows> rows_;
  TableColumns columns_;
  StepGatherer gatherer_;
  StepGaps gaps_;
  size_t step_column_ = 0;
  std::optional<size_t> time_column_;
  std::vector<std::string_view> cells_;
  std::vector<Value> values_;
  bool banded_ = false;
};

bool TableLog::is_header() const {
  return std::equal(cells_.begin(), cells_.end(), columns_.header.begin(), columns_.header.end());
}

// The cells that count; false when one of them is no number.
bool TableLog::read_values() {
  values_.clear();
  for (size_t i = 0; i < cells_.size(); ++i) {
    const ColumnTarget& target = columns_.targets[i];
    if (!is_value(target) || is_missing(cells_[i])) continue;
    const std::optional<double> number = number_in(cells_[i]);
    if (!number && !is_text(target)) return false;
    values_.push_back({&target, number.value_or(0), cells_[i]});
  }
  return true;
}

int64_t TableLog::time_us() const {
  if (!time_column_ || is_missing(cells_[*time_column_])) return 0;
  if (columns_.targets[*time_column_].kind == ColumnKind::unix_seconds)
    return time_us_in(cells_[*time_column_]).value_or(0);
  // Elapsed seconds count from 1970: only their differences mean anything.
  const std::optional<double> seconds = number_in(cells_[*time_column_]);
  return seconds ? time_us_of_number(*seconds).value_or(0) : 0;
}

void TableLog::take_row() {
  if (rows_->torn()) {
    notes_.truncated = true;
    return;
  }
  const auto damaged = [this](std::string_view why) {
    count_damaged(notes_, rows_->number(), why);
  };
  if (rows_->bad()) return damaged("the quotes of the row do not match");
  if (is_header()) return;
  if (cells_.size() != columns_.targets.size())
    return damaged(
        fmt::format("{} cells where the header has {}", cells_.size(), columns_.targets.size()));
  const std::optional<int64_t> step = step_in(cells_[step_column_]);
  if (!step) return damaged(fmt::format("the row has no '{}'", columns_.header[step_column_]));
  if (!read_values()) return damaged("a cell is no number");
  ++notes_.records;
  if (!values_.empty()) store(*step);
}

void TableLog::store(int64_t step) {
  const bool other = !gatherer_.is_open() || gatherer_.step().step != step ||
                     std::any_of(values_.begin(), values_.end(), [this](const Value& value) {
                       return gatherer_.has(*value.target);
                     });
  if (other) {
    gatherer_.finish(queue_);
    gatherer_.begin(step, time_us(), rows_->number());
    gaps_.add(step);
  }
  for (const Value& value : values_) {
    if (is_text(*value.target)) {
      gatherer_.add(*value.target, value.text);
    } else {
      gatherer_.add(*value.target, value.number);
    }
  }
  for (const TableColumns::Band& band : columns_.bands)
    banded_ = banded_ || (!cells_[band.column].empty() && cells_[band.column] != cells_[band.of]);
}

}  // namespace

Result<std::unique_ptr<ForeignLog>> rows_log(std::unique_ptr<CsvRows> rows, TableColumns columns) {
  const auto& targets = columns.targets;
  const bool has_step = std::any_of(targets.begin(), targets.end(), [](const ColumnTarget& target) {
    return target.kind == ColumnKind::step;
  });
  if (!has_step)
    return usage_error("no column is known to be the step", rows->name(),
                       "say which with --map step=COLUMN");
  if (std::none_of(targets.begin(), targets.end(), is_value))
    return usage_error("no column is known to be the loss or the norm", rows->name(),
                       "say which with --map loss=COLUMN");
  return std::make_unique<TableLog>(std::move(rows), std::move(columns));
}

Result<TableColumns> read_table_header(CsvRows& rows) {
  std::vector<std::string_view> cells;
  if (!BALLAST_TRY(rows.next(cells)) || rows.bad())
    return corrupt_error("no header of a table", rows.name());
  TableColumns columns;
  columns.header.assign(cells.begin(), cells.end());
  return columns;
}

Result<void> TableColumns::resolve(const ColumnMap& map, const std::vector<std::string>& names,
                                   const std::string& where) {
  targets = BALLAST_TRY(map.resolve(names, where));
  ForeignNotes notes;
  for (size_t i = 0; i < names.size(); ++i)
    if (targets[i].kind == ColumnKind::unused) count_unused(notes, names[i]);
  unused = std::move(notes.unused);
  return {};
}

Result<std::unique_ptr<ForeignLog>> table_log(std::unique_ptr<ByteSource> source,
                                              const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, source->name()));
  const ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  auto rows = std::make_unique<CsvRows>(std::move(source));
  TableColumns columns = BALLAST_TRY(read_table_header(*rows));
  std::vector<std::string> names;
  // NumPy's savetxt writes the header as a comment.
  for (const std::string_view cell : columns.header) {
    const bool comment = names.empty() && cell.starts_with("# ");
    names.emplace_back(trim_blanks(comment ? cell.substr(2) : cell));
  }
  BALLAST_TRY(columns.resolve(map, names, rows->name()));
  return rows_log(std::move(rows), std::move(columns));
}

bool looks_like_table(std::string_view head) {
  if (head.starts_with('{') || head.starts_with('[') || looks_like_wandb_csv(head)) return false;
  CsvRows rows(memory_source(std::string(head)));
  std::vector<std::string_view> cells;
  const auto row = [&] {
    const Result<bool> got = rows.next(cells);
    return got.ok() && *got && !rows.bad();
  };
  if (!row() || cells.size() < 2) return false;
  for (const std::string_view cell : cells)
    if (number_in(cell)) return false;
  const size_t columns = cells.size();
  if (!row()) return false;
  if (cells.size() != columns) return false;
  return std::any_of(cells.begin(), cells.end(),
                     [](std::string_view cell) { return number_in(cell).has_value(); });
}

}  // namespace ballast
