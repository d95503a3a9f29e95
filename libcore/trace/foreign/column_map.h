// What the columns, tags and keys of generic logs mean: one table for CSV, JSON Lines, W&B,
// TensorBoard and MLflow. The names are those that trainers in use write ("train/loss", "lm loss",
// "optim/total grad norm"); what the table does not know is named with --map.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/trace/foreign/foreign_log.h"
#include "libcore/trace/step_fields.h"

namespace ballast {

enum class ColumnKind {
  unused,
  step,             // "step", "_step", "iter", "iteration", "global_step", "Step"
  unix_seconds,     // "_timestamp", "wall_time"
  elapsed_seconds,  // "_runtime"
  field,            // a key of StepRecord: `field` below
  eval_loss,        // "val/loss", "eval_loss", "lm loss validation"
  eval_perplexity,
};

struct ColumnTarget {
  ColumnKind kind = ColumnKind::unused;
  const StepField* field = nullptr;
  int rank = 0;      // of several columns of one row with the same target the lowest rank counts
  double scale = 1;  // what the column's number is multiplied with: a share for "mfu(%)", ms for s
  std::string set;   // evals: which held-out data, "" for the only one
};

// The target of one name under `options.map`, which goes before the table: a target that is mapped
// has no other column.
class ColumnMap {
 public:
  // Usage error: a key of the map that is no target, or a column that is mapped twice.
  static Result<ColumnMap> make(const ImportOptions& options);
  ColumnTarget target_of(std::string_view name) const;

  // The columns of a table with a header, resolved together: one column at most per target. Usage
  // error, naming the candidates, when two are equally good; a mapped column that is not there is
  // one too. `where` names the file.
  Result<std::vector<ColumnTarget>> resolve(std::span<const std::string> names,
                                            std::string_view where) const;

  // Key and column, as given.
  const std::vector<std::pair<std::string, std::string>>& mapped() const { return options_.map; }

 private:
  ImportOptions options_;
};

// Puts a number into the member that `field` names (whole numbers are rounded, not finite ones left
// out there); texts and flags from their words.
void set_field(StepRecord& record, const StepField& field, double value);
void set_field(StepRecord& record, const StepField& field, std::string_view text);
// The same, scaled, for a target of kind field.
void set_field(StepRecord& record, const ColumnTarget& target, double value);

// The number that a cell or value is: blanks around it, thousands separators ("1,234"), a trailing
// "%" (the number before it), and nan, inf and infinity in any case are understood; nullopt when it
// is none.
std::optional<double> number_in(std::string_view text);
// Microseconds since 1970 of a time: a number of seconds (milliseconds from 1e11 on), RFC 3339, or
// "2026-11-21 23:50:01.123456" taken as UTC. nullopt when it is none.
std::optional<int64_t> time_us_in(std::string_view text);
std::optional<int64_t> time_us_of_number(double seconds);

}  // namespace ballast
