// Held-out loss: the first windows of the validation shard, up to --val-tokens, always the same
// ones. The interval is the normal one of a ratio of sums over windows, since tokens of one window
// are not independent.
#include <algorithm>
#include <cmath>

#include "tools/pretrain/trainer.h"

namespace ballast {
namespace {

struct WindowSum {
  double loss = 0;
  double tokens = 0;
};

// Standard error of sum(loss) / sum(tokens).
double standard_error(const std::vector<WindowSum>& windows, double mean, double tokens) {
  if (windows.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  double squares = 0;
  for (const WindowSum& w : windows) squares += std::pow(w.loss - mean * w.tokens, 2);
  const auto n = static_cast<double>(windows.size());
  return std::sqrt(squares * n / (n - 1)) / tokens;
}

}  // namespace

Result<void> Trainer::evaluate() {
  if (config_.validation == nullptr) return {};
  const WindowReader reader(config_.validation, config_.seq_len, config_.model.vocab_size);
  const int64_t windows = config_.validation_windows();
  const int64_t rows = buffers_.tokens.cols;
  const MicroBatch micro = {buffers_.tokens, buffers_.labels, buffers_.weight, buffers_.doc_start};
  const Tensor loss_rows = cols_of(buffers_.loss_rows, 0, rows),
               lse_rows = cols_of(buffers_.lse_rows, 0, rows);
  std::vector<WindowSum> sums;
  std::vector<float> host(static_cast<size_t>(rows));
  HostBatch batch;
  for (int64_t begin = 0; begin < windows && !Control::stop_signalled();
       begin += config_.micro_batch) {
    const int64_t n = std::min(config_.micro_batch, windows - begin);
    batch.resize(config_.micro_batch, config_.seq_len);  // sequences past the end stay masked
    for (int64_t i = 0; i < n; ++i) BALLAST_TRY(reader.read(begin + i, batch, i));
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
      sums.push_back(sum);
    }
  }
  double loss = 0, tokens = 0;
  for (const WindowSum& sum : sums) {
    loss += sum.loss;
    tokens += sum.tokens;
  }
  if (Control::stop_signalled() || tokens == 0) return {};
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
