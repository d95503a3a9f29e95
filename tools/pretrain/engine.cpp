#include "tools/pretrain/engine.h"

#include <algorithm>

#include "tools/pretrain/flat_copy.h"
#include "tools/pretrain/shard_state.h"

namespace ballast {

// Everything is carved twice: over a counting arena first, so that the arena is as large as it must
// be.
Engine::Engine(World& world, const RunConfig& config, RunClock& clock)
    : world_(world),
      config_(config),
      clock_(clock),
      backend_(world.backend()),
      table_(make_param_table(config.model)),
      cut_(table_, world.size()),
      layout_(make_layout(cut_, world.rank(), config.zero_stage(world.size()), table_.flat_size,
                          config.bf16_params)) {
  const int ranks = world.size();
  const bool layers = world.leads() && config.typed.layers_every > 0;
  const auto carve = [&](Arena& arena) {
    buffers_ = take_buffers(arena, table_, config_, ranks, layout_);
    gradient_sum_ = make_gradient_sum(backend_, &world_.comm(), arena, config_, ranks, cut_,
                                      layout_, buffers_.grads);
    weight_gather_ =
        make_weight_gather(backend_, &world_.comm(), arena, config_, ranks, cut_, buffers_.weights);
    model_ = std::make_unique<Model>(backend_, arena, config_.model, table_,
                                     model_shape(config_, ranks));
    if (layers)
      layer_stats_ = std::make_unique<LayerStats>(backend_, arena, config_.model,
                                                  config_.micro_batch, config_.seq_len);
  };
  Arena plan;
  carve(plan);
  arena_ = std::make_unique<Arena>(backend_, plan.peak_bytes(), !world.alone());
  carve(*arena_);
  model_->bind(weight_gather_ ? weight_gather_->places() : buffers_.weights,
               gradient_sum_->places());
  model_->serve({weight_gather_.get(), gradient_sum_.get()});
}

void Engine::initialise() {
  std::vector<float> flat(static_cast<size_t>(table_.flat_size));
  initialise_parameters(table_, static_cast<uint64_t>(config_.seed), flat.data());
  give_weights(backend_, buffers_, layout_, flat.data());
  for (const Tensor& state : {buffers_.m, buffers_.v, buffers_.m2, buffers_.swa, buffers_.ema})
    if (!state.empty()) backend_.zero(state.data, state.cols * bytes_of(state.dtype));
  model_->prepare_weights();
}

std::vector<Tensor> Engine::replicated_weights() const {
  if (weight_gather_ == nullptr) return weight_tensors(buffers_);
  return {buffers_.weights.at(cut_.buckets().back().range)};
}

void Engine::collect_weights(float* host) {
  if (weight_gather_ == nullptr) {
    for (const FlatRange& run : layout_.cut_at_border(layout_.weights))
      if (host != nullptr) flat_to_host(backend_, buffers_.weights.at(run), host + run.begin);
    return;
  }
  weight_gather_->visit([&](const FlatRange& range, const Tensor& weights) {
    if (host != nullptr) flat_to_host(backend_, weights, host + range.begin);
  });
}

// On the stream of copies, so that it runs beside the pass before. What is copied in may change at
// once.
const MicroBatch& Engine::upload(const HostBatch& batch, int64_t micro, int64_t valid) {
  const int64_t rows = micro_rows();
  const auto begin = static_cast<size_t>(micro * rows);
  const float share = valid > 0 ? static_cast<float>(1.0 / static_cast<double>(valid)) : 0.0f;
  host_.resize(static_cast<size_t>(rows));
  labels_.resize(host_.size());
  for (size_t i = 0; i < labels_.size(); ++i) {
    const int32_t label = batch.labels[begin + i];
    labels_[i] = label == kMaskedLabel ? 0 : label;
    host_[i] = label == kMaskedLabel ? 0.0f : share;
  }
  input_ = (input_ + 1) % buffers_.inputs.size();
  const MicroBatch& input = buffers_.inputs[input_];
  backend_.wait(StreamId::copy, read_[input_]);
  const auto copy = [&](const Tensor& to, const void* from) {
    backend_.copy_in(to.data, from, rows * 4, StreamId::copy);
  };
  copy(input.tokens, batch.tokens.data() + begin);
  copy(input.labels, labels_.data());
  copy(input.weight, host_.data());
  copy(input.doc_start, batch.doc_start.data() + begin);
  backend_.wait(StreamId::compute, backend_.record(StreamId::copy));
  return input;
}

void Engine::uploaded_is_read() { read_[input_] = backend_.record(StreamId::compute); }

void Engine::forward_backward(const Pass& pass) {
  const int64_t rows = micro_rows();
  const int64_t micros = std::ssize(pass.batch->labels) / rows;
  for (int64_t i = 0; i < micros; ++i) {
    gradient_sum_->begin(i, micros);
    const MicroBatch& input = upload(*pass.batch, i, pass.valid);
    model_->watch(i == 0 ? pass.probe : nullptr);
    model_->forward_backward(input, cols_of(buffers_.loss_rows, i * rows, rows),
                             cols_of(buffers_.lse_rows, i * rows, rows),
                             static_cast<float>(config_.z_loss));
    uploaded_is_read();
    if (i + 1 == micros) pass.before_sum();
    gradient_sum_->end();
  }
  model_->watch(nullptr);
  finish_sum();
  pass.after_sum();
}

// Alone there is nobody to wait for.
void Engine::finish_sum() {
  if (world_.alone()) return gradient_sum_->finish();
  const RunClock::Scope waiting = clock_.waiting();
  gradient_sum_->finish();
}

std::span<const float> Engine::forward(const HostBatch& batch) {
  const int64_t rows = micro_rows();
  const Tensor loss_rows = cols_of(buffers_.loss_rows, 0, rows),
               lse_rows = cols_of(buffers_.lse_rows, 0, rows);
  model_->forward(upload(batch, 0, std::max<int64_t>(1, batch.valid)), loss_rows, lse_rows);
  uploaded_is_read();
  backend_.copy_out(host_.data(), loss_rows.data, rows * 4, StreamId::compute);
  backend_.synchronize(backend_.record(StreamId::compute));
  return host_;
}

}  // namespace ballast
