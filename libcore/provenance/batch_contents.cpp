#include "libcore/provenance/batch_contents.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <span>

namespace ballast {
namespace {

constexpr size_t kRarestShown = 5;

// Descending order of sequences.
std::pair<double, double> rank_of(const LocatedSequence& sequence) {
  constexpr double kMost = std::numeric_limits<double>::infinity();
  const double loss = !sequence.loss ? -kMost : std::isnan(*sequence.loss) ? kMost : *sequence.loss;
  return {loss, sequence.rarity.mean_bits()};
}

}  // namespace

Result<LocatedSequence> locate_sample(const RunData& run, const DataOrder& order, int64_t sample,
                                      const TokenRarity& rarity) {
  LocatedSequence sequence;
  sequence.sample = sample;
  sequence.address = order.at(sample);
  const ShardReader& shard = *run.sources()[static_cast<size_t>(sequence.address.source)].shard;
  const std::vector<int32_t> ids = BALLAST_TRY(run.tokens(sequence.address));
  const int64_t begin = sequence.address.window * run.seq_len();
  for (const DocumentPart& part : documents_of(shard, run.seq_len(), sequence.address.window)) {
    const auto own = std::span(ids).subspan(static_cast<size_t>(part.begin - begin),
                                            static_cast<size_t>(part.tokens()));
    sequence.documents.push_back({part, rarity.of(own), rarity.rarest(own, kRarestShown)});
    sequence.rarity.add(sequence.documents.back().rarity);
  }
  return sequence;
}

Result<std::vector<LocatedSequence>> locate_batch(const RunData& run, const StepBatch& step,
                                                  const TokenRarity& rarity) {
  const auto& listed = run.notes(step).losses;
  const std::map<int64_t, double> losses(listed.begin(), listed.end());
  std::vector<LocatedSequence> sequences;
  for (const int64_t sample : run.samples(step)) {
    sequences.push_back(BALLAST_TRY(locate_sample(run, run.order(step), sample, rarity)));
    if (const auto loss = losses.find(sample); loss != losses.end())
      sequences.back().loss = loss->second;
  }
  std::ranges::stable_sort(sequences, std::ranges::greater(), rank_of);
  return sequences;
}

}  // namespace ballast
