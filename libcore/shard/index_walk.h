// One pass over the index of a shard (ballast-shard(5)), checked completely on the way: what every
// reader of an index learns from it. Memory does not grow with the shard. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/shard/format.h"

namespace ballast {

// `where` names the index in messages. Kind corrupt when the counts do not account for its size.
Result<ShardHeader> read_shard_header(ReadableFile& index, const std::string& where);

// The tokens of each document, in order, some documents at a time. Kind corrupt when sequences or
// documents are not where their predecessors end; what was visited before is then worth nothing.
Result<void> walk_document_lengths(
    ReadableFile& index, const ShardHeader& header, const std::string& where,
    const std::function<void(std::span<const int64_t> lengths)>& visit);

}  // namespace ballast
