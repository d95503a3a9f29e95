#include "tools/pretrain/guard_memory.h"

#include <algorithm>
#include <cmath>

namespace ballast {

void GuardMemory::learn(size_t source, double loss) {
  constexpr double kDecay = 0.98;  // a mean over about 50 steps
  if (source_loss.size() <= source)
    source_loss.resize(source + 1, std::numeric_limits<double>::quiet_NaN());
  double& mean = source_loss[source];
  mean = std::isnan(mean) ? loss : kDecay * mean + (1 - kDecay) * loss;
}

Json guard_json(const Detector& detector, const Ladder& ladder, const GuardMemory& memory) {
  Json json = detector.state();
  json["ladder"] = ladder.state();
  json["wait"] = memory.wait.state();
  json["interventions"] = interventions_json(memory.interventions);
  json["norm_warning"] = memory.norm_warning;
  json["source_loss"] = Json::array();
  for (const double loss : memory.source_loss) json["source_loss"].push_back(json_number(loss));
  json["last_fork"] = memory.last_fork;
  return json;
}

Result<void> load_guard(const Json& json, Detector& detector, Ladder& ladder, GuardMemory& memory) {
  BALLAST_TRY(detector.load(json));
  GuardMemory loaded;
  if (json.contains("ladder")) {  // earlier versions kept the detector alone
    const std::string where = "state of the guard";
    BALLAST_TRY(ladder.load(json.at("ladder")));
    const Json* wait = BALLAST_TRY(member(json, "wait", where));
    const Json* interventions = BALLAST_TRY(member(json, "interventions", where));
    BALLAST_TRY(loaded.wait.load(*wait));
    loaded.interventions = BALLAST_TRY(parse_interventions(*interventions));
    loaded.norm_warning = BALLAST_TRY(integer_member(json, "norm_warning", where));
    loaded.last_fork = BALLAST_TRY(integer_member(json, "last_fork", where));
    const Json* losses = BALLAST_TRY(member(json, "source_loss", where));
    if (!losses->is_array()) return corrupt_error("'source_loss' is no list", where);
    for (const Json& loss : *losses)
      loaded.source_loss.push_back(BALLAST_TRY(number_of(loss, where)));
  }
  memory = std::move(loaded);
  return {};
}

}  // namespace ballast
