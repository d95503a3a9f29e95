#include "tools/pretrain/weight_gather.h"

#include "tools/pretrain/flat_blocks.h"

namespace ballast {

WeightGather::WeightGather(Backend& backend, Comm* comm, Arena& arena, const FlatCut& cut,
                           bool tied_embedding, const FlatPlaces& kept, Dtype type)
    : backend_(backend),
      comm_(comm),
      cut_(cut),
      kept_(kept),
      rooms_(arena, cut, bucket_kinds(cut, tied_embedding, BucketKind::elsewhere), type),
      state_(rooms_.rooms()) {}

FlatPlaces WeightGather::places() const {
  FlatPlaces places = rooms_.places(cut_);
  const FlatRange& whole = cut_.buckets().back().range;
  places.put(whole, kept_.at(whole));
  return places;
}

int64_t WeightGather::want(int64_t part) {
  const size_t bucket = cut_.bucket_of(part);
  const int64_t content = stand(bucket).content;
  if (rooms_.shares(bucket)) fetch_after(bucket);
  return content;
}

void WeightGather::changed() {
  for (Room& room : state_) {
    if (room.travels) comm_->join(room.event);
    room = Room();
  }
}

void WeightGather::visit(
    const std::function<void(const FlatRange& range, const Tensor& weights)>& show) {
  const size_t last = cut_.buckets().size() - 1;
  for (size_t b = 0; b < last; ++b) {
    stand(b);
    show(cut_.buckets()[b].range, rooms_.tensor(b));
  }
  const FlatRange& whole = cut_.buckets()[last].range;
  show(whole, kept_.at(whole));
}

WeightGather::Room& WeightGather::stand(size_t bucket) {
  fetch(bucket);
  Room& room = room_of(bucket);
  if (room.travels) comm_->join(room.event);
  room.travels = false;
  return room;
}

// Nothing where it stands or travels already. The room's last bucket has been used by ops that come
// before `computed`.
void WeightGather::fetch(size_t bucket) {
  Room& room = room_of(bucket);
  if (room.content != 0 && room.bucket == bucket) return;
  if (room.travels) comm_->join(room.event);
  const FlatBucket& of = cut_.buckets()[bucket];
  const FlatRange own = of.part(comm_->rank());
  const Tensor weights = rooms_.tensor(bucket);
  if (own.size() > 0)
    copy_flat(backend_, cols_of(weights, own.begin - of.range.begin, own.size()), kept_.at(own));
  const EventId computed = backend_.record(StreamId::compute);
  room = {bucket, ++contents_, true, comm_->gather_parts(weights, of.borders, computed)};
}

// The next one in the direction of the pass, which turns at the ends.
void WeightGather::fetch_after(size_t bucket) {
  const auto shares = [&](size_t b) { return b < cut_.buckets().size() && rooms_.shares(b); };
  const bool up = bucket == 0 || (bucket > last_ && shares(bucket + 1));
  const size_t next = up ? bucket + 1 : bucket - 1;
  if (bucket != last_ && shares(next)) fetch(next);
  last_ = bucket;
}

std::unique_ptr<WeightGather> make_weight_gather(Backend& backend, Comm* comm, Arena& arena,
                                                 const RunConfig& config, int ranks,
                                                 const FlatCut& cut, const FlatPlaces& kept) {
  if (config.zero_stage(ranks) < 3) return nullptr;
  return std::make_unique<WeightGather>(backend, comm, arena, cut, config.model.tie_word_embeddings,
                                        kept, config.matrix_type());
}

}  // namespace ballast
