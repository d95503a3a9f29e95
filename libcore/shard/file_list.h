// Files with size and hash, as manifests and records list them:
// [{"file":...,"bytes":...,"xxh3_128":...},...].
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/shard/writer.h"

namespace ballast {

Json files_json(const std::vector<OutputFile>& files);
// The list under `key`; kind corrupt when it is something else.
Result<std::vector<OutputFile>> parse_files(const Json& root, const char* key,
                                            const std::string& where);

// 32 hex digits.
Result<Hash128> parse_hash(const std::string& hex, const std::string& where);
// integer_member() that is not negative.
Result<int64_t> count_member(const Json& object, const char* key, const std::string& where);

// Asked between pieces of long work; an error ends it. May be empty.
using GoOn = std::function<Result<void>()>;

// xxh3-128 and size of a file, read in pieces.
Result<OutputFile> hash_file(FileSystem& fs, const std::string& path, const GoOn& go_on = {});

}  // namespace ballast
