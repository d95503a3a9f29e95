#include "tools/gradstat/incident_table.h"

#include <fmt/format.h>

#include <cmath>

#include "libcore/base/units.h"

namespace ballast {
namespace {

std::string class_cell(const RunIncident& incident) {
  if (!incident.classified) return "-";
  return fmt::format("{} {}{}", static_cast<int>(incident.verdict.type), class_name(incident),
                     incident.verdict.provisional ? "?" : "");
}

std::string seen_cell(const RunIncident& incident) {
  std::string text;
  const auto add = [&](bool when, const char* word) {
    if (when) text += (text.empty() ? "" : "+") + std::string(word);
  };
  add(incident.nonfinite, "nonfinite");
  add(incident.detected_loss && !incident.nonfinite, "loss");
  add(incident.detected_norm && !incident.nonfinite, "norm");
  add(incident.persistent, "persistent");
  return text.empty() ? "hindsight" : text;
}

// Half-open, as everywhere.
std::string samples_cell(const RunIncident& incident) {
  if (incident.samples_end <= incident.samples_begin) return "-";
  return fmt::format("{}:{}", incident.samples_begin, incident.samples_end);
}

std::string step_cell(int64_t step) { return step >= 0 ? fmt::format("{}", step) : "-"; }

}  // namespace

std::string short_number(double value) {
  if (std::isnan(value)) return "-";
  return fmt::format("{:.4g}", value);
}

std::string recorded(const std::string& text) { return text.empty() ? "not recorded" : text; }

std::string tokens_cell(const RunIncident& incident) {
  return incident.tokens_lost > 0 ? format_count(incident.tokens_lost) : "-";
}

std::string incident_sentence(const RunIncident& incident) {
  std::string text = fmt::format("#{} at step {}", incident.id, incident.onset);
  if (incident.segment > 0) text += fmt::format(" of segment {}", incident.segment);
  text += fmt::format(": {}, {}", class_name(incident), seen_cell(incident));
  if (!std::isnan(incident.peak_loss))
    text += fmt::format(", loss to {}", short_number(incident.peak_loss));
  if (!std::isnan(incident.peak_norm))
    text += fmt::format(", norm to {}", short_number(incident.peak_norm));
  if (incident.classified && incident.verdict.recovery >= 0)
    text += fmt::format(", recovered at {}", incident.verdict.recovery);
  if (incident.abandoned) text += " (on an abandoned branch)";
  return text;
}

std::string incident_table(const std::vector<RunIncident>& incidents) {
  bool any_cost = false, any_samples = false;
  for (const RunIncident& i : incidents) {
    any_cost = any_cost || !std::isnan(i.cost);
    any_samples = any_samples || i.samples_end > i.samples_begin;
  }
  std::string text = fmt::format(
      "{:>3}  {:>9}  {:<15} {:<15} {:>10} {:>9} {:>10} {:>9} {:>5} {:>8}", "id", "onset", "class",
      "seen in", "peak loss", "at", "peak norm", "recovered", "lead", "tokens");
  if (any_cost) text += fmt::format(" {:>9}", "cost");
  if (any_samples) text += fmt::format("  {}", "samples");
  text += "\n";
  for (const RunIncident& i : incidents) {
    const bool lead = i.classified && i.verdict.norm_onset >= 0;
    text +=
        fmt::format("{:>3}  {:>9}  {:<15} {:<15} {:>10} {:>9} {:>10} {:>9} {:>5} {:>8}", i.id,
                    i.onset, class_cell(i), seen_cell(i), short_number(i.peak_loss),
                    step_cell(i.classified ? i.verdict.peak_step : -1), short_number(i.peak_norm),
                    step_cell(i.classified ? i.verdict.recovery : -1),
                    lead ? fmt::format("{}", i.verdict.lead) : "-", tokens_cell(i));
    if (any_cost) text += fmt::format(" {:>9}", short_number(i.cost));
    if (any_samples) text += "  " + samples_cell(i);
    text += i.abandoned ? fmt::format("  (abandoned, segment {})\n", i.segment) : "\n";
  }
  return text;
}

}  // namespace ballast
