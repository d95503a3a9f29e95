// What stood in a batch: its sequences, their documents, and how rare their tokens were to the run
// at that time. Errors: kind io or corrupt with the shard.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/token_rarity.h"
#include "libcore/provenance/run_data.h"

namespace ballast {

struct LocatedDocument {
  DocumentPart part;
  Rarity rarity;
  std::vector<int32_t> rarest;  // ids, the rarest first
};

struct LocatedSequence {
  int64_t sample = 0;
  SampleAddress address;
  std::optional<double> loss;  // where an event of the step lists it
  Rarity rarity;
  std::vector<LocatedDocument> documents;  // in order of the window
};

Result<LocatedSequence> locate_sample(const RunData& run, const DataOrder& order, int64_t sample,
                                      const TokenRarity& rarity);

// Of the batch of a step: those with a known loss first, the highest in front (what is not finite
// is higher), then by surprisal.
Result<std::vector<LocatedSequence>> locate_batch(const RunData& run, const StepBatch& step,
                                                  const TokenRarity& rarity);

}  // namespace ballast
