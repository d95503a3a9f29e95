// Gives tokens of other origin what a shard of ours has beside them: sidecar and manifest. The
// tokens are not changed. Memory: the index and one document. Errors: kind usage before anything
// is written, io, corrupt. One thread.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/token_file.h"

namespace ballast {

// Fills in what is known of the next document, whose tokens these are; called in order, once each.
using DescribeDocument =
    std::function<Result<void>(ShardDocument& document, std::span<const int32_t> tokens)>;

// Sidecar and manifest for PREFIX.bin and PREFIX.idx. `manifest` brings tool, tokenizer,
// vocabulary, border tokens and run. Kind usage when an id is outside the vocabulary.
Result<ShardManifest> adopt_shard(FileSystem& fs, const std::string& prefix, ShardManifest manifest,
                                  const DescribeDocument& describe, bool force);

// A new shard of the tokens of a file; with `force` instead of what is there, see set_builder.h.
// The manifest is without token counts and inputs, which the file has.
Result<ShardManifest> convert_tokens(FileSystem& fs, const TokenFile& file,
                                     const std::string& target, ShardManifest manifest,
                                     const DescribeDocument& describe, bool force);

}  // namespace ballast
