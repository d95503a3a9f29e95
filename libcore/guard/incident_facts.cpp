#include "libcore/guard/incident_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"
#include "libcore/stats/robust.h"

namespace ballast::facts {
namespace {

double rank_ratio_of(const StepRow& row) { return row.loss_max_rank / row.loss; }

std::vector<double> numbers(const EventRecord& event, const char* key) {
  std::vector<double> values;
  if (!event.details.is_object() || !event.details.contains(key)) return values;
  const Json& list = event.details.at(key);
  if (!list.is_array()) return values;
  for (const Json& value : list) {
    const Result<double> number = number_of(value, key);
    if (number.ok() && std::isfinite(number.value())) values.push_back(number.value());
  }
  return values;
}

}  // namespace

double typical(const std::vector<double>& values) {
  return values.size() >= kFewest ? median(values) : kNone;
}

std::string n(double value) { return fmt::format("{:.3g}", value); }

Extreme extreme_ratio(const IncidentScene& scene, IncidentScene::Value value, double before) {
  Extreme found;
  for (size_t i = scene.first(); i <= scene.onset() && i < scene.size(); ++i) {
    const double v = value(scene.row(i));
    if (!std::isfinite(v) || !(before > 0) || v / before <= found.ratio) continue;
    found = {v / before, scene.row(i).step, v};
  }
  return found;
}

std::vector<const EventRecord*> alarms(const IncidentScene& scene) {
  return scene.events({"spike", "nan"}, scene.incident().first, scene.incident().onset + 1);
}

Sequences sequences(const IncidentScene& scene) {
  for (const EventRecord* event : alarms(scene)) {
    const std::vector<double> losses = numbers(*event, "sample_losses");
    if (losses.size() < 3) continue;
    return {event->step, *std::max_element(losses.begin(), losses.end()), median(losses),
            *std::min_element(losses.begin(), losses.end())};
  }
  return {};
}

std::string odd_rank(const IncidentScene& scene, bool& is_recorded) {
  const double before = typical(scene.before(rank_ratio_of));
  const RunRecord* run = scene.run();
  is_recorded = !std::isnan(before) && run != nullptr && run->ranks > 1;
  if (!is_recorded || before > 1.2) return "";
  const Extreme odd = extreme_ratio(scene, rank_ratio_of, 1.0);
  if (!(odd.ratio >= 1.5)) return "";
  return fmt::format("step {}: one rank's loss is {} times the mean, before {}", odd.step,
                     n(odd.ratio), n(before));
}

Rerun same_data(const IncidentScene& scene, std::string& text) {
  const DataRange own = scene.placed().data;
  if (own.empty()) return Rerun::none;
  const SceneGround& ground = scene.ground();
  for (const PlacedIncident& other : ground.incidents) {
    if (other.line == scene.placed().line || other.data.empty() || !other.data.overlaps(own) ||
        other.incident->segment == scene.incident().segment)
      continue;
    text = fmt::format("samples {}:{} had an incident in segment {} too, at step {}", own.begin,
                       own.end, other.incident->segment, other.incident->onset);
    return Rerun::recurred;
  }
  for (size_t l = 0; l < ground.lines.size(); ++l) {
    if (l == scene.placed().line) continue;
    for (size_t i = 0; i < ground.lines[l].rows.size(); ++i) {
      const StepRow& row = ground.row(l, i);
      if (row.batch_start != own.begin || ground.lines[l].in_incident[i] || row.skipped ||
          !std::isfinite(row.loss))
        continue;
      text = fmt::format("sample {} passed in segment {}, at step {}", own.begin, row.segment,
                         row.step);
      return Rerun::passed;
    }
  }
  return Rerun::none;
}

std::string other_data(const IncidentScene& scene) {
  const DataRange own = scene.placed().data;
  for (const PlacedIncident& other : scene.ground().incidents) {
    const RunIncident& i = *other.incident;
    if (i.segment == scene.incident().segment || own.empty() || other.data.empty() ||
        own.overlaps(other.data) || std::abs(i.onset - scene.incident().onset) > kSamePlace)
      continue;
    return fmt::format("segment {} had an incident at step {} with other data (samples {}:{})",
                       i.segment, i.onset, other.data.begin, other.data.end);
  }
  return "";
}

double strategy_number(const IncidentScene& scene, const std::string& key) {
  const RunRecord* run = scene.run();
  if (run == nullptr) return kNone;
  const std::string& text = run->optimizer;
  const size_t at = text.find(key + "=");
  if (at == std::string::npos || at == 0 || (text[at - 1] != ':' && text[at - 1] != ','))
    return kNone;
  const size_t begin = at + key.size() + 1;
  const Result<double> value =
      parse_double(std::string_view(text).substr(begin, text.find(',', begin) - begin));
  return value.ok() ? value.value() : kNone;
}

}  // namespace ballast::facts
