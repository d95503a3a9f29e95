#include "libcore/guard/interventions.h"

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"

namespace ballast {

Json interventions_json(const Interventions& interventions) {
  Json dropped = Json::array();
  for (const DroppedSource& source : interventions.dropped)
    dropped.push_back({{"source", source.source}, {"first_sample", source.first_sample}});
  return {{"lr_factor", interventions.lr_factor},
          {"clip_cap", interventions.clip_cap},
          {"dropped", std::move(dropped)}};
}

Result<Interventions> parse_interventions(const Json& json) {
  const std::string where = "interventions";
  Interventions result;
  result.lr_factor = BALLAST_TRY(number_member(json, "lr_factor", where));
  result.clip_cap = BALLAST_TRY(number_member(json, "clip_cap", where));
  const Json* dropped = BALLAST_TRY(member(json, "dropped", where));
  if (!(result.lr_factor > 0) || !std::isfinite(result.lr_factor) || !(result.clip_cap >= 0) ||
      !std::isfinite(result.clip_cap) || !dropped->is_array())
    return corrupt_error("the state is damaged", where);
  for (const Json& entry : *dropped) {
    DroppedSource source;
    source.source = BALLAST_TRY(string_member(entry, "source", where));
    source.first_sample = BALLAST_TRY(integer_member(entry, "first_sample", where));
    if (source.first_sample < 0 ||
        (!result.dropped.empty() && source.first_sample < result.dropped.back().first_sample))
      return corrupt_error("'dropped' does not ascend", where);
    result.dropped.push_back(std::move(source));
  }
  return result;
}

std::string capped_strategy(const std::string& spec, double cap) {
  if (!(cap > 0)) return spec;
  const auto smaller = [cap](const std::string& text) {
    const auto limit = parse_double(text);
    return format_double(limit.ok() ? std::min(*limit, cap) : cap);
  };
  if (spec.starts_with("fixed:")) return "fixed:" + smaller(spec.substr(6));
  const std::string_view key = spec.starts_with("zclip:")   ? "cap="
                               : spec.starts_with("zskip:") ? "clip="
                                                            : "";
  const size_t at = key.empty() ? std::string::npos : spec.find(key);
  if (at == std::string::npos) return "fixed:" + format_double(cap);
  const size_t begin = at + key.size(), end = std::min(spec.find(',', begin), spec.size());
  return spec.substr(0, begin) + smaller(spec.substr(begin, end - begin)) + spec.substr(end);
}

}  // namespace ballast
