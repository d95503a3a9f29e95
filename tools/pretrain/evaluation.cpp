// Held-out loss during training, up to --val-tokens, in the same micro-batches whatever the number
// of ranks, which take them in turn.
#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/message.h"
#include "libcore/trace/reader.h"
#include "tools/pretrain/held_out.h"
#include "tools/pretrain/trainer.h"

namespace ballast {

// Every rank's sums to all; true when a signal on any of them has cut the evaluation short.
Result<bool> Trainer::share_evaluation(Result<void> read, std::vector<WindowSum>& sums) {
  if (world_.alone()) {
    BALLAST_TRY(std::move(read));
    return Control::stop_signalled();
  }
  std::vector<double> all(2 * sums.size() + kCauses + 1);
  for (size_t w = 0; w < sums.size(); ++w) {
    all[2 * w] = sums[w].loss;
    all[2 * w + 1] = sums[w].tokens;
  }
  const std::span<double> votes = std::span(all).subspan(2 * sums.size());
  votes[static_cast<size_t>(poll().cause)] = 1;
  votes[kCauses] = read.ok() ? 0 : 1;
  comm_->all_reduce_host(all, ReduceOp::sum);
  if (votes[kCauses] > 0) return *world_.share_error(read.ok() ? nullptr : &read.error());
  for (size_t w = 0; w < sums.size(); ++w) sums[w] = {all[2 * w], all[2 * w + 1]};
  for (size_t c = 0; c < kCauses; ++c)
    if (votes[c] > 0) request_.cause = std::max(request_.cause, static_cast<Cause>(c));
  return request_.cause >= Cause::usr1_signal;
}

// By the leader. A stop that came during an evaluation left a checkpoint for which one is due and
// no record of it.
Result<bool> Trainer::evaluation_missing(int64_t step) const {
  const bool due = step == config_.total_steps ||
                   (config_.val_every > 0 && step > 0 && step % config_.val_every == 0);
  const std::string path = join_path(config_.typed.run, kTraceFileName);
  if (config_.validation == nullptr || !due || !fs_.exists(path)) return false;
  const auto reader = BALLAST_TRY(
      TraceReader::open(fs_, path, {.view = TraceView::all, .fields = 0, .skip_bad_lines = true}));
  TraceRecord record;
  bool found = false;
  while (BALLAST_TRY(reader->next(record))) {
    // What a segment leaves behind by beginning earlier does not count.
    if (record.type == RecordType::run && record.run.parent_step.value_or(step) < step)
      found = false;
    if (record.type == RecordType::eval && record.eval.step == step) found = true;
  }
  return !found;
}

Result<void> Trainer::evaluate() {
  if (config_.validation == nullptr) return {};
  const std::string set = file_name(config_.typed.validation);
  BALLAST_TRY(evaluate_weights(set, true));
  if (!buffers_.swa.empty())
    BALLAST_TRY(evaluate_average(set + ":swa", buffers_.swa, averages_.swa_samples()));
  if (!buffers_.ema.empty())
    BALLAST_TRY(evaluate_average(set + ":ema", buffers_.ema, averages_.ema_samples()));
  return {};
}

// The average stands in for the weights meanwhile; the gradients' buffer, free between steps, keeps
// them.
Result<void> Trainer::evaluate_average(const std::string& name, const Tensor& average,
                                       int64_t samples) {
  // All ranks go the same way: what they agreed on counts, not a signal of one of them.
  const bool stopped =
      world_.alone() ? Control::stop_signalled() : request_.cause >= Cause::usr1_signal;
  if (samples == 0 || stopped) return {};
  const Tensor &weights = buffers_.params, &kept = buffers_.grads;
  backend_->scale(kept, weights, 1.0f);
  backend_->scale(weights, average, 1.0f);
  model_->prepare_weights();
  const Result<void> evaluated = evaluate_weights(name, false);
  backend_->scale(weights, kept, 1.0f);
  model_->prepare_weights();
  return evaluated;
}

Result<void> Trainer::evaluate_weights(const std::string& set, bool plain) {
  const WindowReader reader(config_.validation, config_.seq_len, config_.model.vocab_size);
  const int64_t rows = buffers_.tokens.cols;
  const MicroBatch micro = {buffers_.tokens, buffers_.labels, buffers_.weight, buffers_.doc_start};
  const Tensor loss_rows = cols_of(buffers_.loss_rows, 0, rows),
               lse_rows = cols_of(buffers_.lse_rows, 0, rows);
  std::vector<float> host(static_cast<size_t>(rows));
  const auto losses_of = [&](const HostBatch& batch) -> std::span<const float> {
    upload(batch, 0, std::max<int64_t>(1, batch.valid));
    model_->forward(micro, loss_rows, lse_rows);
    backend_->copy_out(host.data(), loss_rows.data, rows * 4, StreamId::compute);
    backend_->synchronize(backend_->record(StreamId::compute));
    return host;
  };
  std::vector<WindowSum> sums(static_cast<size_t>(config_.validation_windows()));
  Result<void> read =
      held_out_sums(reader, {config_.micro_batch, config_.seq_len, world_.rank(), world_.size()},
                    losses_of, Control::stop_signalled, sums);
  evaluation_cut_ = BALLAST_TRY(share_evaluation(std::move(read), sums));
  if (evaluation_cut_) {
    print_note(
        fmt::format("step {}: evaluation cut short, it is made at the next start", state_.step));
    return {};
  }
  EvalRecord r;
  r.segment = state_.segment;
  r.time_us = wall_clock_us();
  r.step = state_.step;
  r.tokens = state_.tokens;
  r.set = set;
  fill_in_loss(r, sums);
  if (!r.loss) return {};
  if (plain) validation_loss_ = r.loss;
  return trace_->write(r);
}

}  // namespace ballast
