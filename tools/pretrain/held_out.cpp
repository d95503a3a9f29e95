#include "tools/pretrain/held_out.h"

#include <algorithm>
#include <cmath>

#include "libcore/stats/ratio.h"

namespace ballast {

int64_t windows_within(const WindowReader& reader, int64_t tokens, int64_t seq_len) {
  return std::min(reader.windows(), std::max<int64_t>(1, tokens / seq_len));
}

namespace {

WindowSum sum_of(std::span<const int32_t> labels, std::span<const float> losses) {
  WindowSum sum;
  for (size_t t = 0; t < labels.size(); ++t) {
    if (labels[t] == kMaskedLabel) continue;
    sum.loss += static_cast<double>(losses[t]);
    sum.tokens += 1;
  }
  return sum;
}

}  // namespace

Result<void> held_out_sums(const WindowReader& reader, const HeldOutPlan& plan,
                           const LossRows& loss_rows, const std::function<bool()>& stop,
                           std::span<WindowSum> sums) {
  const auto windows = static_cast<int64_t>(sums.size());
  const int64_t round = plan.micro_batch * plan.ranks;
  HostBatch batch;
  Result<void> read;
  for (int64_t first = 0; first < windows && !stop(); first += round) {
    const int64_t begin = first + plan.rank * plan.micro_batch;
    const int64_t n = std::clamp<int64_t>(windows - begin, 0, plan.micro_batch);
    if (n == 0 && !plan.together) break;
    batch.resize(plan.micro_batch, plan.seq_len);  // sequences past the end stay masked
    for (int64_t i = 0; i < n && read.ok(); ++i) read = reader.read(begin + i, batch, i);
    if (!read.ok() && !plan.together) return read;
    const std::span<const float> losses = loss_rows(batch);
    for (int64_t i = 0; i < n && read.ok(); ++i) {
      const auto row = static_cast<size_t>(i * plan.seq_len),
                 count = static_cast<size_t>(plan.seq_len);
      sums[static_cast<size_t>(begin + i)] =
          sum_of(std::span(batch.labels).subspan(row, count), losses.subspan(row, count));
    }
  }
  return read;
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
