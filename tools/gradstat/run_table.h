// Training runs as rows, for `scaling`: from tables (CSV or TSV with a header, JSON Lines) and from
// traces. What cannot serve is left out by name, never guessed.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/stats/scaling_views.h"

namespace ballast {

struct RunRow {
  static constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
  std::string name;    // as the table has it, or the source
  std::string source;  // "table.csv:3", or the trace
  double parameters = kAbsent, tokens = kAbsent, loss = kAbsent, lr = kAbsent;
  double flops = kAbsent;           // as the table has it
  std::optional<ModelShape> shape;  // as far as it is known whole
  bool cooled = true;               // false: a checkpoint at a rate that was not cooled down
  bool final = true;                // the last of its run
};

struct LeftOut {
  std::string name, why;
};

struct RunTable {
  std::vector<RunRow> rows;
  std::vector<LeftOut> left_out;
};

struct RunTableOptions {
  std::vector<std::string> inputs;  // tables, traces, run directories, "-"
  std::string on_error = "fail";    // damaged lines of traces
  bool assume_cooled = false;       // of traces that log no learning rate
};

// Columns by name, in any case: n, params or parameters; d or tokens; loss or final_loss; lr or
// learning_rate; c, compute or flops; cooled (yes, no, true, false, 1, 0); name or run; model (a
// preset's name) or all of vocab, hidden or d_model, layers, heads, ffw, seq_len and, where it is
// not hidden / heads, head_size; gated. Kind usage when a column of `needed` is missing.
Result<RunTable> read_runs(const RunTableOptions& options, const std::vector<std::string>& needed);

// Compute of every row, and how it was counted: the table's own column, by shape, or 6 N D; the
// same way for all.
struct RowFlops {
  std::vector<double> values;
  std::string how;  // "given", "shape", "6ND"
};
RowFlops flops_of(const std::vector<RunRow>& rows);

// Moves the rows that `keep` refuses (it returns why, or "") to left_out.
template <class F>
void leave_out(RunTable& table, const F& keep) {
  std::vector<RunRow> kept;
  for (RunRow& row : table.rows) {
    std::string why = keep(row);
    if (why.empty())
      kept.push_back(std::move(row));
    else
      table.left_out.push_back(
          {row.name == row.source ? row.name : row.name + " (" + row.source + ")", std::move(why)});
  }
  table.rows = std::move(kept);
}

// Why a row cannot be a point of a fit, or "".
std::string why_no_point(const RunRow& row);

}  // namespace ballast
