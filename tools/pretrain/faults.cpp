// Faults on purpose (libcore/guard/injection.h), where the passes of a step ask for them.
#include <fmt/format.h>

#include <bit>
#include <limits>

#include "libcore/data/rare_batch.h"
#include "libcore/shard/manifest.h"
#include "tools/pretrain/trainer.h"

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

// The faults of this step, on disk before they have an effect: a killed run does not see the same
// fault twice. What they do to the batch is done here.
Result<void> Trainer::fire_faults(StepWork& work) {
  for (Fault& fault : config_.faults) {
    if (fault.fired || fault.step != work.step) continue;
    fault.fired = true;
    work.faults.push_back(fault);
    BALLAST_TRY(journal("inject", {{"step", work.step}, {"fault", fault.text()}}));
    BALLAST_TRY(event(work.step, "inject", fault.text()));
    if (fault.kind == FaultKind::rare) BALLAST_TRY(world_.agree(feed_rare_batch(work)));
    if (fault.kind == FaultKind::spike) work.update_factor = fault.factor;
  }
  return {};
}

Result<void> Trainer::feed_rare_batch(StepWork& work) {
  std::vector<int64_t> counts(static_cast<size_t>(config_.model.vocab_size), 0);
  for (const SourceConfig& source : config_.sources)
    BALLAST_TRY(add_counts(fs_, *source.shard, counts));
  const uint64_t seed = static_cast<uint64_t>(work.step * world_.size() + world_.rank());
  fill_rare(batch_, rarest_tokens(counts), seed);
  work.valid = work.batch_tokens;  // no label is masked
  return {};
}

// What they do to one rank's own gradient, before the ranks' are added: to its first element, which
// is the last to be sent. `again`: the step is computed a second time.
void Trainer::corrupt_own_gradient(const StepWork& work, bool again) {
  for (const Fault& fault : work.faults) {
    const bool nan = fault.kind == FaultKind::nan, flip = fault.kind == FaultKind::flip;
    if ((again && !fault.repeats()) || fault.rank != world_.rank() || (!nan && !flip)) continue;
    float value = std::numeric_limits<float>::quiet_NaN();
    if (flip) {
      backend_->copy_out(&value, buffers_.grads.data, sizeof(value), StreamId::compute);
      backend_->synchronize(backend_->record(StreamId::compute));
      value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^ kFlippedBit);
    }
    backend_->copy_in(buffers_.grads.data, &value, sizeof(value), StreamId::compute);
    backend_->synchronize(backend_->record(StreamId::compute));
  }
}

// And to the sum.
void Trainer::corrupt_sum(const StepWork& work) {
  for (const Fault& fault : work.faults) {
    if (fault.kind == FaultKind::grad)
      backend_->scale(buffers_.grads, buffers_.grads, static_cast<float>(fault.factor));
  }
}

}  // namespace ballast
