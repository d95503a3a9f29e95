#include <fmt/format.h>

#include <cmath>

#include "libcore/base/hash.h"
#include "libcore/base/units.h"
#include "libcore/io/json.h"
#include "libcore/optim/schedule.h"

namespace ballast {
namespace {

constexpr size_t kMostPoints = 1 << 20;
constexpr double kHighestValue = 1e6;

Result<SchedulePoint> parse_point(const Json& json, const std::string& where) {
  if (!json.is_array() || json.size() != 2 || !json[0].is_number_integer())
    return corrupt_error("a point is not [tokens, value]", where);
  SchedulePoint point;
  point.value = BALLAST_TRY(number_of(json[1], where));
  if (json[0].is_number_unsigned() &&
      json[0].get<uint64_t>() > static_cast<uint64_t>(int64_t{1} << 62))
    return usage_error("a point lies past 2^62 tokens", where);
  point.tokens = json[0].get<int64_t>();
  if (point.tokens < 0) return usage_error("a point lies before the run", where);
  if (!(point.value >= 0 && point.value <= kHighestValue))
    return usage_error(
        fmt::format("value {} at {} tokens", format_double(point.value), point.tokens), where,
        "accepted: 0 to 1000000");
  return point;
}

}  // namespace

Result<Schedule> parse_schedule_file(std::string_view text, const std::string& where,
                                     double peak_lr, int64_t total_tokens) {
  const Json json = BALLAST_TRY(parse_json(text, where));
  if (!json.is_object()) return corrupt_error("not a schedule: no JSON object", where);
  for (const auto& [key, value] : json.items()) {
    if (key != "v" && key != "type" && key != "values" && key != "points" && key != "note")
      return corrupt_error(fmt::format("unknown key '{}'", key), where,
                           "v, type, values, points, note");
  }
  if (BALLAST_TRY(integer_member(json, "v", where)) != 1)
    return corrupt_error("'v' is not 1", where);
  if (BALLAST_TRY(string_member(json, "type", where)) != "schedule")
    return corrupt_error("'type' is not schedule", where);
  const std::string values = BALLAST_TRY(string_member(json, "values", where));
  if (values != "multiplier" && values != "lr")
    return corrupt_error("'values' is neither multiplier nor lr", where);
  const Json* points = BALLAST_TRY(member(json, "points", where));
  if (!points->is_array() || points->empty() || points->size() > kMostPoints)
    return corrupt_error(fmt::format("'points' is not a list of 1 to {} points", kMostPoints),
                         where);
  Schedule schedule;
  schedule.kind = ScheduleKind::file;
  schedule.peak_lr = peak_lr;
  schedule.total_tokens = total_tokens;
  schedule.absolute_points = values == "lr";
  std::string canonical = values;
  for (const Json& entry : *points) {
    const SchedulePoint point = BALLAST_TRY(parse_point(entry, where));
    if (!schedule.points.empty() && point.tokens < schedule.points.back().tokens)
      return usage_error(fmt::format("points do not ascend at {} tokens", point.tokens), where);
    schedule.points.push_back(point);
    canonical += fmt::format(" {}:{}", point.tokens, format_double(point.value));
  }
  schedule.points_hash = fmt::format("{:016x}", xxh3_64(canonical));
  return schedule;
}

std::string schedule_file_text(const Schedule& schedule, const std::string& note) {
  std::string text = fmt::format(R"({{"v":1,"type":"schedule","values":"{}","points":[)",
                                 schedule.absolute_points ? "lr" : "multiplier");
  for (const SchedulePoint& point : schedule.points)
    text += fmt::format("{}[{},{}]", text.back() == '[' ? "" : ",", point.tokens,
                        format_double(point.value));
  return text + (note.empty() ? "]}" : "],\"note\":" + note + "}");
}

}  // namespace ballast
