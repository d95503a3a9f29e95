// Numbers that a log names one by one ("train/loss" at step 70), put together into records: a step
// record for each step, and an eval record for each held-out set. Numbers of one step may lie
// apart: the last kWindow steps stay open, so that tags written one after the other over many steps
// still meet. A column whose step goes back begins a new pass (the trainer was restarted): rows of
// two passes never mix. Memory is flat. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libcore/trace/foreign/column_map.h"

namespace ballast {

class Rows {
 public:
  static constexpr size_t kWindow = 65536;
  static constexpr size_t kMostColumns = 4096;  // of use; those beyond are noted as unused

  // `notes` outlives this: names that are not understood are listed there.
  Rows(ColumnMap map, ForeignNotes& notes) : map_(std::move(map)), notes_(notes) {}

  // A column's number, the same for the same name; nullopt: it is of no use.
  std::optional<size_t> column(std::string_view name);
  // Without noting the name when it is of no use.
  bool is_of_use(std::string_view name) const;
  const ColumnTarget& target(size_t column) const { return columns_[column].target; }
  const std::string& name(size_t column) const { return columns_[column].name; }

  // A number of a column that is a field or an evaluation. Of several at one step the last counts.
  void add(int64_t step, int64_t time_us, size_t column, double value);
  void add_record(TraceRecord record);  // stands between the rows before and after; ends the pass
  void restart();                       // ends the pass
  void finish();                        // nothing comes any more

  // The next record that is whole; false when more has to be added first. Usage error: two columns
  // are equally good for one key, or at the end one that the user mapped has not come.
  Result<bool> pop(TraceRecord& record);

 private:
  struct Column {
    std::string name;
    ColumnTarget target;
    size_t group = 0;   // columns of one target
    size_t set = 0;     // evals of one set
    int64_t pass = -1;  // in which it last stood,
    int64_t step = 0;   // and where
  };
  struct Cell {
    size_t column;
    double value;
  };
  struct Row {
    int64_t step = 0;
    int64_t time_us = 0;
    std::vector<Cell> cells;
  };
  struct Choice {  // of one group in the row at hand
    int64_t row = -1;
    size_t cell = 0;
  };

  size_t add_column(std::string_view name, const ColumnTarget& target);
  Result<void> choose(const Row& row);
  Result<void> unpack(const Row& row);
  EvalRecord& eval_of(const Row& row, const Column& column);

  ColumnMap map_;
  ForeignNotes& notes_;
  std::vector<Column> columns_;
  std::unordered_map<std::string, std::optional<size_t>> by_name_;
  std::deque<Row> rows_;  // the front one has number first_
  int64_t first_ = 0;
  int64_t closed_ = 0;                                   // rows before it get no more numbers
  std::unordered_map<int64_t, int64_t> open_;            // step -> row number
  std::deque<std::pair<int64_t, TraceRecord>> between_;  // stands before the row of that number
  std::deque<TraceRecord> ready_;
  std::vector<Choice> choices_;  // by group
  std::vector<Choice> evals_;    // by set: `cell` is the place in ready_
  size_t sets_ = 0;
  int64_t pass_ = 0;
  bool finished_ = false;
};

// One row of a log whose rows name their own step and time, as W&B's history does. Of several step
// columns the best counts, and a row without the one that is usual in this log is passed over: its
// numbers have another scale.
class NamedRow {
 public:
  NamedRow(Rows& rows, ForeignNotes& notes) : rows_(rows), notes_(notes) {}
  void clear();
  void add(std::string_view name, double value);
  // `start_us`: what elapsed seconds count from, 0 when unknown. `where`: for the notes.
  void finish(int64_t start_us, int64_t where);

 private:
  Rows& rows_;
  ForeignNotes& notes_;
  std::vector<std::pair<size_t, double>> cells_;
  std::optional<size_t> step_column_;   // of this row
  std::optional<size_t> usual_column_;  // the best of all rows so far
  double step_ = 0;
  std::optional<double> unix_s_, elapsed_s_;
};

}  // namespace ballast
