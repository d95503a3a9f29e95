// Held-out loss: the first windows of a shard, always the same ones, with an interval that treats
// windows, not tokens, as independent. The same for an evaluation during training and for `eval`.
#pragma once

#include <functional>
#include <span>

#include "libcore/data/batch.h"
#include "libcore/trace/record.h"

namespace ballast {

// Windows of at most `tokens` tokens, at least one if there is one.
int64_t windows_within(const WindowReader& reader, int64_t tokens, int64_t seq_len);

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
Result<void> held_out_sums(const WindowReader& reader, const HeldOutPlan& plan,
                           const LossRows& loss_rows, const std::function<bool()>& stop,
                           std::span<WindowSum> sums);

// Fills in loss, perplexity with its 95 % interval (of the mean loss, exponentiated) and n_tokens;
// leaves the record alone when no window has a token.
void fill_in_loss(EvalRecord& record, std::span<const WindowSum> sums);

}  // namespace ballast
