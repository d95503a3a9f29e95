#include "tools/gradstat/diagnosis_text.h"

#include <fmt/format.h>

namespace ballast {
namespace {

std::string weighed(const WeighedCause& cause) {
  std::string text;
  for (const Evidence& evidence : cause.evidence) {
    if (evidence.kind == Evidence::Kind::not_recorded) continue;
    const bool first = text.empty();
    text += fmt::format("  {:<15} {:>4} {} {}\n", first ? cause_name(cause.cause) : "",
                        first ? fmt::format("{:.2f}", cause.weight) : "",
                        evidence.kind == Evidence::Kind::supports ? "+" : "-", evidence.text);
  }
  return text;
}

// "v_norm, beta2 (stale beta2)"
std::string missing(const WeighedCause& cause) {
  std::string text;
  for (const Evidence& evidence : cause.evidence)
    if (evidence.kind == Evidence::Kind::not_recorded)
      text += (text.empty() ? "" : ", ") + evidence.text;
  return text.empty() ? text : fmt::format("{} ({})", text, cause_name(cause.cause));
}

}  // namespace

std::string diagnosis_text(const RunIncident& incident, const Diagnosis& diagnosis) {
  std::string text = fmt::format("\n#{} at step {}: {}\n", incident.id, incident.onset,
                                 diagnosis_sentence(diagnosis));
  std::string absent, nothing;
  for (const WeighedCause& cause : diagnosis.causes) {
    text += weighed(cause);
    if (const std::string what = missing(cause); !what.empty())
      absent += (absent.empty() ? "" : "; ") + what;
    if (cause.evidence.empty())
      nothing += fmt::format("{}{}", nothing.empty() ? "" : ", ", cause_name(cause.cause));
  }
  if (!nothing.empty()) text += fmt::format("  nothing seen: {}\n", nothing);
  if (!absent.empty()) text += fmt::format("  not recorded: {}\n", absent);
  return text;
}

}  // namespace ballast
