#include "tools/pretrain/gradient_sum.h"

namespace ballast {

GradientSum::GradientSum(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut,
                         const Tensor& grads, int64_t slots, bool sharded)
    : backend_(backend), comm_(comm), cut_(cut), grads_(grads), slots_(slots), sharded_(sharded) {
  for (int64_t covered = 1; covered < slots; covered *= 2)
    kept_.push_back(arena.take(Dtype::f32, 1, grads.cols));
}

void GradientSum::begin_slot() { backend_.zero(grads_.data, grads_.cols * 4); }

// Like a carry: the sums that a finished slot completes are added to it, the result is kept one
// level above them.
void GradientSum::end_slot(int64_t slot) {
  size_t level = 0;
  for (; (slot >> level & 1) != 0; ++level) backend_.add(grads_, kept_[level], grads_);
  backend_.cast(kept_[level], grads_);
}

void GradientSum::ready(int64_t flat_begin) {
  const auto& buckets = cut_.buckets();
  // The last bucket holds the 1-D parameters.
  while (sent_ + 1 < buckets.size() && buckets[sent_].range.begin >= flat_begin)
    send(buckets[sent_++]);
}

void GradientSum::send(const FlatBucket& bucket) {
  const auto part = [&](const Tensor& flat) {
    return cols_of(flat, bucket.range.begin, bucket.range.size());
  };
  for (const Tensor& kept : kept_) backend_.add(part(grads_), part(kept), part(grads_));
  const EventId computed = backend_.record(StreamId::compute);
  last_ = sharded_ ? comm_->reduce_parts(part(grads_), bucket.borders, ReduceOp::sum, computed)
                   : comm_->all_reduce(part(grads_), ReduceOp::sum, computed);
}

void GradientSum::finish() {
  while (sent_ < cut_.buckets().size()) send(cut_.buckets()[sent_++]);
  comm_->join(last_);
  sent_ = 0;
}

}  // namespace ballast
