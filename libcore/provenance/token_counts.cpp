#include "libcore/provenance/token_counts.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

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

Result<TokenCounts> counts_before(FileSystem& fs, const RunData& run, const StepBatch& step,
                                  CountKind kind) {
  const std::vector<const StepBatch*> before = trained_before(run, step);
  int64_t tokens = 0;
  for (const StepBatch* other : before) tokens += other->samples * run.seq_len();
  const auto without = std::ranges::find_if(run.sources(), [&](const RunSource& source) {
    return !fs.exists(shard_manifest_path(source.prefix));
  });
  const bool countable = without == run.sources().end();
  if (kind == CountKind::expected && !countable)
    return usage_error("the shard has no manifest with token counts", without->prefix,
                       "--counts exact reads the tokens");
  TokenCounts counts;
  counts.exact = kind == CountKind::exact ||
                 (kind == CountKind::automatic && (tokens <= kMostExact || !countable));
  if (counts.exact) {
    counts.of.assign(static_cast<size_t>(run.vocab_size()), 0);
    for (const StepBatch* other : before) BALLAST_TRY(add_batch(run, *other, counts.of));
  } else {
    counts.of = BALLAST_TRY(expected_before(fs, run, step));
  }
  counts.total = std::accumulate(counts.of.begin(), counts.of.end(), 0.0);
  return counts;
}

Result<std::vector<int64_t>> count_batch(const RunData& run, const StepBatch& step) {
  std::vector<int64_t> times(static_cast<size_t>(run.vocab_size()), 0);
  BALLAST_TRY(add_batch(run, step, times));
  return times;
}

}  // namespace ballast
