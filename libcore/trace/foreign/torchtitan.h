// Console logs of torchtitan: "[titan] TIME - root - INFO - step: 10  loss:  7.12345  grad_norm: ..
// memory: .. tps: 1,234  tflops: ..  mfu: 12.34%", in colours, often from every rank; "validate
// step: .." lines become evals. The loss is that of the step that is logged. What is counted per
// device (tps) has no member. Times have no zone and are taken as UTC.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// Usage error: a map that means nothing.
Result<std::unique_ptr<ForeignLog>> torchtitan_log(std::unique_ptr<ByteSource> source,
                                                   const ImportOptions& options);
bool looks_like_torchtitan(std::string_view head);

}  // namespace ballast
