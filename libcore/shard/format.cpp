#include "libcore/shard/format.h"

#include <fmt/format.h>

namespace ballast {

int64_t token_bytes(TokenType type) { return type == TokenType::u16 ? 2 : 4; }

std::string_view token_type_name(TokenType type) {
  return type == TokenType::u16 ? "uint16" : "int32";
}

TokenType token_type_for(int64_t vocab_size) {
  return vocab_size < 65500 ? TokenType::u16 : TokenType::i32;
}

namespace {

Result<TokenType> parse_type(uint8_t code, const std::string& where) {
  constexpr std::string_view kNames[] = {"",      "uint8",   "int8",    "int16", "int32",
                                         "int64", "float64", "float32", "uint16"};
  if (code == static_cast<uint8_t>(TokenType::i32)) return TokenType::i32;
  if (code == static_cast<uint8_t>(TokenType::u16)) return TokenType::u16;
  if (code == 0 || code >= std::size(kNames))
    return corrupt_error(fmt::format("unknown token type {}", code), where,
                         "known: 8 uint16, 4 int32");
  return corrupt_error(fmt::format("tokens of type {} are not supported", kNames[code]), where,
                       "supported: uint16, int32");
}

}  // namespace

Result<ShardHeader> parse_shard_header(Bytes head, int64_t index_bytes, const std::string& where) {
  if (static_cast<int64_t>(head.size()) < kShardHeaderBytes)
    return corrupt_error("shard index is shorter than its header", where,
                         fmt::format("{} bytes, need {}", head.size(), kShardHeaderBytes));
  if (as_text(head.first(kShardMagic.size())) != kShardMagic)
    return corrupt_error("not a shard index", where, "it does not begin with MMIDIDX");
  const auto version = load_le<uint64_t>(&head[9]);
  if (version != kShardVersion)
    return corrupt_error(fmt::format("shard index version {} is not supported", version), where,
                         "supported: 1");
  const TokenType type = BALLAST_TRY(parse_type(load_le<uint8_t>(&head[17]), where));
  const auto sequences = load_le<uint64_t>(&head[18]);
  const auto entries = load_le<uint64_t>(&head[26]);
  const auto body = static_cast<uint64_t>(index_bytes - kShardHeaderBytes);
  const bool plausible = sequences <= body / 12 && entries <= body / 8 && entries >= 1;
  if (plausible && body == 13 * sequences + 8 * entries && sequences > 0)
    return corrupt_error("shard index has sequence modes", where,
                         "multimodal shards are not supported");
  if (!plausible || body != 12 * sequences + 8 * entries)
    return corrupt_error("shard index counts disagree with its size", where,
                         fmt::format("{} sequences and {} document entries in {} bytes", sequences,
                                     entries, index_bytes));
  return ShardHeader{type, static_cast<int64_t>(sequences), static_cast<int64_t>(entries) - 1};
}

std::string shard_header_bytes(const ShardHeader& header) {
  std::string bytes(static_cast<size_t>(kShardHeaderBytes), '\0');
  bytes.replace(0, kShardMagic.size(), kShardMagic);
  store_le<uint64_t>(&bytes[9], kShardVersion);
  store_le<uint8_t>(&bytes[17], static_cast<uint8_t>(header.type));
  store_le<uint64_t>(&bytes[18], static_cast<uint64_t>(header.sequences));
  store_le<uint64_t>(&bytes[26], static_cast<uint64_t>(header.documents) + 1);
  return bytes;
}

std::string shard_bin_path(const std::string& prefix) { return prefix + ".bin"; }
std::string shard_idx_path(const std::string& prefix) { return prefix + ".idx"; }
std::string shard_docs_path(const std::string& prefix) { return prefix + ".docs.jsonl.zst"; }
std::string shard_manifest_path(const std::string& prefix) { return prefix + ".manifest.json"; }

std::array<std::string, 4> shard_paths(const std::string& prefix) {
  return {shard_bin_path(prefix), shard_idx_path(prefix), shard_docs_path(prefix),
          shard_manifest_path(prefix)};
}

std::vector<std::string> shard_paths(std::span<const std::string> prefixes) {
  std::vector<std::string> paths;
  for (const std::string& prefix : prefixes)
    for (std::string& path : shard_paths(prefix)) paths.push_back(std::move(path));
  return paths;
}

}  // namespace ballast
