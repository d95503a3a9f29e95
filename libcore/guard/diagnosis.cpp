#include "libcore/guard/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/guard/cause_weights.h"

namespace ballast {
namespace {

constexpr double kLeastWeight = 0.5;
constexpr double kLeastLead = 0.15;

constexpr std::string_view kKeys[kCauses] = {"injected",       "hardware",     "planned_change",
                                             "rare_tokens",    "stale_beta2",  "learning_rate",
                                             "parameter_norm", "logit_growth", "data"};
constexpr std::string_view kNames[kCauses] = {"injected fault", "hardware",     "planned change",
                                              "rare tokens",    "stale beta2",  "learning rate",
                                              "parameter norm", "logit growth", "data"};

void weigh(WeighedCause& cause) {
  double absence = 1, factor = 1;
  for (const Evidence& evidence : cause.evidence) {
    if (evidence.kind == Evidence::Kind::supports) absence *= 1 - evidence.weight;
    if (evidence.kind == Evidence::Kind::contradicts) factor *= evidence.weight;
  }
  cause.weight = (1 - absence) * factor;
}

// Causes come heaviest first.
std::optional<Cause> verdict_of(const std::vector<WeighedCause>& causes) {
  if (causes[0].proof) return causes[0].cause;
  const bool clear =
      causes[0].weight >= kLeastWeight && causes[0].weight >= causes[1].weight + kLeastLead;
  return clear ? std::optional(causes[0].cause) : std::nullopt;
}

std::string_view kind_name(Evidence::Kind kind) {
  switch (kind) {
    case Evidence::Kind::supports:
      return "for";
    case Evidence::Kind::contradicts:
      return "against";
    case Evidence::Kind::not_recorded:
      break;
  }
  return "not_recorded";
}

}  // namespace

std::string_view cause_key(Cause cause) { return kKeys[static_cast<int>(cause)]; }
std::string_view cause_name(Cause cause) { return kNames[static_cast<int>(cause)]; }

void WeighedCause::supports(double s, std::string text) {
  evidence.push_back({Evidence::Kind::supports, s, std::move(text)});
}
void WeighedCause::contradicts(double f, std::string text) {
  evidence.push_back({Evidence::Kind::contradicts, f, std::move(text)});
}
void WeighedCause::not_recorded(std::string text) {
  evidence.push_back({Evidence::Kind::not_recorded, 0, std::move(text)});
}

double Diagnosis::weight() const { return verdict ? causes.front().weight : 0; }

struct Diagnoser::State {
  SceneGround ground;
  const std::vector<RunIncident>& incidents;
};

Diagnoser::Diagnoser(const RunHistory& history, const std::vector<RunIncident>& incidents)
    : state_(std::make_unique<State>(State{SceneGround(history, incidents), incidents})) {}
Diagnoser::~Diagnoser() = default;

Diagnosis Diagnoser::diagnose(const RunIncident& incident, const TokenEvidence& tokens) const {
  Diagnosis diagnosis;
  diagnosis.incident = incident.id;
  const auto placed =
      std::find_if(state_->ground.incidents.begin(), state_->ground.incidents.end(),
                   [&](const PlacedIncident& p) { return p.incident->id == incident.id; });
  BALLAST_CHECK(placed != state_->ground.incidents.end());
  const IncidentScene scene(state_->ground, *placed, tokens);
  for (int c = 0; c < kCauses; ++c) {
    WeighedCause cause;
    cause.cause = static_cast<Cause>(c);
    weigh_cause(scene, cause);
    weigh(cause);
    diagnosis.causes.push_back(std::move(cause));
  }
  std::stable_sort(diagnosis.causes.begin(), diagnosis.causes.end(),
                   [](const WeighedCause& a, const WeighedCause& b) {
                     return a.proof != b.proof ? a.proof : !a.proof && a.weight > b.weight;
                   });
  diagnosis.verdict = verdict_of(diagnosis.causes);
  return diagnosis;
}

std::string diagnosis_sentence(const Diagnosis& d) {
  const WeighedCause& top = d.causes.front();
  if (d.verdict) return fmt::format("{} ({:.2f})", cause_name(*d.verdict), top.weight);
  if (top.weight == 0) return "undetermined (no evidence for any cause)";
  return fmt::format("undetermined (heaviest: {}, {:.2f})", cause_name(top.cause), top.weight);
}

Json to_json(const Diagnosis& d) {
  Json causes = Json::array();
  for (const WeighedCause& cause : d.causes) {
    Json evidence = Json::array();
    for (const Evidence& e : cause.evidence) {
      Json one{{"kind", kind_name(e.kind)}, {"text", e.text}};
      if (e.kind != Evidence::Kind::not_recorded) one["weight"] = e.weight;
      evidence.push_back(std::move(one));
    }
    causes.push_back(Json{{"cause", cause_key(cause.cause)},
                          {"weight", cause.weight},
                          {"proof", cause.proof},
                          {"evidence", std::move(evidence)}});
  }
  return Json{{"cause", d.verdict ? cause_key(*d.verdict) : "undetermined"},
              {"weight", d.weight()},
              {"causes", std::move(causes)}};
}

}  // namespace ballast
