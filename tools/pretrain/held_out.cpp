#include "tools/pretrain/held_out.h"

#include <algorithm>
#include <cmath>

#include "libcore/stats/ratio.h"

namespace ballast {

int64_t windows_within(const WindowReader& reader, int64_t tokens, int64_t seq_len) {
  return std::min(reader.windows(), std::max<int64_t>(1, tokens / seq_len));
}

Result<void> held_out_sums(const WindowReader& reader, const HeldOutPlan& plan,
                           const LossRows& loss_rows, const std::function<bool()>& stop,
                           std::span<WindowSum> sums) {
  const auto windows = static_cast<int64_t>(sums.size());
  HostBatch batch;
  for (int64_t begin = 0; begin < windows && !stop(); begin += plan.micro_batch) {
    if (begin / plan.micro_batch % plan.ranks != plan.rank) continue;
    const int64_t n = std::min(plan.micro_batch, windows - begin);
    batch.resize(plan.micro_batch, plan.seq_len);  // sequences past the end stay masked
    for (int64_t i = 0; i < n; ++i) BALLAST_TRY(reader.read(begin + i, batch, i));
    const std::span<const float> losses = loss_rows(batch);
    for (int64_t i = 0; i < n; ++i) {
      WindowSum sum;
      for (int64_t t = 0; t < plan.seq_len; ++t) {
        const auto k = static_cast<size_t>(i * plan.seq_len + t);
        if (batch.labels[k] == kMaskedLabel) continue;
        sum.loss += static_cast<double>(losses[k]);
        sum.tokens += 1;
      }
      sums[static_cast<size_t>(begin + i)] = sum;
    }
  }
  return {};
}

void fill_in_loss(EvalRecord& record, std::span<const WindowSum> sums) {
  ClusteredMean loss;
  for (const WindowSum& sum : sums) loss.add(sum.loss, sum.tokens);
  if (loss.items() == 0) return;
  record.loss = loss.mean();
  record.perplexity = std::exp(*record.loss);
  record.n_tokens = static_cast<int64_t>(loss.items());
  if (const double error = loss.standard_error(); std::isfinite(error)) {
    record.perplexity_low = std::exp(*record.loss - kNormal95 * error);
    record.perplexity_high = std::exp(*record.loss + kNormal95 * error);
  }
}

}  // namespace ballast
