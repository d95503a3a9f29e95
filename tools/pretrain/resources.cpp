#include "tools/pretrain/resources.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <tuple>

#include "libcore/model/model.h"
#include "tools/pretrain/buffers.h"
#include "tools/pretrain/gradient_sum.h"
#include "tools/pretrain/layer_stats.h"
#include "tools/pretrain/rehearse.h"
#include "tools/pretrain/shard_state.h"
#include "tools/pretrain/snapshots.h"
#include "tools/pretrain/weight_gather.h"

namespace ballast {
namespace {

// Resident memory of this process now.
int64_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6)) * 1024;
  }
  return 0;
}

int64_t state_count(const TrainBuffers& buffers) {
  int64_t count = 0;
  for (const StateBuffer& state : kStates) count += (buffers.*state.device).cols > 0 ? 1 : 0;
  return count;
}

// As many as the ring keeps, or as the run takes.
int64_t snapshot_bytes(const RunConfig& config, const TrainBuffers& buffers) {
  const int64_t every = config.ladder.off() ? 0 : config.typed.snapshot_every;
  if (every == 0) return 0;
  int64_t bytes = 0;
  for (const Tensor& tensor : kept_tensors(buffers))
    bytes += tensor.elements() * bytes_of(tensor.dtype);
  return bytes * std::min<int64_t>(SnapshotRing::kKept, (config.total_steps - 1) / every);
}

// The CPU backend packs every prepared weight twice, for products with it and with its transpose,
// and keeps the copies by place and shape: matrices that take turns in one place share theirs.
int64_t packed_bytes(const RunConfig& config, const ParamTable& table, const FlatCut& cut,
                     bool resident) {
  const bool tied = config.model.tie_word_embeddings;
  Arena arena;
  const BucketRooms rooms(arena, cut, bucket_kinds(cut, tied, BucketKind::elsewhere));
  std::set<std::tuple<size_t, int64_t, int64_t, int64_t>> places;
  int64_t bytes = 0;
  for (const StoredTensor& tensor : table.stored) {
    if (!tensor.matrix || (tensor.name == "embed" && !tied)) continue;
    const size_t bucket = cut.bucket_of(tensor.flat_begin);
    const int64_t offset = tensor.flat_begin - cut.buckets()[bucket].range.begin;
    // Under sigma-reparametrisation blocks are computed with what is made of one block at a time.
    const bool made = config.model.switches.sigma_reparam && tensor.name.starts_with("layers.");
    if (!resident && made && !tensor.name.starts_with("layers.0.")) continue;
    if (resident || made ||
        places.insert({rooms.room_of(bucket), offset, tensor.rows, tensor.cols}).second)
      bytes += 2 * tensor.rows * tensor.cols * 4;
  }
  return bytes;
}

// Everything a rank carves from its arena; over a counting arena only its size.
struct Carving {
  TrainBuffers buffers;
  std::unique_ptr<GradientSum> gradient_sum;
  std::unique_ptr<WeightGather> weight_gather;
  std::unique_ptr<Model> model;
  std::unique_ptr<LayerStats> layers;
  int64_t sums = 0, activations = 0;  // bytes

  Carving(Backend& backend, Arena& arena, const RunConfig& config, const ParamTable& table,
          const FlatCut& cut, const ShardLayout& layout, int ranks) {
    buffers = take_buffers(arena, table, config, ranks, layout);
    int64_t before = arena.peak_bytes();
    gradient_sum =
        make_gradient_sum(backend, nullptr, arena, config, ranks, cut, layout, buffers.grads);
    weight_gather =
        make_weight_gather(backend, nullptr, arena, config, ranks, cut, buffers.weights);
    sums = arena.peak_bytes() - before;
    before = arena.peak_bytes();
    model =
        std::make_unique<Model>(backend, arena, config.model, table, model_shape(config, ranks));
    if (config.typed.layers_every > 0)
      layers = std::make_unique<LayerStats>(backend, arena, config.model, config.micro_batch,
                                            config.seq_len);
    activations = arena.peak_bytes() - before;
  }
};

// What the device itself will say that it wants besides the arena.
void rehearse_plan(MemoryPlan& plan, Backend& backend, const RunConfig& config,
                   const ParamTable& table, const FlatCut& cut, const ShardLayout& layout,
                   int ranks) {
  Rehearsal* const rehearsal = begin_rehearsal(backend, Rehearsal::Kind::imaginary);
  if (rehearsal == nullptr) {
    plan.prepared = packed_bytes(config, table, cut, model_shape(config, ranks).resident);
    return;
  }
  Arena arena(backend, plan.arena());
  const Carving carving(backend, arena, config, table, cut, layout, ranks);
  carving.model->bind(
      carving.weight_gather ? carving.weight_gather->places() : carving.buffers.weights,
      carving.gradient_sum->places());
  walk_through({backend, config, carving.buffers, *carving.model, carving.layers.get(),
                make_shard(layout, ranges_of(config.optimizer, table))});
  const RehearsedMemory memory = rehearsal->end_rehearsal();
  plan.prepared = memory.weight_copies;
  plan.workspace = memory.workspace + memory.products;
}

