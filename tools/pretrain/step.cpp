// The passes of one step, in order.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "tools/pretrain/trainer.h"

namespace ballast {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Adds the seconds of its scope to a sum.
class TimeAdded {
 public:
  explicit TimeAdded(double& sum) : sum_(sum), start_(std::chrono::steady_clock::now()) {}
  ~TimeAdded() { sum_ += seconds_since(start_); }
  TimeAdded(const TimeAdded&) = delete;
  TimeAdded& operator=(const TimeAdded&) = delete;

 private:
  double& sum_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace

Result<StepWork> Trainer::step() {
  step_start_ = std::chrono::steady_clock::now();
  comm_seconds_ = 0;
  StepWork work;
  BALLAST_TRY(load_batch(work));   // consumes the batch whatever becomes of the step
  BALLAST_TRY(fire_faults(work));  // on purpose
  forward_backward(work, false);   // gradients, loss rows
  measure(work);                   // the one host wait: loss and norm arrive
  judge(work);                     // the detector's verdict
  BALLAST_TRY(verify(work));       // a suspicious step is computed twice
  if (!work.hardware.empty()) return work;
  decide(work);               // the laws: skip or not, clip factor, learning rate
  take_layers(work);          // statistics of the pass and its weights
  update(work);               // the optimizer, with a factor and an apply flag
  advance(work);              // counters and statistics
  BALLAST_TRY(record(work));  // trace
  return work;
}

Result<void> Trainer::load_batch(StepWork& work) {
  work.step = state_.step + 1;
  work.batch_tokens = config_.batches.batch_at(state_.tokens);
  work.batch_samples = work.batch_tokens / config_.seq_len;
  work.lr = config_.schedule.lr(state_.tokens, work.batch_tokens) * memory_.interventions.lr_factor;
  BALLAST_TRY(planned_events(work));
  const int64_t share = work.batch_samples / world_.size();
  const auto start = std::chrono::steady_clock::now();
  const Result<void> read = batches_->read(state_.samples + world_.rank() * share, share, batch_);
  work.data_seconds = seconds_since(start);
  if (world_.alone()) {
    work.valid = batch_.valid;
    return read;
  }
  double sums[2] = {static_cast<double>(batch_.valid), read.ok() ? 0.0 : 1.0};
  const TimeAdded waiting(comm_seconds_);
  comm_->all_reduce_host(sums, ReduceOp::sum);
  if (sums[1] > 0) return *world_.share_error(read.ok() ? nullptr : &read.error());
  work.valid = static_cast<int64_t>(sums[0]);
  return {};
}

void Trainer::upload(const HostBatch& batch, int64_t micro, int64_t valid) {
  const int64_t rows = buffers_.tokens.cols;
  const auto begin = static_cast<size_t>(micro * rows);
  const float share = valid > 0 ? static_cast<float>(1.0 / static_cast<double>(valid)) : 0.0f;
  weights_.resize(static_cast<size_t>(rows));
  std::vector<int32_t> labels(static_cast<size_t>(rows));
  for (size_t i = 0; i < labels.size(); ++i) {
    const int32_t label = batch.labels[begin + i];
    labels[i] = label == kMaskedLabel ? 0 : label;
    weights_[i] = label == kMaskedLabel ? 0.0f : share;
  }
  const int64_t bytes = rows * 4;
  backend_->copy_in(buffers_.tokens.data, batch.tokens.data() + begin, bytes, StreamId::compute);
  backend_->copy_in(buffers_.labels.data, labels.data(), bytes, StreamId::compute);
  backend_->copy_in(buffers_.weight.data, weights_.data(), bytes, StreamId::compute);
  backend_->copy_in(buffers_.doc_start.data, batch.doc_start.data() + begin, bytes,
                    StreamId::compute);
  backend_->synchronize(backend_->record(StreamId::compute));  // `labels` ends here
}

void Trainer::forward_backward(const StepWork& work, bool again) {
  const int64_t rows = buffers_.tokens.cols;
  const MicroBatch micro = {buffers_.tokens, buffers_.labels, buffers_.weight, buffers_.doc_start};
  const int64_t micros = work.batch_samples / config_.micro_batch / world_.size();
  const int64_t slots = gradient_sum_->slots();
  for (int64_t i = 0; i < micros; ++i) {
    const int64_t slot = i * slots / micros, in_slot = i % (micros / slots);
    if (in_slot == 0) gradient_sum_->begin_slot();
    if (i + 1 == micros)
      model_->on_final_gradients([this](int64_t begin) { gradient_sum_->ready(begin); });
    upload(batch_, i, work.valid);
    model_->watch(i == 0 && (again || layers_due(work.step)) ? layer_stats_.get() : nullptr);
    model_->forward_backward(micro, cols_of(buffers_.loss_rows, i * rows, rows),
                             cols_of(buffers_.lse_rows, i * rows, rows),
                             static_cast<float>(config_.z_loss));
    if (in_slot + 1 == micros / slots && i + 1 < micros) gradient_sum_->end_slot(slot);
  }
  model_->on_final_gradients(nullptr);
  model_->watch(nullptr);
  corrupt_own_gradient(work, again);
  const auto start = std::chrono::steady_clock::now();
  gradient_sum_->finish();
  if (!world_.alone()) comm_seconds_ += seconds_since(start);
  corrupt_sum(work);
}

// Sums of squares by block of the flat index, of all blocks on every rank.
void Trainer::measure_gradients() {
  if (!config_.sharded() || world_.alone()) {
    backend_->norm_blocks(buffers_.norm_blocks, buffers_.grads);
    return;
  }
  const Tensor& blocks = buffers_.norm_blocks;
  backend_->zero(blocks.data, blocks.cols * 8);
  for (const ShardPiece& piece : shard_) {
    const FlatRange& range = piece.range;
    backend_->norm_blocks(cols_of(blocks, range.begin / kFlatBlock, range.size() / kFlatBlock),
                          cols_of(buffers_.grads, range.begin, range.size()));
  }
  const TimeAdded waiting(comm_seconds_);
  comm_->join(comm_->all_reduce(blocks, ReduceOp::sum, backend_->record(StreamId::compute)));
}

void Trainer::measure(StepWork& work) {
  measure_gradients();
  backend_->copy_out(blocks_.data(), buffers_.norm_blocks.data, buffers_.norm_blocks.cols * 8,
                     StreamId::compute);
  reduce_losses(work);
  work.grad_norm = std::sqrt(
      sum_pairwise(std::span(blocks_).first(static_cast<size_t>(buffers_.norm_blocks.cols))));
}

// Sums of loss rows by part: a slot with --deterministic world, else a rank. Every rank fills in
// its own parts of one vector, so that adding vectors is exact and parts are then added in one
// order, whatever the number of ranks. What ranks have to agree on besides travels in the same
// vector.
void Trainer::reduce_losses(StepWork& work) {
  const auto slots = static_cast<size_t>(gradient_sum_->slots());
  const auto ranks = static_cast<size_t>(world_.size()), rank = static_cast<size_t>(world_.rank());
  const size_t parts = slots * ranks;
  const size_t sources = config_.sources.size() > 1 ? config_.sources.size() : 0;
  std::vector<double> sums(3 * parts + kCauses + 1 + 2 * sources);
  const std::span<double> loss = std::span(sums).first(parts),
                          lse = std::span(sums).subspan(parts, parts),
                          count = std::span(sums).subspan(2 * parts, parts),
                          votes = std::span(sums).subspan(3 * parts),
                          by_source = votes.subspan(kCauses + 1);
  rows_.resize(static_cast<size_t>(work.batch_tokens / world_.size()));
  const auto add_rows = [&](const Tensor& rows, bool squared, std::span<double> sum) {
    backend_->copy_out(rows_.data(), rows.data, std::ssize(rows_) * 4, StreamId::compute);
    backend_->synchronize(backend_->record(StreamId::compute));
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (batch_.labels[i] == kMaskedLabel) continue;
      const auto value = static_cast<double>(rows_[i]);
      const size_t part = rank * slots + i * slots / rows_.size();
      sum[part] += squared ? value * value : value;
      if (!squared) ++count[part];
    }
  };
  add_rows(buffers_.loss_rows, false, loss);
  sum_sequences();
  if (config_.z_loss > 0) add_rows(buffers_.lse_rows, true, lse);
  add_by_source(by_source);
  if (!world_.alone()) {
    votes[static_cast<size_t>(poll().cause)] = 1;
    votes[kCauses] = world_.leads() && config_.checkpoint_steps == 0 &&
                     seconds_since(last_save_) >= config_.checkpoint_seconds;
    const TimeAdded waiting(comm_seconds_);
    comm_->all_reduce_host(sums, ReduceOp::sum);
    for (size_t c = 0; c < kCauses; ++c)
      if (votes[c] > 0) request_.cause = static_cast<Cause>(c);
    save_due_ = votes[kCauses] > 0;
  }
  source_loss_.assign(sources, std::numeric_limits<double>::quiet_NaN());
  for (size_t s = 0; s < sources; ++s)
    if (by_source[2 * s + 1] > 0) source_loss_[s] = by_source[2 * s] / by_source[2 * s + 1];
  if (work.valid == 0) return;
  const auto valid = static_cast<double>(work.valid);
  work.loss = sum_pairwise(loss) / valid;
  work.z_loss = config_.z_loss * sum_pairwise(lse) / valid;
  for (size_t r = 0; r < ranks; ++r) {
    const double n = sum_pairwise(count.subspan(r * slots, slots));
    const double mean = n > 0 ? sum_pairwise(loss.subspan(r * slots, slots)) / n : 0;
    if (mean > work.loss_max_rank || std::isnan(mean)) work.loss_max_rank = mean;
  }
}

// Of this rank's sequences, from the loss rows on the host.
void Trainer::sum_sequences() {
  sequence_loss_.assign(rows_.size() / static_cast<size_t>(config_.seq_len), {});
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (batch_.labels[i] == kMaskedLabel) continue;
    WindowSum& sum = sequence_loss_[i / static_cast<size_t>(config_.seq_len)];
    sum.loss += static_cast<double>(rows_[i]);
    sum.tokens += 1;
  }
}

