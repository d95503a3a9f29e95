#include "libcore/checkpoint/state.h"

#include <algorithm>

#include "libcore/checkpoint/json_fields.h"

namespace ballast {
namespace {

Json state_json(const TrainState& state) {
  Json json;
  json["version"] = kStateVersion;
  json["step"] = state.step;
  json["tokens"] = state.tokens;
  json["samples"] = state.samples;
  json["tokens_trained"] = state.tokens_trained;
  json["optimizer_steps"] = state.optimizer_steps;
  Json ranges = Json::array();
  for (const SkipRange& range : state.skip_ranges)
    ranges.push_back(Json::array({range.begin, range.end}));
  json["skip_ranges"] = std::move(ranges);
  json["segment"] = state.segment;
  json["sampler"] = state.sampler;
  json["clipper"] = state.clipper;
  json["guard"] = state.guard;
  json["schedule"] = state.schedule;
  if (!state.averages.empty()) json["averages"] = state.averages;
  json["config"] = state.config;
  json["environment"] = state.environment;
  return json;
}

// Leaves of both trees by dotted path; an array is one leaf.
void collect_differences(const Json& a, const Json& b, const std::string& path,
                         std::vector<StateDifference>& into) {
  if (a.is_object() && b.is_object()) {
    for (const auto& [key, value] : a.items()) {
      const std::string name = path.empty() ? key : path + "." + key;
      if (b.contains(key)) {
        collect_differences(value, b.at(key), name, into);
      } else {
        into.push_back({name, to_json_line(value), ""});
      }
    }
    for (const auto& [key, value] : b.items()) {
      if (!a.contains(key))
        into.push_back({path.empty() ? key : path + "." + key, "", to_json_line(value)});
    }
  } else if (a != b) {
    into.push_back({path, to_json_line(a), to_json_line(b)});
  }
}

}  // namespace

std::string state_text(const TrainState& state) { return to_json_text(state_json(state)); }

Result<TrainState> parse_state(std::string_view text, const std::string& where) {
  const Json json = BALLAST_TRY(parse_json(text, where));
  BALLAST_TRY(refuse_unknown_fields(
      json,
      {"version", "step", "tokens", "samples", "tokens_trained", "optimizer_steps", "skip_ranges",
       "segment", "sampler", "clipper", "guard", "schedule", "averages", "config", "environment"},
      where));
  const int64_t version = BALLAST_TRY(count_field(json, "version", where));
  if (version != kStateVersion) {
    return corrupt_error("'version' is " + std::to_string(version), where, "accepted: 1");
  }
  TrainState state;
  state.step = BALLAST_TRY(count_field(json, "step", where));
  state.tokens = BALLAST_TRY(count_field(json, "tokens", where));
  state.samples = BALLAST_TRY(count_field(json, "samples", where));
  state.tokens_trained = BALLAST_TRY(count_field(json, "tokens_trained", where));
  state.optimizer_steps = BALLAST_TRY(count_field(json, "optimizer_steps", where));
  state.skip_ranges = BALLAST_TRY(skip_ranges_field(json, "skip_ranges", where));
  state.segment = BALLAST_TRY(count_field(json, "segment", where));
  state.sampler = BALLAST_TRY(object_field(json, "sampler", where));
  state.clipper = BALLAST_TRY(object_field(json, "clipper", where));
  state.guard = BALLAST_TRY(object_field(json, "guard", where));
  state.schedule = BALLAST_TRY(object_field(json, "schedule", where));
  if (json.contains("averages"))
    state.averages = BALLAST_TRY(object_field(json, "averages", where));
  state.config = BALLAST_TRY(object_field(json, "config", where));
  state.environment = BALLAST_TRY(object_field(json, "environment", where));
  return state;
}

std::vector<StateDifference> state_differences(const TrainState& a, const TrainState& b) {
  std::vector<StateDifference> differences;
  collect_differences(state_json(a), state_json(b), "", differences);
  return differences;
}

}  // namespace ballast
