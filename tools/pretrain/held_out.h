// Held-out loss: the first windows of shards, always the same ones, with an interval that treats
// windows, not tokens, as independent. The same for an evaluation during training and for `eval`.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "libcore/data/batch.h"
#include "libcore/trace/record.h"

namespace ballast {

// Windows of at most `tokens` tokens, at least one if there is one. Each shard takes part by the
// number of its windows, with its first ones; one shard after the other.
class HeldOutWindows {
 public:
  HeldOutWindows(std::vector<WindowReader> shards, int64_t tokens, int64_t seq_len);
  int64_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  // As WindowReader::read().
  Result<void> read(int64_t window, HostBatch& batch, int64_t row) const;

 private:
  std::vector<WindowReader> shards_;
  std::vector<int64_t> ends_;  // of the windows of each shard, among all
};

// Losses of all positions of a batch, 0 where masked; valid until the next call.
using LossRows = std::function<std::span<const float>(const HostBatch& batch)>;

struct WindowSum {
  double loss = 0;
  double tokens = 0;
};

struct HeldOutPlan {
  int64_t micro_batch = 1, seq_len = 0;
  int64_t rank = 0, ranks = 1;  // micro-batches are taken in turn
  bool together = false;        // every rank calls `loss_rows` equally often
};

// Sums of this rank's windows; the others' stay 0. `stop` is asked before every batch; where ranks
// go together, by all of them, and must give all the same answer. On an error of reading, what was
// summed before stands.
Result<void> held_out_sums(const HeldOutWindows& windows, const HeldOutPlan& plan,
                           const LossRows& loss_rows, const std::function<bool()>& stop,
                           std::span<WindowSum> sums);

// Fills in loss, perplexity with its 95 % interval (of the mean loss, exponentiated) and n_tokens;
// leaves the record alone when no window has a token.
void fill_in_loss(EvalRecord& record, std::span<const WindowSum> sums);

}  // namespace ballast
