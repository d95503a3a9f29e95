#include "tools/pretrain/held_out.h"

#include <algorithm>
#include <cmath>

#include "libcore/stats/ratio.h"

namespace ballast {

HeldOutWindows::HeldOutWindows(std::vector<WindowReader> shards, int64_t tokens, int64_t seq_len)
    : shards_(std::move(shards)) {
  int64_t all = 0;
  for (const WindowReader& shard : shards_) all += shard.windows();
  const int64_t most = std::min(all, std::max<int64_t>(1, tokens / seq_len));
  // Rounded as a sum, so that the shares add up; as most <= all, none exceeds its shard.
  int64_t before = 0;
  for (const WindowReader& shard : shards_) {
    before += shard.windows();
    const auto share = static_cast<unsigned __int128>(most) * static_cast<uint64_t>(before) /
                       static_cast<uint64_t>(std::max<int64_t>(1, all));
    ends_.push_back(static_cast<int64_t>(share));
  }
}

Result<void> HeldOutWindows::read(int64_t window, HostBatch& batch, int64_t row) const {
  const auto shard = std::ranges::upper_bound(ends_, window) - ends_.begin();
  const int64_t first = shard == 0 ? 0 : ends_[static_cast<size_t>(shard - 1)];
  return shards_[static_cast<size_t>(shard)].read(window - first, batch, row);
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

Result<void> held_out_sums(const HeldOutWindows& windows, const HeldOutPlan& plan,
                           const LossRows& loss_rows, const std::function<bool()>& stop,
                           std::span<WindowSum> sums) {
  const auto wanted = static_cast<int64_t>(sums.size());
  const int64_t round = plan.micro_batch * plan.ranks;
  HostBatch batch;
  Result<void> read;
  for (int64_t first = 0; first < wanted && !stop(); first += round) {
    const int64_t begin = first + plan.rank * plan.micro_batch;
    const int64_t n = std::clamp<int64_t>(wanted - begin, 0, plan.micro_batch);
    if (n == 0 && !plan.together) break;
    batch.resize(plan.micro_batch, plan.seq_len);  // sequences past the end stay masked
    for (int64_t i = 0; i < n && read.ok(); ++i) read = windows.read(begin + i, batch, i);
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
