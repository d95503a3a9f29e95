// How often each token came on the line of a run before one of its steps. Exact counts read every
// batch again; expected ones take the counts of the shards' manifests, each source by the share of
// it that was consumed.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/guard/token_evidence.h"
#include "libcore/io/file_system.h"
#include "libcore/provenance/run_data.h"

namespace ballast {

enum class CountKind { automatic, exact, expected };

struct TokenCounts {
  std::vector<double> of;  // by id
  double total = 0;
  bool exact = false;
};

// Exact counts up to so many tokens, unless they are asked for.
inline constexpr int64_t kMostExact = int64_t{1} << 28;

class TokenCounter {
 public:
  // Automatic is exact up to kMostExact tokens, or where a shard has no manifest. A branch of
  // another run has no exact counts of what that one consumed; the data order knows how much it
  // was.
  TokenCounter(FileSystem& fs, CountKind kind) : fs_(fs), kind_(kind) {}
  // Of the batches that were trained on before `step`; good until the next call, which counts on
  // where this one ended if that lies on its line. Kind usage when expected counts are asked for
  // and a shard has no manifest; kinds io and corrupt.
  Result<const TokenCounts*> before(const RunData& run, const StepBatch& step);

 private:
  FileSystem& fs_;
  CountKind kind_;
  TokenCounts counts_;
  std::vector<const StepBatch*> counted_;  // exactly
};

// Times by id in the inputs of a step's batch.
Result<std::vector<int64_t>> count_batch(const RunData& run, const StepBatch& step);

// Of a step's batch. With `among` it is part of the counts, and is left out of them.
Result<BatchSurprisal> surprisal_of(const RunData& run, const StepBatch& step,
                                    const TokenCounts& counts, bool among);

}  // namespace ballast