// Seconds of the fastest of a few calls.
template <class Call>
double best_seconds(Backend& backend, const Call& call) {
  double best = 1e9;
  for (int i = 0; i < 6; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    backend.synchronize(backend.record(StreamId::compute));
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

MemoryPlan plan_memory(Backend& backend, const RunConfig& config, const ParamTable& table,
                       int ranks) {
  MemoryPlan plan;
  plan.process = resident_bytes();
  const FlatCut cut(table, ranks);
  const ShardLayout layout = make_layout(cut, cut.largest_rank(), config.zero_stage(ranks),
                                         table.flat_size, config.bf16_params);
  const int64_t flat = table.flat_size * 4, states = layout.states.size();
  Arena arena;
  const Carving carving(backend, arena, config, table, cut, layout, ranks);
  const TrainBuffers& buffers = carving.buffers;
  for (const Tensor& tensor : weight_tensors(buffers))
    plan.weights += tensor.cols * bytes_of(tensor.dtype);
  plan.gradients = layout.gradients.size() * 4;
  plan.states = states * config.optimizer.state_bytes_per_parameter();
  plan.averages =
      layout.weights.size() * 4 * ((config.averages.swa ? 1 : 0) + (config.averages.ema ? 1 : 0));
  (config.zero_stage(ranks) >= 2 ? plan.buckets : plan.slots) = carving.sums;
  plan.activations = carving.activations;
  plan.batches = arena.peak_bytes() - plan.weights - plan.gradients - plan.states - plan.averages -
                 carving.sums - plan.activations;
  rehearse_plan(plan, backend, config, table, cut, layout, ranks);
  if (ranks > 1) {
    for (const FlatBucket& bucket : cut.buckets()) {
      int64_t largest = 0;
      for (size_t r = 1; r < bucket.borders.size(); ++r)
        largest = std::max(largest, bucket.borders[r] - bucket.borders[r - 1]);
      plan.communication = std::max(plan.communication, largest * 4 * ranks);
    }
  }
  // A moment in bf16 is widened on its way.
  const int64_t moments = 2 + (config.optimizer.has_slow_moment() ? 1 : 0);
  plan.checkpoint = flat + moments * states * 4 + (state_count(buffers) - moments) * flat;
  plan.snapshots = snapshot_bytes(config, buffers);
  return plan;
}

namespace {

// All weights of a bucket; the last one is one-dimensional.
int64_t weight_bytes(const RunConfig& config, const FlatCut& cut, size_t bucket) {
  const bool matrices = bucket + 1 < cut.buckets().size();
  return cut.buckets()[bucket].range.size() * (matrices ? bytes_of(config.matrix_type()) : 4);
}
int64_t weight_bytes(const RunConfig& config, const FlatCut& cut) {
  int64_t bytes = 0;
  for (size_t b = 0; b < cut.buckets().size(); ++b) bytes += weight_bytes(config, cut, b);
  return bytes;
}

// What ShardGradientSum reduces in a step: rooms that are taken in turns at every micro-batch, the
// others once.
CollectivePlan plan_shard_sums(const RunConfig& config, const FlatCut& cut, int ranks) {
  const int64_t micros = config.batches.largest() / config.seq_len / config.micro_batch / ranks;
  const std::vector<BucketKind> kinds =
      bucket_kinds(cut, config.model.tie_word_embeddings, BucketKind::own);
  CollectivePlan plan;
  for (size_t b = 0; b < kinds.size(); ++b) {
    const int64_t times = kinds[b] == BucketKind::shared ? micros : 1;
    plan.calls += times;
    plan.bytes += times * cut.buckets()[b].range.size() * 4;
  }
  return plan;
}

// What WeightGather asks for in a step. Two buckets still stand where the direction of the passes
// turns: between forward and backward, and from one micro-batch to the next. An update makes all
// old, and the first sweep after it, of the power iterations or of the forward pass, asks for all.
CollectivePlan plan_gathers(const RunConfig& config, const FlatCut& cut, int ranks) {
  const int64_t micros = config.batches.largest() / config.seq_len / config.micro_batch / ranks;
  const int64_t sweeps = 2 * micros + (config.model.switches.sigma_reparam ? 1 : 0);
  const std::vector<BucketKind> kinds =
      bucket_kinds(cut, config.model.tie_word_embeddings, BucketKind::elsewhere);
  const auto sharing = std::ranges::count(kinds, BucketKind::shared);
  CollectivePlan plan;
  const auto add = [&](size_t b) {
    ++plan.calls;
    plan.bytes += weight_bytes(config, cut, b);
  };
  for (size_t b = 0; b < kinds.size(); ++b) add(b);       // 1-D parameters once, after the update
  bool downwards = !config.model.switches.sigma_reparam;  // of the first sweep
  for (int64_t sweep = 1; sweep < sweeps; ++sweep) {
    downwards = !downwards;
    const auto turn = static_cast<ptrdiff_t>(BucketRooms::kShared);
    for (ptrdiff_t b = turn; b < sharing; ++b) add(static_cast<size_t>(downwards ? b - turn : b));
  }
  return plan;
}

}  // namespace

std::vector<CollectivePlan> plan_collectives(const RunConfig& config, const ParamTable& table,
                                             int ranks) {
  std::vector<CollectivePlan> plans;
  if (ranks == 1) return plans;
  const FlatCut cut(table, ranks);
  const auto buckets = static_cast<int64_t>(cut.buckets().size());
  const int64_t flat = table.flat_size * 4;
  // Of every part a rank sends all but its own.
  const auto part = [&](int64_t bytes) { return bytes / ranks * (ranks - 1); };
  if (const int stage = config.zero_stage(ranks); stage > 0) {
    const CollectivePlan sums =
        stage >= 2 ? plan_shard_sums(config, cut, ranks) : CollectivePlan{"", buckets, flat};
    plans.push_back({"reduce-scatter gradients", sums.calls, part(sums.bytes)});
    const CollectivePlan gathers = stage >= 3
                                       ? plan_gathers(config, cut, ranks)
                                       : CollectivePlan{"", buckets, weight_bytes(config, cut)};
    plans.push_back({"all-gather weights", gathers.calls, part(gathers.bytes)});
    plans.push_back({"all-reduce sums by block", 2,
                     2 * part(table.flat_size / kFlatBlock * 4 * int64_t{sizeof(double)})});
  } else {
    plans.push_back({"all-reduce gradients", buckets, 2 * part(flat)});
  }
  const int64_t parts = config.slots_of_rank(ranks) * ranks;
  const int64_t values = 2 + 3 * parts + 10;  // the count of labels, the losses, the votes
  plans.push_back({"all-gather losses and votes", 2, values * 8 * (ranks - 1)});
  return plans;
}

Rates measure_rates(Backend& backend) {
  constexpr int64_t kSize = 768, kLong = int64_t{4} << 20;
  Arena arena(backend, 3 * kSize * kSize * 4 + 2 * kLong * 4 + 2048);
  const Dtype type = backend.compute_dtype();
  const Tensor a = arena.take(type, kSize, kSize), b = arena.take(type, kSize, kSize);
  const Tensor d = arena.take(type, kSize, kSize);
  const Tensor x = arena.take(Dtype::f32, 1, kLong), y = arena.take(Dtype::f32, 1, kLong);
  for (const Tensor& t : {a, b, x, y}) backend.zero(t.data, t.elements() * bytes_of(t.dtype));
  Rates rates;
  rates.flops_per_s = 2.0 * kSize * kSize * kSize /
                      best_seconds(backend, [&] { backend.gemm(d, a, b, {.transpose_b = true}); });
  rates.bytes_per_s = 3.0 * kLong * 4 / best_seconds(backend, [&] { backend.add(y, y, x); });
  return rates;
}

TimePlan plan_time(const RunConfig& config, const ParamTable& table, const MemoryPlan& memory,
                   const std::vector<CollectivePlan>& collectives, const Rates& rates, int ranks,
                   double link_bytes_per_s) {
  const auto share = static_cast<double>(config.batches.largest()) / ranks;
  const double micros = share / static_cast<double>(config.seq_len * config.micro_batch);
  const auto d = [](int64_t bytes) { return static_cast<double>(bytes); };
  TimePlan plan;
  plan.products_s = train_flops_per_token(config.model, config.seq_len) * share / rates.flops_per_s;
  // Every activation is written, read, and read again by the backward pass; gradients are read and
  // written by each micro-batch; then norms, the update and packing pass over the flat buffers.
  const double flat = d(table.flat_size * 4),
               weights = d(weight_bytes(config, FlatCut(table, ranks)));
  const double bytes = micros * (3 * d(memory.activations) + 2 * flat) + d(memory.slots) * 3 +
                       2 * flat + flat + 2 * weights + 2 * d(memory.states) +
                       1.5 * d(memory.prepared);
  plan.memory_s = bytes / rates.bytes_per_s;
  for (const CollectivePlan& collective : collectives)
    plan.transfer_s += d(collective.bytes) / link_bytes_per_s;
  return plan;
}

}  // namespace ballast
