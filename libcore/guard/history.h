// A whole trace in memory, one row per step of every branch, for analyses that look back:
// incidents, plots, reports. Rows are in file order, which is the order in which the run lived
// them. About 130 bytes per step, and 16 per loss by source. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/trace/reader.h"
#include "libcore/trace/step_intervals.h"

namespace ballast {

// Absent numbers are NaN; has_loss and has_norm tell an absent value from a recorded NaN.
struct StepRow {
  int64_t segment = 0;
  int64_t step = 0;
  int64_t time_us = 0;
  int64_t tokens = 0;   // consumed after the step
  int64_t samples = 0;  // likewise
  double loss = 0;
  double norm = 0;          // before clipping
  double norm_clipped = 0;  // after
  double threshold = 0;
  double lr = 0;
  double tokens_per_s = 0;
  double step_ms = 0;
  int64_t batch_start = -1;  // data index of the first sample; -1: not recorded
  // Evidence for diagnoses, to which six digits are enough.
  float param_norm = 0, v_norm = 0, update_rms = 0, loss_max_rank = 0;
  bool has_loss = false;
  bool has_norm = false;
  bool skipped = false;
  bool surviving = false;
};

StepRow row_of(const StepRecord& step);  // `surviving` is not known from it

// What is wrong with the order of the steps that survived, from all steps in file order.
class LineHealth {
 public:
  void take(int64_t step, bool surviving);
  void tell(TraceHealth& health) const;  // sets what depends on the line

 private:
  int64_t last_ = -1;
  int64_t repeated_ = 0, hidden_ = 0;
  StepIntervals intervals_;
};

// The loss of one source of data in one step.
struct SourceLoss {
  size_t row = 0;      // of RunHistory::rows
  int32_t source = 0;  // of RunHistory::sources
  float loss = 0;
};

// What diagnoses need of a "layers" record: extremes over the layers; NaN: not recorded.
struct LayersRow {
  int64_t segment = 0;
  int64_t step = 0;
  double logit_max = 0;    // largest attention score
  double entropy_min = 0;  // smallest entropy of attention
};

// All of a "layers" record: per key one number per layer, not finite where it was not.
struct LayerValues {
  int64_t segment = 0;
  int64_t step = 0;
  std::vector<std::pair<std::string, std::vector<double>>> values;
};

struct RunHistory {
  std::string path;
  std::vector<Segment> segments;
  std::vector<RunRecord> runs;  // of the same index
  std::vector<StepRow> rows;
  std::vector<EventRecord> events;
  std::vector<EvalRecord> evals;
  std::vector<LayersRow> layers;
  std::vector<LayerValues> layer_values;  // of the same index, where they were asked for
  std::vector<std::string> sources;
  std::vector<SourceLoss> source_losses;  // rows ascending
  TraceHealth health;
  std::vector<LogPart> parts;  // what the operands were

  // Indices of the surviving rows in order.
  std::vector<size_t> surviving_line() const;
  // Indices of the rows that lead to the end of segment number `index`: its ancestors' rows up to
  // the fork, then all of its own.
  std::vector<size_t> line_of(size_t index) const;
};

Result<RunHistory> load_history(FileSystem& fs, const std::string& path, bool skip_bad_lines,
                                bool keep_layers = false);
// Several operands are one run; `options` say what a damaged line does and what is known of a log
// that is not ours, its other members are not looked at.
Result<RunHistory> load_history(FileSystem& fs, std::span<const std::string> operands,
                                const TraceReadOptions& options, bool keep_layers = false);

}  // namespace ballast