// Loss and count of labels by source, in pairs; empty with one source.
void Trainer::add_by_source(std::span<double> sums) const {
  if (sums.empty()) return;
  const int64_t first = state_.samples + world_.rank() * std::ssize(sequence_loss_);
  for (size_t i = 0; i < sequence_loss_.size(); ++i) {
    const int64_t sample = batches_->sample_of(first + static_cast<int64_t>(i));
    const auto source = static_cast<size_t>(batches_->order().at(sample).source);
    sums[2 * source] += sequence_loss_[i].loss;
    sums[2 * source + 1] += sequence_loss_[i].tokens;
  }
}

void Trainer::judge(StepWork& work) {
  if (work.valid == 0) return;
  detector_before_ = detector_;
  work.verdict = detector_.observe(work.loss, work.grad_norm);
}

void Trainer::decide(StepWork& work) {
  if (work.valid == 0) {
    work.apply = false;
    work.skip_reason = "no labels";
    return;
  }
  const bool incident = work.verdict.loss.onset || work.verdict.loss.persistent;
  if (work.verdict.nonfinite()) {
    work.skip_reason = "nonfinite";
  } else if (incident && !config_.ladder.off() && !waits_for_jump()) {
    work.skip_reason = "guard";
  }
  work.apply = work.skip_reason.empty();
  if (!work.apply) return;
  work.clip = clipper_->decide(work.grad_norm, work.loss);
  if (!work.clip.skip) return;
  work.apply = false;
  work.skip_reason = kClipperSkip;
}

