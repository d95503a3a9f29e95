// From the data index to batches: which samples a step shows, read from their shards.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "libcore/data/batch.h"
#include "libcore/data/order.h"
#include "libcore/data/skip_ranges.h"
#include "libcore/guard/interventions.h"
#include "tools/pretrain/run_config.h"

namespace ballast {

class BatchSource {
 public:
  static Result<BatchSource> make(const RunConfig& config,
                                  const std::vector<DroppedSource>& dropped = {});

  void set_skip_ranges(const std::vector<SkipRange>& ranges) { skips_ = ranges; }
  // The sample of the `consumed`-th one of this line (the data index, skips passed over).
  int64_t sample_of(int64_t consumed) const { return ballast::sample_of(consumed, skips_); }
  // `count` sequences from the `consumed`-th on. Kind io or corrupt.
  Result<void> read(int64_t consumed, int64_t count, HostBatch& batch) const;
  const DataOrder& order() const { return order_; }

 private:
  BatchSource(DataOrder order, std::vector<WindowReader> readers, int64_t seq_len)
      : order_(std::move(order)), readers_(std::move(readers)), seq_len_(seq_len) {}
  DataOrder order_;
  std::vector<WindowReader> readers_;
  std::vector<SkipRange> skips_;
  int64_t seq_len_;
};

}  // namespace ballast
