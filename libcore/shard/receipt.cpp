#include "libcore/shard/receipt.h"

#include <fmt/format.h>

#include <limits>
#include <map>

#include "libcore/base/hash.h"
#include "libcore/io/json.h"
#include "libcore/shard/format.h"

namespace ballast {
namespace {

constexpr const char* kFormat = "ballast-receipt";
constexpr int64_t kVersion = 1;

constexpr std::pair<const char*, ReceiptFile ReceiptSide::*> kFiles[] = {
    {"bin", &ReceiptSide::bin},
    {"idx", &ReceiptSide::idx},
    {"docs", &ReceiptSide::docs},
    {"manifest", &ReceiptSide::manifest}};

Json side_json(const ReceiptSide& side) {
  Json json;
  for (const auto& [key, file] : kFiles) {
    const ReceiptFile& one = side.*file;
    json[key] = {{"file", one.name}, {"bytes", one.bytes}, {"sha256", one.sha256}};
  }
  json["content_hash"] = side.content_hash;
  return json;
}

Json removed_json(const RemovedDocument& document) {
  return {{"document", document.document},
          {"tokens", document.tokens},
          {"sha256", hex_digits(document.sha256)},
          {"old", Json::array({document.before.begin, document.before.end})},
          {"new", Json::array({document.after.begin, document.after.end})}};
}

constexpr std::string_view kBetweenRemoved = ",\n      ";

void append_shard(std::string& text, const ReceiptShard& shard) {
  text += fmt::format(
      "    {{\"shard\": {}, \"dtype\": \"{}\",\n     \"old\": {},\n     \"new\": {},\n"
      "     \"kept\": {},\n     \"removed\": [",
      to_json_line(shard.name), shard.dtype, to_json_line(side_json(shard.before)),
      to_json_line(side_json(shard.after)),
      to_json_line({{"bytes", shard.kept.bytes}, {"sha256", shard.kept.sha256}}));
  for (size_t i = 0; i < shard.removed.size(); ++i) {
    text += kBetweenRemoved.substr(i == 0 ? 1 : 0);
    text += to_json_line(removed_json(shard.removed[i]));
  }
  text += "]}";
}

Result<int64_t> count_of(const Json& json, const char* key, const std::string& where) {
  const int64_t count = BALLAST_TRY(integer_member(json, key, where));
  if (count < 0) return corrupt_error(fmt::format("'{}' is negative", key), where);
  return count;
}

Result<std::string> hash_of(const Json& json, const char* key, size_t digits,
                            const std::string& where) {
  std::string hash = BALLAST_TRY(string_member(json, key, where));
  if (hash.size() != digits || hash.find_first_not_of("0123456789abcdef") != hash.npos)
    return corrupt_error(fmt::format("'{}' is not {} hex digits", key, digits), where);
  return hash;
}

Result<const Json*> object_of(const Json& json, const char* key, const std::string& where) {
  const Json* value = BALLAST_TRY(member(json, key, where));
  if (!value->is_object()) return corrupt_error(fmt::format("'{}' is not an object", key), where);
  return value;
}

Result<const Json*> list_of(const Json& json, const char* key, const std::string& where) {
  const Json* value = BALLAST_TRY(member(json, key, where));
  if (!value->is_array()) return corrupt_error(fmt::format("'{}' is not a list", key), where);
  return value;
}

Result<ReceiptFile> parse_content(const Json& json, const std::string& where) {
  ReceiptFile file;
  file.bytes = BALLAST_TRY(count_of(json, "bytes", where));
  file.sha256 = BALLAST_TRY(hash_of(json, "sha256", 64, where));
  return file;
}

Result<ReceiptSide> parse_side(const Json& shard, const char* key, const std::string& where) {
  const Json* json = BALLAST_TRY(object_of(shard, key, where));
  ReceiptSide side;
  for (const auto& [name, file] : kFiles) {
    const Json* one = BALLAST_TRY(object_of(*json, name, where));
    side.*file = BALLAST_TRY(parse_content(*one, where));
    (side.*file).name = BALLAST_TRY(string_member(*one, "file", where));
  }
  side.content_hash = BALLAST_TRY(hash_of(*json, "content_hash", 32, where));
  return side;
}

Result<ByteRange> parse_range(const Json& json, const char* key, int64_t least, int64_t most,
                              const std::string& where) {
  const Json* pair = BALLAST_TRY(list_of(json, key, where));
  if (pair->size() != 2 || !pair->at(0).is_number_integer() || !pair->at(1).is_number_integer())
    return corrupt_error(fmt::format("'{}' is not [begin, end]", key), where);
  const ByteRange range{pair->at(0).get<int64_t>(), pair->at(1).get<int64_t>()};
  if (range.begin < least || range.end < range.begin || range.end > most)
    return corrupt_error(
        fmt::format("range [{}, {}) overlaps another or leaves the file", range.begin, range.end),
        where);
  return range;
}

Result<std::vector<RemovedDocument>> parse_removed(const Json& json, const ReceiptShard& shard,
                                                   const std::string& where) {
  std::vector<RemovedDocument> removed;
  RemovedDocument last{.document = -1};
  for (const Json& one : *BALLAST_TRY(list_of(json, "removed", where))) {
    RemovedDocument document;
    document.document = BALLAST_TRY(count_of(one, "document", where));
    if (document.document <= last.document)
      return corrupt_error("removed documents are not ascending", where);
    document.tokens = BALLAST_TRY(count_of(one, "tokens", where));
    document.sha256 = *parse_sha256(BALLAST_TRY(hash_of(one, "sha256", 64, where)));
    document.before =
        BALLAST_TRY(parse_range(one, "old", last.before.end, shard.before.bin.bytes, where));
    document.after =
        BALLAST_TRY(parse_range(one, "new", last.after.end, shard.after.bin.bytes, where));
    last = document;
    removed.push_back(std::move(document));
  }
  return removed;
}

Result<ReceiptShard> parse_shard(const Json& json, const std::string& where) {
  ReceiptShard shard;
  shard.name = BALLAST_TRY(string_member(json, "shard", where));
  shard.dtype = BALLAST_TRY(string_member(json, "dtype", where));
  shard.before = BALLAST_TRY(parse_side(json, "old", where));
  shard.after = BALLAST_TRY(parse_side(json, "new", where));
  const Json* kept = BALLAST_TRY(object_of(json, "kept", where));
  shard.kept = BALLAST_TRY(parse_content(*kept, where));
  shard.removed = BALLAST_TRY(parse_removed(json, shard, where));
  return shard;
}

Result<void> parse_method(const Json& root, Receipt& receipt, const std::string& where) {
  const std::string mode = BALLAST_TRY(string_member(root, "mode", where));
  if (mode != "tombstone" && mode != "compact")
    return corrupt_error("unknown mode '" + mode + "'", where, "known: tombstone, compact");
  receipt.compact = mode == "compact";
  const Json* forget = BALLAST_TRY(member(root, "forget", where));
  if (!forget->is_boolean()) return corrupt_error("'forget' is not true or false", where);
  receipt.forget = forget->get<bool>();
  if (BALLAST_TRY(member(root, "token", where))->is_null()) return {};
  const int64_t token = BALLAST_TRY(count_of(root, "token", where));
  if (token > std::numeric_limits<int32_t>::max())
    return corrupt_error("'token' is no token id", where);
  receipt.token = static_cast<int32_t>(token);
  return {};
}

}  // namespace

std::string receipt_text(const Receipt& receipt) {
  std::string text = fmt::format(
      "{{\n  \"format\": \"{}\", \"v\": {}, \"tool\": {},\n  \"mode\": \"{}\", \"token\": {}, "
      "\"forget\": {},\n  \"list\": {},\n  \"shards\": [",
      kFormat, kVersion, to_json_line(receipt.tool), receipt.compact ? "compact" : "tombstone",
      receipt.token ? fmt::to_string(*receipt.token) : "null", receipt.forget,
      to_json_line({{"bytes", receipt.list_bytes}, {"sha256", receipt.list_sha256}}));
  for (size_t i = 0; i < receipt.shards.size(); ++i) {
    text += i == 0 ? "\n" : ",\n";
    append_shard(text, receipt.shards[i]);
  }
  text += "]\n}\n";
  return text;
}

int64_t receipt_bytes_at_most(const std::string& name, int64_t removed, int64_t last,
                              int64_t bin_bytes) {
  ReceiptFile file;
  file.name = shard_docs_path(name);  // the longest
  file.bytes = std::numeric_limits<int64_t>::max();
  file.sha256.assign(64, '0');
  const ReceiptSide side{file, file, file, file, std::string(32, '0')};
  std::string text = ",\n";
  append_shard(text, {name, std::string(token_type_name(TokenType::u16)), side, side, file, {}});
  const ByteRange range{bin_bytes, bin_bytes};
  const auto line = to_json_line(removed_json({last, bin_bytes, {}, range, range}));
  return std::ssize(text) + removed * std::ssize(line + std::string(kBetweenRemoved));
}

Result<Receipt> parse_receipt(std::string_view text, const std::string& where) {
  const Json root = BALLAST_TRY(parse_json(text, where));
  if (!root.is_object()) return corrupt_error("receipt is not an object", where);
  const std::string format = BALLAST_TRY(string_member(root, "format", where));
  const int64_t version = BALLAST_TRY(integer_member(root, "v", where));
  if (format != kFormat || version != kVersion)
    return corrupt_error(
        fmt::format("receipt of '{}' version {} is not supported", format, version), where,
        "supported: ballast-receipt 1");
  Receipt receipt;
  receipt.tool = BALLAST_TRY(string_member(root, "tool", where));
  BALLAST_TRY(parse_method(root, receipt, where));
  const Json* list = BALLAST_TRY(object_of(root, "list", where));
  receipt.list_bytes = BALLAST_TRY(count_of(*list, "bytes", where));
  receipt.list_sha256 = BALLAST_TRY(hash_of(*list, "sha256", 64, where));
  for (const Json& shard : *BALLAST_TRY(list_of(root, "shards", where)))
    receipt.shards.push_back(BALLAST_TRY(parse_shard(shard, where)));
  return receipt;
}

std::string receipt_sums(const Receipt& receipt) {
  std::map<std::string, std::string> sums = {{kReceiptName, sha256_hex(receipt_text(receipt))}};
  for (const ReceiptShard& shard : receipt.shards)
    for (const auto& [key, file] : kFiles)
      sums[(shard.after.*file).name] = (shard.after.*file).sha256;
  std::string text;
  for (const auto& [name, hash] : sums) text += hash + "  " + name + "\n";
  return text;
}

}  // namespace ballast
