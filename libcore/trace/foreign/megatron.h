// Console logs of Megatron-LM and its forks (Megatron-DeepSpeed of BLOOM, Apertus'):
//   [TIME] iteration 10/ 1000 | consumed samples: 160 | ... | lm loss: 2.3E+00 | grad norm: 0.2 |
//   ...
// Fields are found by name. Rank prefixes, records that ranks repeat, and records that a terminal
// broke over several lines are put right. "validation loss at iteration" lines become evals;
// skipped and nan iterations, changes of the global batch size, saved and loaded checkpoints become
// events. The loss is a mean over the log interval and lacks when no step of it was taken. Times
// have no zone and are taken as UTC. What is counted per GPU (throughput) has no member.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// Usage error: a map or the name of a run, for which there is nothing in this format.
Result<std::unique_ptr<ForeignLog>> megatron_log(std::unique_ptr<ByteSource> source,
                                                 const ImportOptions& options);
bool looks_like_megatron(std::string_view head);

}  // namespace ballast
