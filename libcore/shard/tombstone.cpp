#include "libcore/shard/tombstone.h"

#include <fmt/format.h>

#include <limits>

namespace ballast {
namespace {

Result<bool> flag_member(const Json& json, const char* key, const std::string& where) {
  const Json* value = BALLAST_TRY(member(json, key, where));
  if (!value->is_boolean())
    return corrupt_error(fmt::format("'{}' is not true or false", key), where);
  return value->get<bool>();
}

Result<Tombstone> parse_tombstone(const Json& json, const std::string& where) {
  if (!json.is_array() || json.size() != 3 || !json[0].is_number_integer() ||
      !json[1].is_number_integer() || !json[2].is_number_integer())
    return corrupt_error("a tombstone is not [begin, end, token]", where);
  const auto token = json[2].get<int64_t>();
  if (token < 0 || token > std::numeric_limits<int32_t>::max())
    return corrupt_error("a tombstone has no token id", where);
  return Tombstone{json[0].get<int64_t>(), json[1].get<int64_t>(), static_cast<int32_t>(token)};
}

}  // namespace

void append_tombstone(Tombstones& tombstones, const Tombstone& range) {
  if (range.begin == range.end) return;
  if (!tombstones.empty() && tombstones.back().end == range.begin &&
      tombstones.back().token == range.token) {
    tombstones.back().end = range.end;
  } else {
    tombstones.push_back(range);
  }
}

Json redaction_json(const ShardRedaction& redaction) {
  Json ranges = Json::array();
  for (const Tombstone& range : redaction.tombstones)
    ranges.push_back(Json::array({range.begin, range.end, range.token}));
  return {{"mode", redaction.compact ? "compact" : "tombstone"},
          {"forget", redaction.forget},
          {"list_sha256", redaction.list_sha256},
          {"manifest_sha256", redaction.manifest_sha256},
          {"documents", redaction.documents},
          {"tokens", redaction.tokens},
          {"tombstones", std::move(ranges)}};
}

Result<ShardRedaction> parse_redaction(const Json& json, int64_t tokens, const std::string& where) {
  if (!json.is_object()) return corrupt_error("'redaction' is not an object", where);
  ShardRedaction redaction;
  const std::string mode = BALLAST_TRY(string_member(json, "mode", where));
  if (mode != "tombstone" && mode != "compact")
    return corrupt_error("unknown mode of redaction '" + mode + "'", where,
                         "known: tombstone, compact");
  redaction.compact = mode == "compact";
  redaction.forget = BALLAST_TRY(flag_member(json, "forget", where));
  redaction.list_sha256 = BALLAST_TRY(string_member(json, "list_sha256", where));
  redaction.manifest_sha256 = BALLAST_TRY(string_member(json, "manifest_sha256", where));
  redaction.documents = BALLAST_TRY(integer_member(json, "documents", where));
  redaction.tokens = BALLAST_TRY(integer_member(json, "tokens", where));
  if (redaction.documents < 0 || redaction.tokens < 0)
    return corrupt_error("a count of the redaction is negative", where);
  const Json* ranges = BALLAST_TRY(member(json, "tombstones", where));
  if (!ranges->is_array()) return corrupt_error("'tombstones' is not a list", where);
  for (const Json& one : *ranges) {
    const Tombstone range = BALLAST_TRY(parse_tombstone(one, where));
    const int64_t least = redaction.tombstones.empty() ? 0 : redaction.tombstones.back().end;
    if (range.begin < least || range.end <= range.begin || range.end > tokens)
      return corrupt_error(fmt::format("tombstone [{}, {}) is out of order or outside the shard",
                                       range.begin, range.end),
                           where);
    append_tombstone(redaction.tombstones, range);
  }
  return redaction;
}

}  // namespace ballast
