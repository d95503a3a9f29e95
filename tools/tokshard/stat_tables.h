// The statistics of `tokshard stat` for a person: tables of 80 columns, the largest rows first.
#pragma once

#include <string>

#include "libcore/corpus/dropped_stat.h"
#include "libcore/corpus/shard_stat.h"

namespace ballast {

std::string dropped_tables(const DroppedStat& stat);
std::string shards_tables(const ShardStat& stat);

}  // namespace ballast
