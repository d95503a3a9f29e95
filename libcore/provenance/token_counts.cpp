#include "libcore/provenance/token_counts.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "libcore/data/token_rarity.h"
#include "libcore/shard/format.h"
#include "libcore/shard/manifest.h"

namespace ballast {
namespace {

template <class Number>
Result<void> add_batch(const RunData& run, const StepBatch& step, std::vector<Number>& counts) {
  const DataOrder& order = run.order(step);
  for (const int64_t sample : run.samples(step)) {
    for (const int32_t id : BALLAST_TRY(run.tokens(order.at(sample)))) {
      const auto i = static_cast<size_t>(id);
      if (i >= counts.size())
        return corrupt_error(
            fmt::format("token id {} is outside the vocabulary of {}", id, counts.size()),
            run.run());
      counts[i] += 1;
    }
  }
  return {};
}

std::vector<const StepBatch*> trained_before(const RunData& run, const StepBatch& step) {
  const auto line = run.line_to(step.segment, step.step - 1);
  std::vector<const StepBatch*> before;
  for (const StepBatch& other : run.steps()) {
    const auto last = line.find(other.segment);
    if (last != line.end() && other.step <= last->second && !other.skipped)
      before.push_back(&other);
  }
  return before;
}

Result<std::vector<double>> expected_before(FileSystem& fs, const RunData& run,
                                            const StepBatch& step) {
  std::vector<double> counts(static_cast<size_t>(run.vocab_size()), 0);
  const std::vector<int64_t> samples = run.samples(step);
  const int64_t position = samples.empty() ? 0 : samples.front();
  for (size_t s = 0; s < run.sources().size(); ++s) {
    const RunSource& source = run.sources()[s];
    const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, source.prefix));
    const auto shown = static_cast<double>(run.order(step).drawn(static_cast<int>(s), position));
    const double share = shown * static_cast<double>(run.seq_len()) /
                         static_cast<double>(std::max<int64_t>(1, source.shard->total_tokens()));
    for (size_t id = 0; id < std::min(counts.size(), manifest.token_counts.size()); ++id)
      counts[id] += share * static_cast<double>(manifest.token_counts[id]);
  }
  return counts;
}

}  // namespace

Result<const TokenCounts*> TokenCounter::before(const RunData& run, const StepBatch& step) {
  std::vector<const StepBatch*> before = trained_before(run, step);
  int64_t tokens = 0;
  for (const StepBatch* other : before) tokens += other->samples * run.seq_len();
  const auto without = std::ranges::find_if(run.sources(), [&](const RunSource& source) {
    return !fs_.exists(shard_manifest_path(source.prefix));
  });
  const bool countable = without == run.sources().end();
  if (kind_ == CountKind::expected && !countable)
    return usage_error("the shard has no manifest with token counts", without->prefix,
                       "--counts exact reads the tokens");
  counts_.exact = kind_ == CountKind::exact ||
                  (kind_ == CountKind::automatic &&
                   ((tokens <= kMostExact && run.branch_of().empty()) || !countable));
  if (!counts_.exact) {
    counted_.clear();
    counts_.of = BALLAST_TRY(expected_before(fs_, run, step));
  } else {
    const bool goes_on = !counted_.empty() && counted_.size() <= before.size() &&
                         std::equal(counted_.begin(), counted_.end(), before.begin());
    if (!goes_on) counted_.clear();
    if (!goes_on) counts_.of.assign(static_cast<size_t>(run.vocab_size()), 0);
    for (size_t i = counted_.size(); i < before.size(); ++i)
      BALLAST_TRY(add_batch(run, *before[i], counts_.of));
    counted_ = std::move(before);
  }
  counts_.total = std::accumulate(counts_.of.begin(), counts_.of.end(), 0.0);
  return &counts_;
}

Result<std::vector<int64_t>> count_batch(const RunData& run, const StepBatch& step) {
  std::vector<int64_t> times(static_cast<size_t>(run.vocab_size()), 0);
  BALLAST_TRY(add_batch(run, step, times));
  return times;
}

Result<BatchSurprisal> surprisal_of(const RunData& run, const StepBatch& step,
                                    const TokenCounts& counts, bool among) {
  std::vector<std::vector<int32_t>> sequences;
  for (const int64_t sample : run.samples(step))
    sequences.push_back(BALLAST_TRY(run.tokens(run.order(step).at(sample))));
  BatchSurprisal surprisal{step.step, 0, 0};
  const std::vector<double> means = surprisals(counts.of, sequences, among);
  for (const double mean : means) {
    surprisal.mean += mean / static_cast<double>(means.size());
    surprisal.highest = std::max(surprisal.highest, mean);
  }
  return surprisal;
}

}  // namespace ballast