void Trainer::update(StepWork& work) {
  OptimizerStep update = config_.optimizer.at(state_.optimizer_steps + 1);
  update.param = buffers_.params;
  update.grad = buffers_.grads;
  update.m = buffers_.m;
  update.v = buffers_.v;
  update.m2 = buffers_.m2;
  update.lr = work.lr;
  update.grad_factor = work.clip.factor;
  update.update_factor = work.update_factor;
  update.apply = work.apply;
  update.rounding_seed = static_cast<uint64_t>(config_.seed);
  update.block_sums = buffers_.block_sums;
  update_shard(update);
  if (work.apply) model_->after_update();
  const int64_t blocks = buffers_.block_sums.rows;
  backend_->copy_out(blocks_.data(), buffers_.block_sums.data, blocks * 3 * 8, StreamId::compute);
  backend_->synchronize(backend_->record(StreamId::compute));
  double norms[3] = {};
  std::vector<double> column(static_cast<size_t>(blocks));
  for (size_t k = 0; k < 3; ++k) {
    for (size_t i = 0; i < column.size(); ++i) column[i] = blocks_[i * 3 + k];
    norms[k] = std::sqrt(sum_pairwise(column));
  }
  work.update_norm = norms[0];
  work.param_norm = norms[1];
  work.v_norm = norms[2];
}

// Each rank updates what it owns and gets the rest from its owners. Sums by block are of their
// owner too; elsewhere they are zero, so that adding them over ranks is exact.
void Trainer::update_shard(OptimizerStep whole) {
  const bool sharded = config_.sharded() && !world_.alone();
  const auto zero = [&](const Tensor& sums) {
    if (sharded) backend_->zero(sums.data, sums.elements() * 8);
  };
  const auto add_up = [&](const Tensor& sums) {
    if (!sharded) return;
    const TimeAdded waiting(comm_seconds_);
    comm_->join(comm_->all_reduce(sums, ReduceOp::sum, backend_->record(StreamId::compute)));
  };
  if (config_.optimizer.kind == OptimizerKind::stable_adamw) {
    zero(buffers_.ratio_sums);
    for (const ShardPiece& piece : shard_)
      backend_->update_ratio(buffers_.ratio_sums, step_of_piece(whole, piece));
    add_up(buffers_.ratio_sums);
    whole.ratio_sums = buffers_.ratio_sums;
  }
  zero(buffers_.block_sums);
  for (const ShardPiece& piece : shard_) backend_->optimizer_step(step_of_piece(whole, piece));
  add_up(buffers_.block_sums);
  if (!sharded || !whole.apply) return;
  const TimeAdded waiting(comm_seconds_);
  EventId last = 0;
  for (const FlatBucket& bucket : cut_.buckets()) {
    last = comm_->gather_parts(cols_of(buffers_.params, bucket.range.begin, bucket.range.size()),
                               bucket.borders, backend_->record(StreamId::compute));
  }
  comm_->join(last);
}

void Trainer::advance(const StepWork& work) {
  state_.step = work.step;
  state_.samples += work.batch_samples;
  state_.tokens += work.batch_tokens;
  if (!work.apply) return;
  state_.tokens_trained += work.batch_tokens;
  ++state_.optimizer_steps;
  averages_.update(*backend_, buffers_.swa, buffers_.ema, buffers_.params, buffers_.grads,
                   state_.optimizer_steps);
  detector_.accept(work.loss, work.grad_norm);
  for (size_t s = 0; s < source_loss_.size(); ++s)
    if (!std::isnan(source_loss_[s])) memory_.learn(s, source_loss_[s]);
}

}  // namespace ballast
