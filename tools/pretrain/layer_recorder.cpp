#include "tools/pretrain/layer_recorder.h"

#include <algorithm>
#include <utility>

namespace ballast {

bool LayerRecorder::due(int64_t step) const {
  if (every_ == 0) return false;
  return step % every_ == 0 || step % std::max<int64_t>(1, every_ / kBetween) == 0;
}

void LayerRecorder::take(const Json& more) {
  if (stats_ == nullptr) return;
  taken_ = stats_->collect();
  taken_.update(more);
}

Result<void> LayerRecorder::keep(int64_t segment, int64_t step) {
  if (taken_.is_null()) return {};
  kept_.push_back({segment, step, wall_clock_us(), std::exchange(taken_, Json()), false});
  if (kept_.size() > kKept) kept_.pop_front();
  if (step % every_ != 0) return {};
  return write(kept_.back());
}

Result<void> LayerRecorder::write(Kept& kept) {
  if (kept.written) return {};
  kept.written = true;
  return log_.write("layers", kept.segment, kept.time_us, kept.step, kept.values);
}

Result<void> LayerRecorder::write_kept() {
  for (Kept& kept : kept_) BALLAST_TRY(write(kept));
  return {};
}

}  // namespace ballast
