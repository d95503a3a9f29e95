#include "tools/pretrain/step_record.h"

#include <cmath>
#include <optional>

#include "libcore/model/model.h"

namespace ballast {
namespace {

std::optional<double> known(double value) {
  return std::isnan(value) ? std::nullopt : std::optional<double>(value);
}

void add_losses(StepRecord& r, const StepWork& work, const RunConfig& config, int ranks) {
  if (work.valid == 0) return;
  const StepLosses& losses = work.losses;
  r.loss = losses.loss;
  r.grad_norm = work.grad_norm;
  if (ranks > 1) r.loss_max_rank = losses.max_rank;
  if (config.z_loss > 0) r.z_loss = losses.z_loss;
  // NaN is both a loss that is not finite and no labels of the source; a step that is finite has
  // only the latter.
  for (size_t s = 0; s < losses.by_source.size(); ++s)
    if (!std::isnan(losses.by_source[s]) || !std::isfinite(losses.loss))
      r.source_loss.emplace_back(config.sources[s].name, losses.by_source[s]);
}

void add_update(StepRecord& r, const StepWork& work) {
  if (work.apply()) r.grad_norm_clipped = work.grad_norm * work.clip.factor;
  if (work.apply() || work.clip.skip) {
    r.clip_threshold = known(work.clip.threshold);
    r.clip_z = known(work.clip.z);
  }
}

void add_times(StepRecord& r, const StepWork& work, const RunConfig& config, const RunClock& clock,
               double saving_seconds, int ranks) {
  r.tokens_per_s = static_cast<double>(work.batch_tokens) / clock.step_seconds();
  if (const double peak = config.typed.peak_tflops * 1e12 * ranks; peak > 0)
    r.mfu = *r.tokens_per_s * train_flops_per_token(config.model, config.seq_len) / peak;
  r.step_ms = clock.step_seconds() * 1e3;
  r.data_ms = clock.data_seconds() * 1e3;
  r.compute_ms = clock.compute_seconds() * 1e3;
  if (ranks > 1) r.comm_ms = clock.communication_seconds() * 1e3;
  if (saving_seconds > 0) r.checkpoint_ms = saving_seconds * 1e3;
}

}  // namespace

void add_norms(StepRecord& r, const UpdateNorms& norms) {
  r.param_norm = norms.param;
  r.update_norm = r.skipped ? 0.0 : norms.update;
  r.v_norm = norms.v;
  if (!r.skipped) r.update_rms = norms.rms;
}

StepRecord make_step_record(const StepWork& work, const RunState& state, const RunConfig& config,
                            const RunClock& clock, double saving_seconds, int ranks) {
  const TrainState& counters = state.counters();
  StepRecord r;
  r.step = work.step;
  r.tokens = counters.tokens;
  r.samples = counters.samples;
  r.tokens_trained = counters.tokens_trained;
  r.lr = work.lr;
  r.n_valid = work.valid;
  add_losses(r, work, config, ranks);
  add_update(r, work);
  add_times(r, work, config, clock, saving_seconds, ranks);
  const BatchSource& data = state.data();
  r.batch_start = data.sample_of(counters.samples - work.batch_samples);
  if (data.order().phases() > 1) r.phase = std::to_string(data.order().phase_index(*r.batch_start));
  r.precision = config.typed.precision;
  r.skipped = !work.apply();
  r.skip_reason = work.skip_reason;
  return r;
}

}  // namespace ballast
