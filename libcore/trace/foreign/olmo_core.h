// Console logs of OLMo-core and OLMo: a head "[step=123/10000,epoch=1,eta=1h2m]", then a line
// "    name=value" for each metric, numbers with thousands separators or short ("4.2M"). A step
// ends where the next begins. Times have no zone and are taken as UTC. What is counted per device
// has no member.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// Usage error: a map that means nothing.
Result<std::unique_ptr<ForeignLog>> olmo_core_log(std::unique_ptr<ByteSource> source,
                                                  const ImportOptions& options);
bool looks_like_olmo_core(std::string_view head);

}  // namespace ballast
