// The statistics of `tokshard stat` as a gnuplot script: what was dropped by reason, tokens and
// tokens per byte by language, lengths of documents.
#pragma once

#include <string>

#include "libcore/corpus/dropped_stat.h"
#include "libcore/corpus/shard_stat.h"

namespace ballast {

// "" when there is nothing to draw.
std::string stat_script(const DroppedStat& dropped, const ShardStat& shards, bool svg);

}  // namespace ballast
