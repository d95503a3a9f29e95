// The spike rules of other projects as people and programs read them.
#pragma once

#include <string>

#include "libcore/io/json.h"
#include "libcore/stats/spike_scores.h"

namespace ballast {

std::string scores_line(const SpikeScores& scores);   // one line, ends with LF
std::string scores_table(const SpikeScores& scores);  // a line per rule
Json scores_json(const SpikeScores& scores);          // type "scores"

}  // namespace ballast
