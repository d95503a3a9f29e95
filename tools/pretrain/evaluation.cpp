// Held-out loss: the first windows of the validation shard, up to --val-tokens, always the same
// ones, in the same micro-batches whatever the number of ranks, which take them in turn. The
// interval is the normal one of a ratio of sums over windows, since tokens of one window are not
// independent.
#include <algorithm>
#include <cmath>

#include "tools/pretrain/trainer.h"

namespace ballast {
namespace {

// Standard error of sum(loss) / sum(tokens).
double standard_error(const std::vector<WindowSum>& windows, double mean, double tokens) {
  if (windows.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  double squares = 0;
  for (const WindowSum& w : windows) squares += std::pow(w.loss - mean * w.tokens, 2);
  const auto n = static_cast<double>(windows.size());
  return std::sqrt(squares * n / (n - 1)) / tokens;
}

}  // namespace

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

Result<void> Trainer::evaluate() {
  if (config_.validation == nullptr) return {};
  const WindowReader reader(config_.validation, config_.seq_len, config_.model.vocab_size);
  const int64_t windows = config_.validation_windows();
  const int64_t rows = buffers_.tokens.cols;
  const MicroBatch micro = {buffers_.tokens, buffers_.labels, buffers_.weight, buffers_.doc_start};
  const Tensor loss_rows = cols_of(buffers_.loss_rows, 0, rows),
               lse_rows = cols_of(buffers_.lse_rows, 0, rows);
  std::vector<WindowSum> sums(static_cast<size_t>(windows));
  std::vector<float> host(static_cast<size_t>(rows));
  HostBatch batch;
  Result<void> read;
  for (int64_t begin = 0; begin < windows && !Control::stop_signalled();
       begin += config_.micro_batch) {
    if (begin / config_.micro_batch % world_.size() != world_.rank()) continue;
    const int64_t n = std::min(config_.micro_batch, windows - begin);
    batch.resize(config_.micro_batch, config_.seq_len);  // sequences past the end stay masked
    for (int64_t i = 0; i < n && read.ok(); ++i) read = reader.read(begin + i, batch, i);
    if (!read.ok()) break;
    upload(batch, 0, std::max<int64_t>(1, batch.valid));
    model_->forward(micro, loss_rows, lse_rows);
    backend_->copy_out(host.data(), loss_rows.data, rows * 4, StreamId::compute);
    backend_->synchronize(backend_->record(StreamId::compute));
    for (int64_t i = 0; i < n; ++i) {
      WindowSum sum;
      for (int64_t t = 0; t < config_.seq_len; ++t) {
        const auto k = static_cast<size_t>(i * config_.seq_len + t);
        if (batch.labels[k] == kMaskedLabel) continue;
        sum.loss += static_cast<double>(host[k]);
        sum.tokens += 1;
      }
      sums[static_cast<size_t>(begin + i)] = sum;
    }
  }
  if (BALLAST_TRY(share_evaluation(std::move(read), sums))) return {};
  double loss = 0, tokens = 0;
  for (const WindowSum& sum : sums) {
    loss += sum.loss;
    tokens += sum.tokens;
  }
  if (tokens == 0) return {};
  EvalRecord r;
  r.segment = state_.segment;
  r.time_us = wall_clock_us();
  r.step = state_.step;
  r.tokens = state_.tokens;
  r.set = file_name(config_.typed.validation);
  r.loss = loss / tokens;
  r.perplexity = std::exp(*r.loss);
  r.n_tokens = static_cast<int64_t>(tokens);
  if (const double error = standard_error(sums, *r.loss, tokens); std::isfinite(error)) {
    r.perplexity_low = std::exp(*r.loss - 1.96 * error);
    r.perplexity_high = std::exp(*r.loss + 1.96 * error);
  }
  validation_loss_ = r.loss;
  return trace_->write(r);
}

}  // namespace ballast
