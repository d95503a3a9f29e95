#include "libcore/guard/incidents.h"

#include <cmath>

#include "libcore/guard/incident_stream.h"

namespace ballast {

std::vector<RunIncident> find_incidents(const RunHistory& history,
                                        const IncidentSettings& settings) {
  TraceOutline outline;
  outline.segments = history.segments;
  outline.runs = history.runs;
  for (const EventRecord& event : history.events)
    if (restarts_statistics(event.event))
      outline.level_events.push_back({event.segment, event.step});
  IncidentStream stream(outline, settings);
  for (const StepRow& row : history.rows) stream.take(row);
  return stream.finish();
}

std::string class_name(const RunIncident& incident) {
  if (!incident.classified) return "unclassified";
  switch (incident.verdict.type) {
    case IncidentType::recoverable:
      return "recoverable";
    case IncidentType::lingering:
      return "lingering";
    case IncidentType::divergent:
      break;
  }
  return "divergent";
}

Json to_json(const RunIncident& i) {
  const auto step_or_null = [](int64_t step) { return step >= 0 ? Json(step) : Json(nullptr); };
  Json json{{"v", 1},
            {"type", "incident"},
            {"id", i.id},
            {"segment", i.segment},
            {"abandoned", i.abandoned},
            {"first", i.first},
            {"onset", i.onset},
            {"last", i.last},
            {"class", i.classified ? static_cast<int>(i.verdict.type) : 0},
            {"class_name", class_name(i)},
            {"provisional", i.classified && i.verdict.provisional},
            {"nonfinite", i.nonfinite},
            {"persistent", i.persistent},
            {"detected", step_or_null(i.detected)},
            {"detected_loss", i.detected_loss},
            {"detected_norm", i.detected_norm},
            {"peak_loss", json_number(i.peak_loss)},
            {"peak_norm", json_number(i.peak_norm)},
            {"tokens_lost", i.tokens_lost},
            {"samples_begin", i.samples_begin},
            {"samples_end", i.samples_end},
            {"skipped_steps", i.skipped_steps}};
  if (!std::isnan(i.step_ms)) json["step_ms"] = i.step_ms;
  if (!std::isnan(i.seconds)) json["seconds"] = i.seconds;
  if (!std::isnan(i.cost)) json["cost"] = i.cost;
  if (i.classified) {
    const Incident& v = i.verdict;
    json["baseline"] = json_number(v.baseline);
    json["scale"] = json_number(v.scale);
    json["peak_step"] = v.peak_step;
    json["recovery"] = step_or_null(v.recovery);
    json["norm_onset"] = step_or_null(v.norm_onset);
    json["lead"] = v.norm_onset >= 0 ? Json(v.lead) : Json(nullptr);
    json["settled"] = json_number(v.settled);
  }
  return json;
}

}  // namespace ballast
