#include "libcore/trace/foreign/gather.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>

namespace ballast {

Result<void> refuse_map(const ImportOptions& options, const std::string& where) {
  if (options.map.empty()) return {};
  return usage_error("the names in this log are fixed", where, "--map is for tables and JSON");
}

Result<void> refuse_run_name(const ImportOptions& options, const std::string& where) {
  if (options.run_name.empty()) return {};
  return usage_error("this log is of one run", where, "--run-name is for files of several runs");
}

void count_damaged(ForeignNotes& notes, int64_t line, std::string_view why) {
  if (notes.damaged++ > 0) return;
  notes.first_damaged = line;
  notes.first_damage = why;
}

void count_unused(ForeignNotes& notes, std::string_view name) {
  constexpr size_t kMost = 100;
  constexpr size_t kLongest = 200;
  name = name.substr(0, kLongest);
  if (name.empty() || notes.unused.size() >= kMost) return;
  if (std::find(notes.unused.begin(), notes.unused.end(), name) == notes.unused.end())
    notes.unused.emplace_back(name);
}

const ColumnTarget& KnownNames::target_of(std::string_view name) {
  constexpr size_t kMost = 8192;
  constexpr size_t kLongest = 1024;
  static const ColumnTarget kNone;
  const auto found = known_.find(name);
  if (found != known_.end()) return found->second;
  if (known_.size() >= kMost || name.size() > kLongest) return kNone;
  const auto added = known_.emplace(name, map_.target_of(name)).first;
  if (added->second.kind == ColumnKind::unused) count_unused(notes_, name);
  return added->second;
}

Result<void> KnownNames::check_mapped(std::string_view where) const {
  for (const auto& [key, column] : map_.mapped())
    if (known_.find(column) == known_.end())
      return usage_error(fmt::format("nothing is called '{}'", column), std::string(where),
                         fmt::format("--map {}", key));
  return {};
}

void StepGatherer::begin(int64_t step, int64_t time_us, int64_t line) {
  open_ = true;
  is_step_ = false;
  line_ = line;
  clear_step(step_);
  step_.step = step;
  step_.time_us = time_us;
  evals_.clear();
  ranks_.fill(INT_MAX);
}

bool StepGatherer::add(std::string_view name, double value) {
  return add(names_->target_of(name), value);
}

bool StepGatherer::add(const ColumnTarget& target, double value) {
  if (target.kind == ColumnKind::field) {
    int& rank = ranks_[static_cast<size_t>(target.field - kStepFields.data())];
    if (target.rank >= rank) return true;
    rank = target.rank;
    set_field(step_, target, value);
    is_step_ = true;
    return true;
  }
  if (target.kind != ColumnKind::eval_loss && target.kind != ColumnKind::eval_perplexity)
    return false;
  EvalRecord* eval = eval_of(target);
  if (eval == nullptr) return false;
  (target.kind == ColumnKind::eval_loss ? eval->loss : eval->perplexity) = value;
  return true;
}

void StepGatherer::add(const ColumnTarget& target, std::string_view text) {
  ranks_[static_cast<size_t>(target.field - kStepFields.data())] = target.rank;
  set_field(step_, *target.field, text);
  is_step_ = true;
}

bool StepGatherer::has(const ColumnTarget& target) const {
  if (target.kind == ColumnKind::field)
    return ranks_[static_cast<size_t>(target.field - kStepFields.data())] != INT_MAX;
  for (const EvalRecord& eval : evals_)
    if (eval.set == target.set)
      return target.kind == ColumnKind::eval_loss ? eval.loss.has_value()
                                                  : eval.perplexity.has_value();
  return false;
}

// Null when there are too many sets.
EvalRecord* StepGatherer::eval_of(const ColumnTarget& target) {
  constexpr size_t kMostSets = 1024;
  for (EvalRecord& eval : evals_)
    if (eval.set == target.set) return &eval;
  if (evals_.size() >= kMostSets) return nullptr;
  evals_.emplace_back().set = target.set;
  return &evals_.back();
}

void StepGatherer::finish(std::deque<TraceRecord>& into) {
  if (!open_) return;
  open_ = false;
  if (step_.skipped && step_.skip_reason.empty()) step_.skip_reason = "the trainer skipped it";
  TraceRecord record;
  record.line = line_;
  if (is_step_) {
    record.type = RecordType::step;
    record.step = step_;
    into.push_back(record);
  }
  for (EvalRecord& eval : evals_) {
    record.type = RecordType::eval;
    record.eval = std::move(eval);
    record.eval.step = step_.step;
    record.eval.time_us = step_.time_us;
    record.eval.tokens = step_.tokens;
    into.push_back(record);
  }
}

void StepGaps::add(int64_t step) {
  const int64_t gap = step - last_;
  if (last_ >= 0 && gap > 0) {
    if (votes_ == 0) gap_ = gap;
    votes_ += gap == gap_ ? 1 : -1;
  }
  last_ = step;
}

}  // namespace ballast
