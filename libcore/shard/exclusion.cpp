#include "libcore/shard/exclusion.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/io/json.h"

namespace ballast {
namespace {

constexpr std::pair<const char*, std::string Exclusion::*> kTexts[] = {
    {"id", &Exclusion::id}, {"url", &Exclusion::url}, {"host", &Exclusion::host}};

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Result<int64_t> count_of(const Json& json, const char* key, const std::string& where) {
  const int64_t count = BALLAST_TRY(integer_member(json, key, where));
  if (count < 0) return corrupt_error(fmt::format("'{}' is negative", key), where);
  return count;
}

Result<std::vector<std::string>> agents_of(const Json& json, const std::string& where) {
  std::vector<std::string> agents;
  const Json* list = BALLAST_TRY(member(json, "agents", where));
  if (!list->is_array()) return corrupt_error("'agents' is not a list", where);
  for (const Json& agent : *list) {
    if (!agent.is_string()) return corrupt_error("'agents' holds something else than names", where);
    agents.push_back(agent.get<std::string>());
  }
  return agents;
}

}  // namespace

std::string exclusion_line(const Exclusion& exclusion) {
  Json json = {{"shard", exclusion.shard}, {"document", exclusion.document}};
  for (const auto& [key, field] : kTexts) json[key] = exclusion.*field;
  json["sha256"] = exclusion.sha256;
  json["tokens"] = exclusion.tokens;
  json["reason"] = exclusion.reason;
  json["rule"] = exclusion.rule;
  if (!exclusion.agents.empty()) json["agents"] = exclusion.agents;
  if (exclusion.line > 0) json["line"] = exclusion.line;
  return to_json_line(json);
}

Result<Exclusion> parse_exclusion(std::string_view line, const std::string& where) {
  const Json json = BALLAST_TRY(parse_json(line, where));
  if (!json.is_object()) return corrupt_error("line is not an excluded document", where);
  Exclusion exclusion;
  exclusion.shard = BALLAST_TRY(string_member(json, "shard", where));
  exclusion.document = BALLAST_TRY(count_of(json, "document", where));
  for (const auto& [key, field] : kTexts)
    if (json.contains(key)) exclusion.*field = BALLAST_TRY(string_member(json, key, where));
  exclusion.sha256 = BALLAST_TRY(string_member(json, "sha256", where));
  if (!is_sha256(exclusion.sha256))
    return corrupt_error("'sha256' is not 64 hex digits", where, "lower case");
  exclusion.tokens = BALLAST_TRY(count_of(json, "tokens", where));
  if (json.contains("reason")) exclusion.reason = BALLAST_TRY(string_member(json, "reason", where));
  if (json.contains("rule")) exclusion.rule = BALLAST_TRY(string_member(json, "rule", where));
  if (json.contains("agents")) exclusion.agents = BALLAST_TRY(agents_of(json, where));
  if (json.contains("line")) exclusion.line = BALLAST_TRY(count_of(json, "line", where));
  return exclusion;
}

}  // namespace ballast
