// When statistics of the layers are taken, and which of them are written: a record every K steps of
// --layers-every, and in between a ring of unwritten ones, so that an incident can show what led to
// it. On ranks that do not lead nothing is taken. One thread.
#pragma once

#include <cstdint>
#include <deque>

#include "tools/pretrain/layer_stats.h"
#include "tools/pretrain/run_log.h"

namespace ballast {

class LayerRecorder {
 public:
  // `stats` may be null: not wanted, or not here. `every`: 0: never.
  LayerRecorder(LayerStats* stats, int64_t every, RunLog& log)
      : stats_(stats), every_(every), log_(log) {}

  bool due(int64_t step) const;
  // Who watches the pass of that step; null: nobody. A step that is computed again is watched.
  LayerStats* probe(int64_t step, bool again) { return again || due(step) ? stats_ : nullptr; }
  // After a watched pass; `more` are further keys of the record.
  void take(const Json& more);
  // When the step has its record: keeps what was taken, writes it if its turn has come.
  Result<void> keep(int64_t segment, int64_t step);
  // At an incident: everything that was kept and not written.
  Result<void> write_kept();
  void forget() { kept_.clear(); }  // of a branch that is left

 private:
  static constexpr size_t kKept = 8;
  static constexpr int64_t kBetween = 5;  // taken this often from one record to the next

  struct Kept {
    int64_t segment = 0, step = 0, time_us = 0;
    Json values;
    bool written = false;
  };
  Result<void> write(Kept& kept);

  LayerStats* stats_;
  int64_t every_;
  RunLog& log_;
  Json taken_;  // of the present step; null: nothing
  std::deque<Kept> kept_;
};

}  // namespace ballast
