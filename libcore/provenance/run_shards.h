// Where the shards of a run are: RUN/config.toml names them as the run was started; shards that
// have moved since are given. Internal to libcore/provenance.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

// Prefixes by the names of sources; `moved` wins. Kind usage for a malformed one, or a name that
// the run does not have.
Result<std::map<std::string, std::string>> shard_prefixes(FileSystem& fs, const std::string& run,
                                                          const std::vector<std::string>& names,
                                                          const std::vector<std::string>& moved);

}  // namespace ballast
