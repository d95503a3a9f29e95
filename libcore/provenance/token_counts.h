// How often each token came on the line of a run before one of its steps. Exact counts read every
// batch again; expected ones take the counts of the shards' manifests, each source by the share of
// it that was consumed.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/provenance/run_data.h"

namespace ballast {

enum class CountKind { automatic, exact, expected };

struct TokenCounts {
  std::vector<double> of;  // by id
  double total = 0;
  bool exact = false;
};

// Of the batches that were trained on, that of `step` and later ones left out. Automatic is exact
// up to kMostExact tokens, or where a shard has no manifest. Kind usage when expected counts are
// asked for and a shard has no manifest; kinds io and corrupt.
inline constexpr int64_t kMostExact = int64_t{1} << 28;
Result<TokenCounts> counts_before(FileSystem& fs, const RunData& run, const StepBatch& step,
                                  CountKind kind);

// Times by id in the inputs of a step's batch.
Result<std::vector<int64_t>> count_batch(const RunData& run, const StepBatch& step);

}  // namespace ballast
