#include "libcore/shard/manifest.h"

#include <fmt/format.h>

#include "libcore/io/atomic_file.h"
#include "libcore/shard/file_list.h"

namespace ballast {
namespace {

constexpr const char* kFormat = "ballast-shard";
constexpr int64_t kVersion = 1;

Json counts_json(const ShardCounts& counts) {
  Json object = Json::object();
  for (const auto& [name, count] : counts) {
    object[name] = {{"documents", count.documents}, {"tokens", count.tokens}};
    if (count.bytes) object[name]["bytes"] = *count.bytes;
  }
  return object;
}

Json origins_json(const std::vector<ShardOrigin>& origins) {
  Json list = Json::array();
  for (const ShardOrigin& origin : origins) {
    Json one = {{"shard", origin.shard},
                {"manifest_sha256", origin.manifest_sha256},
                {"documents", origin.documents},
                {"tokens", origin.tokens}};
    if (origin.redaction) one["redaction"] = redaction_json(*origin.redaction);
    list.push_back(std::move(one));
  }
  return list;
}

Json optional_id(const std::optional<int32_t>& id) { return id ? Json(*id) : Json(nullptr); }

Result<ShardCounts> parse_counts(const Json& root, const char* key, const std::string& where) {
  const Json* object = BALLAST_TRY(member(root, key, where));
  if (!object->is_object()) return corrupt_error(fmt::format("'{}' is not an object", key), where);
  ShardCounts counts;
  for (const auto& [name, one] : object->items()) {
    ShardCount& count = counts[name];
    count.documents = BALLAST_TRY(count_member(one, "documents", where));
    count.tokens = BALLAST_TRY(count_member(one, "tokens", where));
    count.bytes.reset();
    if (one.contains("bytes")) count.bytes = BALLAST_TRY(count_member(one, "bytes", where));
  }
  return counts;
}

Result<std::vector<ShardOrigin>> parse_origins(const Json& root, const std::string& where) {
  std::vector<ShardOrigin> origins;
  if (!root.contains("made_from")) return origins;
  const Json& list = root.at("made_from");
  if (!list.is_array()) return corrupt_error("'made_from' is not a list", where);
  for (const Json& one : list) {
    ShardOrigin origin;
    origin.shard = BALLAST_TRY(string_member(one, "shard", where));
    origin.manifest_sha256 = BALLAST_TRY(string_member(one, "manifest_sha256", where));
    origin.documents = BALLAST_TRY(count_member(one, "documents", where));
    origin.tokens = BALLAST_TRY(count_member(one, "tokens", where));
    if (one.contains("redaction"))
      origin.redaction = BALLAST_TRY(parse_redaction(one.at("redaction"), origin.tokens, where));
    origins.push_back(std::move(origin));
  }
  return origins;
}

Result<std::optional<int32_t>> parse_id(const Json& root, const char* key,
                                        const std::string& where) {
  const Json* value = BALLAST_TRY(member(root, key, where));
  if (value->is_null()) return std::optional<int32_t>();
  const int64_t id = BALLAST_TRY(count_member(root, key, where));
  if (id > 0x7FFFFFFF) return corrupt_error(fmt::format("'{}' is no token id", key), where);
  return std::optional<int32_t>(static_cast<int32_t>(id));
}

Result<void> parse_numbers(const Json& root, ShardManifest& manifest, const std::string& where) {
  const Json* filters = BALLAST_TRY(member(root, "filters", where));
  if (!filters->is_object()) return corrupt_error("'filters' is not an object", where);
  for (const auto& item : filters->items())
    manifest.filters[item.key()] = BALLAST_TRY(count_member(*filters, item.key().c_str(), where));
  const Json* counts = BALLAST_TRY(member(root, "token_counts", where));
  if (!counts->is_array()) return corrupt_error("'token_counts' is not a list", where);
  for (const Json& count : *counts) {
    if (!count.is_number_integer() || count.get<int64_t>() < 0)
      return corrupt_error("'token_counts' holds something else than counts", where);
    manifest.token_counts.push_back(count.get<int64_t>());
  }
  return {};
}

}  // namespace

Json manifest_json(const ShardManifest& manifest) {
  Json json = {{"format", kFormat},
               {"v", kVersion},
               {"tool", manifest.tool},
               {"part", manifest.part},
               {"documents", manifest.documents},
               {"tokens", manifest.tokens},
               {"dtype", token_type_name(manifest.type)},
               {"vocab_size", manifest.vocab_size},
               {"bos", optional_id(manifest.bos)},
               {"eos", optional_id(manifest.eos)},
               {"tokenizer_sha256", manifest.tokenizer_sha256},
               {"seed", manifest.seed},
               {"holdout", manifest.holdout},
               {"skipped", manifest.skipped},
               {"empty", manifest.empty},
               {"replaced", manifest.replaced},
               {"outputs", files_json(manifest.outputs)},
               {"inputs", files_json(manifest.inputs)},
               {"languages", counts_json(manifest.languages)},
               {"licenses", counts_json(manifest.licenses)},
               {"sources", counts_json(manifest.sources)},
               {"filters", manifest.filters},
               {"token_counts", manifest.token_counts}};
  if (manifest.redaction) json["redaction"] = redaction_json(*manifest.redaction);
  if (!manifest.made_from.empty()) json["made_from"] = origins_json(manifest.made_from);
  json["run"] = manifest.run;
  return json;
}

Result<ShardManifest> parse_manifest(std::string_view text, const std::string& where) {
  const Json root = BALLAST_TRY(parse_json(text, where));
  if (!root.is_object()) return corrupt_error("manifest is not an object", where);
  const std::string format = BALLAST_TRY(string_member(root, "format", where));
  const int64_t version = BALLAST_TRY(integer_member(root, "v", where));
  if (format != kFormat || version != kVersion)
    return corrupt_error(
        fmt::format("manifest of '{}' version {} is not supported", format, version), where,
        "supported: ballast-shard 1");
  ShardManifest manifest;
  manifest.tool = BALLAST_TRY(string_member(root, "tool", where));
  manifest.part = BALLAST_TRY(string_member(root, "part", where));
  manifest.documents = BALLAST_TRY(count_member(root, "documents", where));
  manifest.tokens = BALLAST_TRY(count_member(root, "tokens", where));
  const std::string type = BALLAST_TRY(string_member(root, "dtype", where));
  manifest.type = type == token_type_name(TokenType::u16) ? TokenType::u16 : TokenType::i32;
  if (type != token_type_name(manifest.type))
    return corrupt_error("unknown dtype '" + type + "'", where, "known: uint16, int32");
  manifest.vocab_size = BALLAST_TRY(count_member(root, "vocab_size", where));
  if (manifest.vocab_size > kMaxShardVocab)
    return corrupt_error(fmt::format("a vocabulary of {}", manifest.vocab_size), where,
                         fmt::format("at most {}", kMaxShardVocab));
  manifest.bos = BALLAST_TRY(parse_id(root, "bos", where));
  manifest.eos = BALLAST_TRY(parse_id(root, "eos", where));
  manifest.tokenizer_sha256 = BALLAST_TRY(string_member(root, "tokenizer_sha256", where));
  manifest.seed = BALLAST_TRY(integer_member(root, "seed", where));
  manifest.holdout = BALLAST_TRY(number_member(root, "holdout", where));
  manifest.skipped = BALLAST_TRY(count_member(root, "skipped", where));
  manifest.empty = BALLAST_TRY(count_member(root, "empty", where));
  manifest.replaced = BALLAST_TRY(count_member(root, "replaced", where));
  manifest.outputs = BALLAST_TRY(parse_files(root, "outputs", where));
  manifest.inputs = BALLAST_TRY(parse_files(root, "inputs", where));
  manifest.languages = BALLAST_TRY(parse_counts(root, "languages", where));
  manifest.licenses = BALLAST_TRY(parse_counts(root, "licenses", where));
  manifest.sources = BALLAST_TRY(parse_counts(root, "sources", where));
  BALLAST_TRY(parse_numbers(root, manifest, where));
  if (root.contains("redaction"))
    manifest.redaction = BALLAST_TRY(parse_redaction(root.at("redaction"), manifest.tokens, where));
  manifest.made_from = BALLAST_TRY(parse_origins(root, where));
  manifest.run = *BALLAST_TRY(member(root, "run", where));
  return manifest;
}

Result<ShardManifest> read_manifest(FileSystem& fs, const std::string& prefix) {
  const std::string path = shard_manifest_path(prefix);
  const std::string text = BALLAST_TRY(read_file(fs, path));
  return parse_manifest(text, path);
}

Result<Tombstones> read_tombstones(FileSystem& fs, const std::string& prefix) {
  if (!fs.exists(shard_manifest_path(prefix))) return Tombstones();
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  return manifest.redaction ? manifest.redaction->tombstones : Tombstones();
}

std::string manifest_text(const ShardManifest& manifest) {
  // One key a line: token counts would fill a line each with to_json_text().
  std::string text = "{\n";
  const Json json = manifest_json(manifest);
  for (auto item = json.begin(); item != json.end(); ++item) {
    if (item != json.begin()) text += ",\n";
    text += "  " + to_json_line(item.key()) + ": " + to_json_line(item.value());
  }
  return text + "\n}\n";
}

Result<void> write_manifest(FileSystem& fs, const std::string& prefix,
                            const ShardManifest& manifest, bool force) {
  AtomicFile file(fs, shard_manifest_path(prefix), force);
  BALLAST_TRY(file.write(manifest_text(manifest)));
  return file.commit();
}

}  // namespace ballast
