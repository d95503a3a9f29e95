#include "tools/pretrain/snapshots.h"

#include <utility>

#include "libcore/base/check.h"

namespace ballast {
namespace {

int64_t bytes_of_tensor(const Tensor& tensor) { return tensor.elements() * bytes_of(tensor.dtype); }

}  // namespace

void SnapshotRing::take(Backend& backend, const TrainState& state,
                        const std::vector<Tensor>& tensors) {
  Snapshot snapshot;
  if (kept_.size() == kKept) {  // the oldest one's memory serves again
    snapshot = std::move(kept_.front());
    kept_.pop_front();
  }
  snapshot.state = state;
  snapshot.tensors.resize(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t bytes = bytes_of_tensor(tensors[i]);
    snapshot.tensors[i].resize(static_cast<size_t>(bytes));
    backend.copy_out(snapshot.tensors[i].data(), tensors[i].data, bytes, StreamId::compute);
  }
  backend.synchronize(backend.record(StreamId::compute));
  kept_.push_back(std::move(snapshot));
}

int64_t SnapshotRing::newest(int64_t step) const {
  int64_t found = -1;
  for (const Snapshot& snapshot : kept_)
    if (snapshot.state.step <= step) found = snapshot.state.step;
  return found;
}

const TrainState& SnapshotRing::restore(Backend& backend, int64_t step,
                                        const std::vector<Tensor>& tensors) {
  forget_after(step);
  BALLAST_CHECK(!kept_.empty() && kept_.back().state.step == step);
  const Snapshot& snapshot = kept_.back();
  BALLAST_CHECK(snapshot.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t bytes = bytes_of_tensor(tensors[i]);
    BALLAST_CHECK(bytes == static_cast<int64_t>(snapshot.tensors[i].size()));
    backend.copy_in(tensors[i].data, snapshot.tensors[i].data(), bytes, StreamId::compute);
  }
  backend.synchronize(backend.record(StreamId::compute));
  return snapshot.state;
}

void SnapshotRing::forget_after(int64_t step) {
  while (!kept_.empty() && kept_.back().state.step > step) kept_.pop_back();
}

}  // namespace ballast
