#include "tools/pretrain/gradient_sum.h"

#include "tools/pretrain/flat_blocks.h"

namespace ballast {

WholeGradientSum::WholeGradientSum(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut,
                                   const Tensor& grads, int64_t slots, bool sharded)
    : backend_(backend), comm_(comm), cut_(cut), grads_(grads), slots_(slots), sharded_(sharded) {
  for (int64_t covered = 1; covered < slots; covered *= 2)
    kept_.push_back(arena.take(Dtype::f32, 1, grads.cols));
}

void WholeGradientSum::begin(int64_t micro, int64_t micros) {
  const int64_t in_slot = micro % (micros / slots_);
  slot_ = micro * slots_ / micros;
  ends_slot_ = in_slot + 1 == micros / slots_;
  last_ = micro + 1 == micros;
  if (in_slot == 0) backend_.zero(grads_.data, grads_.cols * 4);
}

void WholeGradientSum::end() {
  if (ends_slot_ && !last_) keep_slot();
}

// Like a carry: the sums that a finished slot completes are added to it, the result is kept one
// level above them.
void WholeGradientSum::keep_slot() {
  size_t level = 0;
  for (; (slot_ >> level & 1) != 0; ++level) backend_.add(grads_, kept_[level], grads_);
  backend_.cast(kept_[level], grads_);
}

void WholeGradientSum::complete(int64_t part) {
  if (!last_) return;
  const auto& buckets = cut_.buckets();
  // The last bucket holds the 1-D parameters.
  while (sent_ + 1 < buckets.size() && buckets[sent_].range.begin >= part) send(buckets[sent_++]);
}

void WholeGradientSum::send(const FlatBucket& bucket) {
  const auto part = [&](const Tensor& flat) {
    return cols_of(flat, bucket.range.begin, bucket.range.size());
  };
  for (const Tensor& kept : kept_) backend_.add(part(grads_), part(kept), part(grads_));
  const EventId computed = backend_.record(StreamId::compute);
  last_event_ = sharded_
                    ? comm_->reduce_parts(part(grads_), bucket.borders, ReduceOp::sum, computed)
                    : comm_->all_reduce(part(grads_), ReduceOp::sum, computed);
}

void WholeGradientSum::finish() {
  while (sent_ < cut_.buckets().size()) send(cut_.buckets()[sent_++]);
  comm_->join(last_event_);
  sent_ = 0;
}

ShardGradientSum::ShardGradientSum(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut,
                                   bool tied_embedding, const FlatRuns& own, const Tensor& shard)
    : backend_(backend),
      comm_(comm),
      cut_(cut),
      own_(own),
      shard_(shard),
      rooms_(arena, cut, bucket_kinds(cut, tied_embedding, BucketKind::own)),
      state_(rooms_.rooms()),
      begun_(cut.buckets().size()) {}

void ShardGradientSum::begin(int64_t micro, int64_t micros) {
  last_ = micro + 1 == micros;
  next_ = 0;
  if (micro > 0) return;
  begun_.assign(begun_.size(), false);
  open(cut_.buckets().back().range.begin);  // to which every layer adds
}

void ShardGradientSum::open(int64_t part) {
  const size_t bucket = cut_.bucket_of(part);
  Room& room = state_[rooms_.room_of(bucket)];
  if (room.holds && room.bucket == bucket && !room.travels) return;
  collect(room);
  room = {bucket, true, false, 0};
  const Tensor gradients = rooms_.tensor(bucket);
  backend_.zero(gradients.data, gradients.cols * 4);
}

void ShardGradientSum::complete(int64_t part) {
  for (; next_ < cut_.buckets().size() && cut_.buckets()[next_].range.begin >= part; ++next_)
    if (rooms_.shares(next_)) send(next_);
}

void ShardGradientSum::end() {
  complete(0);
  if (!last_) return;
  for (size_t b = 0; b < cut_.buckets().size(); ++b)
    if (!rooms_.shares(b)) send(b);
}

void ShardGradientSum::send(size_t bucket) {
  Room& room = state_[rooms_.room_of(bucket)];
  BALLAST_CHECK(room.holds && room.bucket == bucket && !room.travels);
  room.travels = true;
  room.event = comm_->reduce_parts(rooms_.tensor(bucket), cut_.buckets()[bucket].borders,
                                   ReduceOp::sum, backend_.record(StreamId::compute));
}

// What has come back is added to the shard; the room is free.
void ShardGradientSum::collect(Room& room) {
  if (!room.travels) return;
  comm_->join(room.event);
  const FlatBucket& bucket = cut_.buckets()[room.bucket];
  const FlatRange part = bucket.part(comm_->rank());
  const Tensor mine = own_.part(shard_, part);
  const Tensor sum =
      cols_of(rooms_.tensor(room.bucket), part.begin - bucket.range.begin, part.size());
  if (begun_[room.bucket]) {
    add_flat(backend_, mine, sum);
  } else {
    copy_flat(backend_, mine, sum);
  }
  begun_[room.bucket] = true;
  room = Room();
}

void ShardGradientSum::finish() {
  for (Room& room : state_) collect(room);
}

std::unique_ptr<GradientSum> make_gradient_sum(Backend& backend, Comm* comm, Arena& arena,
                                               const RunConfig& config, int ranks,
                                               const FlatCut& cut, const ShardLayout& layout,
                                               const Tensor& grads) {
  const int stage = config.zero_stage(ranks);
  if (stage >= 2)
    return std::make_unique<ShardGradientSum>(
        backend, comm, arena, cut, config.model.tie_word_embeddings, layout.gradients, grads);
  return std::make_unique<WholeGradientSum>(backend, comm, arena, cut, grads,
                                            config.slots_of_rank(ranks), stage == 1);
}

}  // namespace ballast
