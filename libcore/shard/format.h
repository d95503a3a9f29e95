// The bytes of a shard (ballast-shard(5)): PREFIX.bin holds the token ids of all documents one
// after the other, PREFIX.idx their lengths and places. Both are byte-compatible with Megatron-LM's
// IndexedDataset (MMapIndexedDataset), version 1. Pure; integers are little-endian and unaligned.
//
//   offset        bytes  field of PREFIX.idx
//   0             9      "MMIDIDX" and two zero bytes
//   9             8      u64 version = 1
//   17            1      u8 token type
//   18            8      u64 S, number of sequences
//   26            8      u64 D, entries of the document index (documents + 1)
//   34            4 S    i32 tokens per sequence
//   34+4S         8 S    i64 byte offset of each sequence in PREFIX.bin
//   34+12S        8 D    i64 first sequence of each document; the first is 0, the last is S
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/base/result.h"

namespace ballast {

inline constexpr std::string_view kShardMagic{"MMIDIDX\0\0", 9};
inline constexpr uint64_t kShardVersion = 1;
inline constexpr int64_t kShardHeaderBytes = 34;

// Codes of the token type byte. The format knows more (8- and 64-bit integers, floats); shards of
// token ids use these two and readers refuse the rest by name.
enum class TokenType : uint8_t { i32 = 4, u16 = 8 };

int64_t token_bytes(TokenType type);               // 2 or 4
std::string_view token_type_name(TokenType type);  // "uint16", "int32"

// Megatron's choice: u16 while vocab_size < 65,500, else i32.
TokenType token_type_for(int64_t vocab_size);

struct ShardHeader {
  TokenType type = TokenType::u16;
  int64_t sequences = 0;
  int64_t documents = 0;
};

// Parses the first kShardHeaderBytes of an .idx of `index_bytes` bytes and checks that the counts
// account for its whole size, so that nothing is allocated by a number that is not backed by bytes.
Result<ShardHeader> parse_shard_header(Bytes head, int64_t index_bytes, const std::string& where);
std::string shard_header_bytes(const ShardHeader& header);

std::string shard_bin_path(const std::string& prefix);       // PREFIX.bin
std::string shard_idx_path(const std::string& prefix);       // PREFIX.idx
std::string shard_docs_path(const std::string& prefix);      // PREFIX.docs.jsonl.zst
std::string shard_manifest_path(const std::string& prefix);  // PREFIX.manifest.json
// These four, in this order, of one shard or of several.
std::array<std::string, 4> shard_paths(const std::string& prefix);
std::vector<std::string> shard_paths(std::span<const std::string> prefixes);

}  // namespace ballast
