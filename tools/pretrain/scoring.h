// Likelihoods of given continuations, and greedy or sampled ones. Sequences of different lengths
// are packed into windows as documents of their own: attention and positions keep them apart, so
// that nothing is spent on padding. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "libcore/base/result.h"
#include "tools/pretrain/inference.h"

namespace ballast {

// ids[prompt..] are scored, given what stands before each; prompt >= 1.
struct ScoredIds {
  std::vector<int32_t> ids;
  size_t prompt = 1;
};

// Keeps at most `most` ids by dropping the first ones of the prompt; false when the continuation
// and one id before it do not fit.
bool truncate_prompt(ScoredIds& item, int64_t most);

// Where the items of one pass stand: row and first column, and how many were taken.
struct Placement {
  int64_t row = 0, column = 0;
};
std::vector<Placement> pack(std::span<const ScoredIds> items, int64_t sequences, int64_t seq_len);

// Sums of log-likelihoods (nats) of the continuations. Every item has at most seq_len + 1 ids.
std::vector<double> log_likelihoods(Inference& model, std::span<const ScoredIds> items,
                                    int64_t sequences, int64_t seq_len);

// The likeliest continuation of each prompt, `count` ids long, each id the argmax of its
// predecessors' logits. All prompts have the same length, and with the continuation at most the
// model's positions.
Result<std::vector<std::vector<int32_t>>> greedy_continuations(
    Inference& model, std::span<const std::vector<int32_t>> prompts, int64_t count,
    int64_t sequences);

}  // namespace ballast
