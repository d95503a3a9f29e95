#include "libcore/trace/foreign/rows.h"

#include <fmt/format.h>

#include <cmath>

#include "libcore/trace/foreign/gather.h"

namespace ballast {
namespace {

constexpr size_t kMostNames = 16384;     // that are remembered
constexpr size_t kLongestName = 1024;    // longer ones are of no use
constexpr double kLargestStep = 9.0e15;  // whole numbers of a double

bool is_cell(const ColumnTarget& target) {
  return target.kind == ColumnKind::field || target.kind == ColumnKind::eval_loss ||
         target.kind == ColumnKind::eval_perplexity;
}

bool is_eval(const ColumnTarget& target) {
  return target.kind == ColumnKind::eval_loss || target.kind == ColumnKind::eval_perplexity;
}

std::string_view key_of(const ColumnTarget& target) {
  if (target.kind == ColumnKind::field) return target.field->name;
  return target.kind == ColumnKind::eval_loss ? "eval_loss" : "eval_perplexity";
}

}  // namespace

std::optional<size_t> Rows::column(std::string_view name) {
  if (name.size() > kLongestName) return std::nullopt;
  const std::string key(name);
  const auto known = by_name_.find(key);
  if (known != by_name_.end()) return known->second;
  const ColumnTarget target = map_.target_of(name);
  std::optional<size_t> column;
  if (target.kind != ColumnKind::unused && columns_.size() < kMostColumns)
    column = add_column(name, target);
  if (!column && by_name_.size() >= kMostNames) return column;
  if (!column) count_unused(notes_, name);
  by_name_.emplace(key, column);
  return column;
}

bool Rows::is_of_use(std::string_view name) const {
  return name.size() <= kLongestName && map_.target_of(name).kind != ColumnKind::unused;
}

size_t Rows::add_column(std::string_view name, const ColumnTarget& target) {
  Column column{std::string(name), target};
  column.group = choices_.size();
  column.set = sets_;
  for (const Column& other : columns_) {
    if (is_eval(target) && is_eval(other.target) && other.target.set == target.set)
      column.set = other.set;
    if (other.target.kind == target.kind && other.target.field == target.field &&
        other.target.set == target.set)
      column.group = other.group;
  }
  if (column.group == choices_.size()) choices_.emplace_back();
  if (is_eval(target) && column.set == sets_) {
    ++sets_;
    evals_.emplace_back();
  }
  columns_.push_back(std::move(column));
  return columns_.size() - 1;
}

void Rows::add(int64_t step, int64_t time_us, size_t column, double value) {
  Column& c = columns_[column];
  if (!is_cell(c.target)) return;
  if (c.pass == pass_ && step < c.step) restart();
  c.pass = pass_;
  c.step = step;
  const auto [known, is_new] = open_.try_emplace(step, first_ + static_cast<int64_t>(rows_.size()));
  if (is_new) {
    rows_.push_back({step, time_us, {}});
    if (open_.size() > kWindow) open_.erase(rows_[static_cast<size_t>(closed_++ - first_)].step);
  }
  Row& row = rows_[static_cast<size_t>(known->second - first_)];
  for (Cell& cell : row.cells) {
    if (cell.column != column) continue;
    cell.value = value;
    return;
  }
  row.cells.push_back({column, value});
}

void Rows::restart() {
  closed_ = first_ + static_cast<int64_t>(rows_.size());
  open_.clear();
  ++pass_;
}

void Rows::finish() {
  restart();
  finished_ = true;
}

void Rows::add_record(TraceRecord record) {
  restart();
  between_.emplace_back(closed_, std::move(record));
}

Result<bool> Rows::pop(TraceRecord& record) {
  while (ready_.empty()) {
    if (!between_.empty() && between_.front().first <= first_) {
      record = std::move(between_.front().second);
      between_.pop_front();
      return true;
    }
    if (first_ >= closed_) {
      if (!finished_) return false;
      for (const auto& [key, name] : map_.mapped())
        if (!by_name_.contains(name))
          return usage_error(fmt::format("nothing is called '{}'", name), "",
                             fmt::format("--map {}", key));
      return false;
    }
    BALLAST_TRY(choose(rows_.front()));
    BALLAST_TRY(unpack(rows_.front()));
    rows_.pop_front();
    ++first_;
  }
  record = std::move(ready_.front());
  ready_.pop_front();
  return true;
}

// For each target the column of the lowest rank.
Result<void> Rows::choose(const Row& row) {
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const Column& column = columns_[row.cells[i].column];
    Choice& choice = choices_[column.group];
    const bool first = choice.row != first_;
    const Column& before = first ? column : columns_[row.cells[choice.cell].column];
    if (first || column.target.rank < before.target.rank) {
      choice = {first_, i};
    } else if (column.target.rank == before.target.rank) {
      // A better one may still come, and then these two do not matter.
      bool better = false;
      for (const Cell& cell : row.cells) {
        const Column& other = columns_[cell.column];
        better = better || (other.group == column.group && other.target.rank < column.target.rank);
      }
      if (better) continue;
      const std::string_view key = key_of(column.target);
      return usage_error(
          fmt::format("both '{}' and '{}' could be {}", before.name, column.name, key),
          fmt::format("step {}", row.step), fmt::format("say which with --map {}=COLUMN", key));
    }
  }
  return {};
}

