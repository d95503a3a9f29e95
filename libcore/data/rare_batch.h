// A batch that no model has learnt: the rarest tokens of the data in random order. For faults on
// purpose (`--inject rare@N`). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "libcore/data/batch.h"

namespace ballast {

// Ids that occur, the rarest first (of equal counts the smaller id): one in a hundred of them, at
// least 16 where there are as many. counts[id].
std::vector<int32_t> rarest_tokens(std::span<const int64_t> counts);

// Overwrites every sequence with tokens drawn from `ids`, one document each, no label masked. A
// function of (seed, ids, shape).
void fill_rare(HostBatch& batch, std::span<const int32_t> ids, uint64_t seed);

}  // namespace ballast
