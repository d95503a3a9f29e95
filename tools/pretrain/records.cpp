// What a step leaves in the trace: its record, the statistics of its layers, and where its highest
// losses were.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "tools/pretrain/trainer.h"

namespace ballast {
namespace {

std::optional<double> known(double value) {
  return std::isnan(value) ? std::nullopt : std::optional<double>(value);
}

constexpr size_t kLayersKept = 8;      // the ring
constexpr int64_t kLayersBetween = 5;  // taken this often between two that are written

}  // namespace

Result<void> Trainer::record(const StepWork& work) {
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - step_start_;
  step_seconds_ = taken.count();
  average_step_seconds_ = average_step_seconds_ == 0
                              ? step_seconds_
                              : 0.9 * average_step_seconds_ + 0.1 * step_seconds_;
  StepRecord r;
  r.segment = state_.segment;
  r.time_us = wall_clock_us();
  r.step = work.step;
  r.tokens = state_.tokens;
  r.samples = state_.samples;
  r.tokens_trained = state_.tokens_trained;
  r.lr = work.lr;
  r.n_valid = work.valid;
  if (work.valid > 0) {
    r.loss = work.loss;
    r.grad_norm = work.grad_norm;
    if (!world_.alone()) r.loss_max_rank = work.loss_max_rank;
    if (config_.z_loss > 0) r.z_loss = work.z_loss;
    // NaN is both a loss that is not finite and no labels of the source; a step that is finite has
    // only the latter.
    for (size_t s = 0; s < source_loss_.size(); ++s)
      if (!std::isnan(source_loss_[s]) || !std::isfinite(work.loss))
        r.source_loss.emplace_back(config_.sources[s].name, source_loss_[s]);
  }
  if (work.apply) r.grad_norm_clipped = work.grad_norm * work.clip.factor;
  if (work.apply || work.clip.skip) {
    r.clip_threshold = known(work.clip.threshold);
    r.clip_z = known(work.clip.z);
  }
  r.param_norm = work.param_norm;
  r.update_norm = work.apply ? work.update_norm : 0.0;
  r.v_norm = work.v_norm;
  record_times(work, r);
  r.batch_start = batches_->sample_of(state_.samples - work.batch_samples);
  if (batches_->order().phases() > 1)
    r.phase = std::to_string(batches_->order().phase_index(*r.batch_start));
  r.precision = config_.typed.precision;
  r.skipped = !work.apply;
  r.skip_reason = work.skip_reason;
  if (work.valid > 0) last_loss_ = work.loss;
  BALLAST_TRY(trace_->write(r));
  return keep_layers(work);
}

void Trainer::record_times(const StepWork& work, StepRecord& r) {
  r.tokens_per_s = static_cast<double>(work.batch_tokens) / step_seconds_;
  if (const double peak = config_.typed.peak_tflops * 1e12 * world_.size(); peak > 0)
    r.mfu = *r.tokens_per_s * train_flops_per_token(config_.model, config_.seq_len) / peak;
  r.step_ms = step_seconds_ * 1e3;
  r.data_ms = work.data_seconds * 1e3;
  r.compute_ms = std::max(0.0, step_seconds_ - work.data_seconds - comm_seconds_) * 1e3;
  if (!world_.alone()) r.comm_ms = comm_seconds_ * 1e3;
  if (saving_seconds_ > 0) r.checkpoint_ms = saving_seconds_ * 1e3;
  saving_seconds_ = 0;
  step_times_.emplace_back(work.step, step_seconds_);
  if (step_times_.size() > 100'000) step_times_.pop_front();
}

// Time of the steps after `step` that this process computed, for what a recovery throws away.
double Trainer::seconds_after(int64_t step) const {
  double seconds = 0;
  for (auto it = step_times_.rbegin(); it != step_times_.rend() && it->first > step; ++it)
    seconds += it->second;
  return seconds;
}

// Sequences of the last step with the highest loss, what is not finite first. Collective.
Result<Json> Trainer::worst_sequences() {
  constexpr size_t kShown = 8;
  const auto share = sequence_loss_.size(), rank = static_cast<size_t>(world_.rank());
  std::vector<double> losses(share * static_cast<size_t>(world_.size()), 0.0);
  for (size_t i = 0; i < share; ++i) {
    const WindowSum& sum = sequence_loss_[i];
    losses[rank * share + i] = sum.tokens > 0 ? sum.loss / sum.tokens : 0.0;
  }
  if (!world_.alone()) comm_->all_reduce_host(losses, ReduceOp::sum);
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  const std::vector<std::string> hosts = world_.gather(name);

  std::vector<size_t> order(losses.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto rating = [&](size_t i) {
    return std::isnan(losses[i]) ? std::numeric_limits<double>::infinity() : losses[i];
  };
  std::ranges::stable_sort(order, std::ranges::greater(), rating);
  order.resize(std::min(order.size(), kShown));
  Json samples = Json::array(), values = Json::array();
  const int64_t first = state_.samples - std::ssize(losses);
  for (const size_t i : order) {
    samples.push_back(batches_->sample_of(first + static_cast<int64_t>(i)));
    values.push_back(json_number(losses[i]));
  }
  const size_t worst = order.empty() || share == 0 ? 0 : order[0] / share;
  return Json{{"rank", worst},
              {"host", hosts[worst]},
              {"device", backend_->description()},
              {"samples", std::move(samples)},
              {"sample_losses", std::move(values)}};
}

bool Trainer::layers_due(int64_t step) const {
  const int64_t every = config_.typed.layers_every;
  if (every == 0) return false;
  return step % every == 0 || step % std::max<int64_t>(1, every / kLayersBetween) == 0;
}

// Before the update, while the weights are those of the pass.
void Trainer::take_layers(StepWork& work) {
  if (layer_stats_ == nullptr || (!layers_due(work.step) && work.rerun.empty())) return;
  work.layers = layer_stats_->collect(table_, buffers_.params);
}

Result<void> Trainer::keep_layers(const StepWork& work) {
  if (work.layers.is_null()) return {};
  layers_.push_back({state_.segment, work.step, wall_clock_us(), work.layers, false});
  if (layers_.size() > kLayersKept) layers_.pop_front();
  const int64_t every = config_.typed.layers_every;
  if (work.step % every != 0) return {};
  return write_layers(layers_.back());
}

Result<void> Trainer::write_layers(KeptLayers& kept) {
  if (kept.written) return {};
  kept.written = true;
  return trace_->write("layers", kept.segment, kept.time_us, kept.step, kept.values);
}

// At an incident: what was taken before it and not written, then its own.
Result<void> Trainer::write_kept_layers() {
  for (KeptLayers& kept : layers_) BALLAST_TRY(write_layers(kept));
  return {};
}

}  // namespace ballast
