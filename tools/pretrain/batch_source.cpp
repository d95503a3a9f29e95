#include "tools/pretrain/batch_source.h"

#include <fmt/format.h>

#include "libcore/data/order_law.h"

namespace ballast {
namespace {

// --max-epochs over the whole run.
Result<void> check_epochs(const DataOrder& order, const RunConfig& config) {
  if (config.typed.max_epochs == 0) return {};
  const int64_t samples = config.samples_before(config.total_steps);
  for (size_t s = 0; s < order.sources().size(); ++s) {
    const DataSource& source = order.sources()[s];
    const double epochs = static_cast<double>(order.drawn(static_cast<int>(s), samples)) /
                          static_cast<double>(source.windows);
    if (epochs > config.typed.max_epochs)
      return usage_error(fmt::format("the run shows a source {:.2f} times", epochs), source.name,
                         fmt::format("--max-epochs {}", config.typed.max_epochs));
  }
  return {};
}

}  // namespace

Result<BatchSource> BatchSource::make(const RunConfig& config,
                                      const std::vector<DroppedSource>& dropped) {
  std::vector<DataSource> sources;
  std::vector<WindowReader> readers;
  OrderLaw law{config.data_seed, {DataPhase()}};
  for (const SourceConfig& source : config.sources) {
    readers.emplace_back(source.shard, config.seq_len, config.model.vocab_size, config.goldfish);
    sources.push_back({source.name, readers.back().windows()});
    law.phases[0].weights.push_back(source.weight);
  }
  for (const PhaseConfig& later : config.phases)
    law.phases.push_back({later.first_sample, later.weights, later.seed});
  DataOrder order = BALLAST_TRY(make_order(law, std::move(sources), dropped));
  BALLAST_TRY(check_epochs(order, config));
  return BatchSource(std::move(order), std::move(readers), config.seq_len);
}

Result<void> BatchSource::read(int64_t consumed, int64_t count, HostBatch& batch) const {
  batch.resize(count, seq_len_);
  for (int64_t i = 0; i < count; ++i) {
    const SampleAddress address = order_.at(sample_of(consumed + i));
    BALLAST_TRY(readers_[static_cast<size_t>(address.source)].read(address.window, batch, i));
  }
  return {};
}

}  // namespace ballast
