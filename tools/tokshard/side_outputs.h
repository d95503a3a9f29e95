// What a verb that makes shards writes beside them: rejected documents, the summary. They appear
// when all outputs are whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/io/held_sink.h"
#include "libcore/io/json.h"

namespace ballast {

// Outputs that were not asked for are none.
struct SideOutputs {
  std::optional<HeldOutput> rejects, stats;

  // `rejects` and `stats` may be empty. Kind usage if they are one file, are there (unless -f), or
  // are among `inputs` or the files of the shards. A dry run opens nothing.
  static Result<SideOutputs> open(const CommonOptions& common, const std::string& rejects,
                                  const std::string& stats, const std::vector<std::string>& inputs);
  Result<void> seal(const Json& summary);  // everything is written, nothing has appeared
  Result<void> publish();
};

}  // namespace ballast