EvalRecord& Rows::eval_of(const Row& row, const Column& column) {
  Choice& place = evals_[column.set];
  if (place.row != first_) {
    place = {first_, ready_.size()};
    TraceRecord record;
    record.type = RecordType::eval;
    record.eval.step = row.step;
    record.eval.time_us = row.time_us;
    record.eval.set = column.target.set;
    ready_.push_back(std::move(record));
  }
  return ready_[place.cell].eval;
}

Result<void> Rows::unpack(const Row& row) {
  TraceRecord step;
  step.type = RecordType::step;
  step.step.step = row.step;
  step.step.time_us = row.time_us;
  bool is_step = false;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const Column& column = columns_[row.cells[i].column];
    if (column.target.kind != ColumnKind::field || choices_[column.group].cell != i) continue;
    set_field(step.step, column.target, row.cells[i].value);
    is_step = true;
  }
  if (is_step) ready_.push_back(std::move(step));
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const Column& column = columns_[row.cells[i].column];
    if (!is_eval(column.target) || choices_[column.group].cell != i) continue;
    EvalRecord& eval = eval_of(row, column);
    (column.target.kind == ColumnKind::eval_loss ? eval.loss : eval.perplexity) =
        row.cells[i].value;
  }
  return {};
}

void NamedRow::clear() {
  cells_.clear();
  step_column_.reset();
  unix_s_.reset();
  elapsed_s_.reset();
}

void NamedRow::add(std::string_view name, double value) {
  const std::optional<size_t> column = rows_.column(name);
  if (!column) return;
  const ColumnTarget& target = rows_.target(*column);
  if (target.kind == ColumnKind::unix_seconds) {
    unix_s_ = value;
  } else if (target.kind == ColumnKind::elapsed_seconds) {
    elapsed_s_ = value;
  } else if (target.kind != ColumnKind::step) {
    cells_.emplace_back(*column, value);
  } else if (value >= 0 && value <= kLargestStep &&
             (!step_column_ || target.rank < rows_.target(*step_column_).rank)) {
    step_column_ = column;
    step_ = value;
  }
}

void NamedRow::finish(int64_t start_us, int64_t where) {
  if (cells_.empty()) {
    ++notes_.records;
    return;
  }
  if (!step_column_) return count_damaged(notes_, where, "the row has no step");
  const int rank = rows_.target(*step_column_).rank;
  if (!usual_column_ || rank < rows_.target(*usual_column_).rank) usual_column_ = step_column_;
  if (rank > rows_.target(*usual_column_).rank)
    return count_damaged(notes_, where,
                         fmt::format("the row has no '{}'", rows_.name(*usual_column_)));
  std::optional<int64_t> time;
  if (unix_s_) time = time_us_of_number(*unix_s_);
  if (!time && elapsed_s_ && start_us > 0)
    time = time_us_of_number(static_cast<double>(start_us) * 1e-6 + *elapsed_s_);
  ++notes_.records;
  for (const auto& [column, value] : cells_)
    rows_.add(std::llround(step_), time.value_or(0), column, value);
}

}  // namespace ballast
