#include "tools/pretrain/fault_injector.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "libcore/data/rare_batch.h"
#include "libcore/shard/manifest.h"

namespace ballast {
namespace {

// Occurrences by id: from the manifest, or counted where a shard has none.
Result<void> add_counts(FileSystem& fs, const ShardReader& shard, std::vector<int64_t>& counts) {
  const auto count = [&](size_t id, int64_t times) {
    if (id < counts.size()) counts[id] += times;
  };
  if (fs.exists(shard_manifest_path(shard.prefix()))) {
    const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, shard.prefix()));
    for (size_t id = 0; id < manifest.token_counts.size(); ++id)
      count(id, manifest.token_counts[id]);
    return {};
  }
  std::vector<int32_t> tokens;
  for (int64_t begin = 0; begin < shard.total_tokens(); begin += int64_t{1} << 20) {
    tokens.resize(static_cast<size_t>(std::min(int64_t{1} << 20, shard.total_tokens() - begin)));
    BALLAST_TRY(shard.read_tokens(begin, tokens));
    for (const int32_t token : tokens) count(static_cast<size_t>(token), 1);
  }
  return {};
}

}  // namespace

FaultInjector::FaultInjector(World& world, const RunConfig& config, Engine& engine, RunLog& log)
    : world_(world), config_(config), engine_(engine), log_(log), faults_(config.faults) {}

Result<void> FaultInjector::restore() {
  const JournalContents journal = BALLAST_TRY(log_.read());
  for (const JournalRecord& record : journal.records) {
    if (record.event != "inject" || !record.object.contains("fault")) continue;
    for (Fault& fault : faults_) fault.fired |= record.object.at("fault") == fault.text();
  }
  return {};
}

Result<void> FaultInjector::fire(StepWork& work, HostBatch& batch) {
  for (Fault& fault : faults_) {
    if (fault.fired || fault.step != work.step) continue;
    fault.fired = true;
    work.faults.push_back(fault);
    BALLAST_TRY(log_.journal("inject", {{"step", work.step}, {"fault", fault.text()}}));
    BALLAST_TRY(log_.event(work.step, "inject", fault.text()));
    if (fault.kind == FaultKind::rare) BALLAST_TRY(world_.agree(feed_rare(work, batch)));
    if (fault.kind == FaultKind::spike) work.update_factor = fault.factor;
  }
  return {};
}

Result<void> FaultInjector::feed_rare(StepWork& work, HostBatch& batch) {
  std::vector<int64_t> counts(static_cast<size_t>(config_.model.vocab_size), 0);
  for (const SourceConfig& source : config_.sources)
    BALLAST_TRY(add_counts(world_.files(), *source.shard, counts));
  const uint64_t seed = static_cast<uint64_t>(work.step * world_.size() + world_.rank());
  fill_rare(batch, rarest_tokens(counts), seed);
  work.valid = work.batch_tokens;  // no label is masked
  return {};
}

void FaultInjector::corrupt_own(const StepWork& work, bool again) {
  Backend& backend = engine_.backend();
  void* const first = engine_.first_gradient().data;
  for (const Fault& fault : work.faults) {
    const bool nan = fault.kind == FaultKind::nan, flip = fault.kind == FaultKind::flip;
    if ((again && !fault.repeats()) || fault.rank != world_.rank() || (!nan && !flip)) continue;
    float value = std::numeric_limits<float>::quiet_NaN();
    if (flip) {
      backend.copy_out(&value, first, sizeof(value), StreamId::compute);
      backend.synchronize(backend.record(StreamId::compute));
      value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^ kFlippedBit);
    }
    backend.copy_in(first, &value, sizeof(value), StreamId::compute);
    backend.synchronize(backend.record(StreamId::compute));
  }
}

void FaultInjector::corrupt_sum(const StepWork& work) {
  const Tensor& grads = engine_.buffers().grads;
  for (const Fault& fault : work.faults) {
    if (fault.kind == FaultKind::grad)
      engine_.backend().scale(grads, grads, static_cast<float>(fault.factor));
  }
}

}  // namespace ballast
