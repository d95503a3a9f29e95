// The statistics of `tokshard stat` as JSON, by the keys of tokshard(1).
#pragma once

#include "libcore/corpus/dropped_stat.h"
#include "libcore/corpus/shard_stat.h"
#include "libcore/io/json.h"

namespace ballast {

Json dropped_record(const DroppedStat& stat);
Json shards_record(const ShardStat& stat);

}  // namespace ballast
