// Who consumed a window: the data order turned round, over every branch of a run.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libcore/provenance/run_data.h"

namespace ballast {

struct Shown {
  const StepBatch* step = nullptr;  // of RunData::steps()
  int64_t sample = 0;
  int64_t epoch = 0;
  // Weights have learnt from it: the step was not skipped and its batch not replaced.
  bool trained = false;
};

class Consumers {
 public:
  explicit Consumers(const RunData& run);  // which must outlive it
  // Every showing of a window, in the order in which the run lived them. O(branches + epochs).
  std::vector<Shown> of_window(int source, int64_t window) const;
  // Those of all windows that show any of a document.
  std::vector<Shown> of_document(int source, int64_t document) const;

 private:
  const StepBatch* step_of(const StepRange& range, int64_t sample) const;
  const RunData& run_;
  std::vector<int64_t> samples_;              // by order: one past the last that any step consumed
  std::vector<std::vector<int64_t>> epochs_;  // by order and source: begun by then
};

// A complete checkpoint of the run, on its line or abandoned.
struct KeptCheckpoint {
  std::string name;  // relative to the run: "ckpt/step-000000100"
  int64_t step = 0;
  int64_t segment = 0;  // that wrote it
  bool abandoned = false;
  // By segment the last step that it has learnt from.
  std::map<int64_t, int64_t> line;
  bool holds(const Shown& shown) const;
};
// Ascending by step, those of the line first.
Result<std::vector<KeptCheckpoint>> kept_checkpoints(FileSystem& fs, const RunData& run);

}  // namespace ballast
