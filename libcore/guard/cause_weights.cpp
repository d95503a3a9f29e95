#include "libcore/guard/cause_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"
#include "libcore/guard/incident_facts.h"
#include "libcore/io/utf8.h"
#include "libcore/stats/robust.h"

namespace ballast {

using namespace facts;

namespace {

double step_ms_of(const StepRow& row) { return row.step_ms; }

bool nonfinite_at(const StepRow& row) {
  return (row.has_loss && !std::isfinite(row.loss)) || (row.has_norm && !std::isfinite(row.norm));
}

// Another branch that computed the same steps: the same bits up to here, and then no incident.
std::string diverging_replay(const IncidentScene& scene) {
  constexpr int64_t kLeastCommon = 3;
  const SceneGround& ground = scene.ground();
  for (size_t l = 0; l < ground.lines.size() && scene.first() < scene.size(); ++l) {
    const StepRow& begin = scene.row(scene.first());
    const size_t there = ground.position_of(l, begin.step);
    if (there >= ground.lines[l].rows.size() || begin.batch_start < 0) continue;
    const StepRow& other = ground.row(l, there);
    if (other.segment == begin.segment || other.step != begin.step || nonfinite_at(other) ||
        other.batch_start != begin.batch_start || other.lr != begin.lr ||
        ground.lines[l].in_incident[there])
      continue;
    int64_t common = 0;
    for (size_t back = 1; back <= std::min(there, scene.first()); ++back) {
      const StepRow& a = scene.row(scene.first() - back);
      const StepRow& b = ground.row(l, there - back);
      if (a.segment == b.segment) break;  // the fork
      if (a.step != b.step || a.batch_start != b.batch_start || a.loss != b.loss ||
          a.norm != b.norm)
        return "";
      ++common;
    }
    if (common >= kLeastCommon)
      return fmt::format("segment {} computed the {} steps before with the same bits, and passed",
                         other.segment, common);
  }
  return "";
}

// A change that no event tells of; empty: none. Looks at the steps just before the first.
std::string silent_change(const IncidentScene& scene, double& weight) {
  for (size_t i = scene.first(); i > 2 && i + kAtOnce > scene.first() && i < scene.size(); --i) {
    const StepRow &now = scene.row(i), &last = scene.row(i - 1), &earlier = scene.row(i - 2);
    const auto tokens = static_cast<double>(now.tokens - last.tokens);
    const auto tokens_before = static_cast<double>(last.tokens - earlier.tokens);
    if (tokens > 0 && tokens_before > 0 && std::abs(std::log(tokens / tokens_before)) > .2231) {
      weight = .5;
      return fmt::format("step {}: {} tokens, before {}, and no event says so", now.step,
                         now.tokens - last.tokens, last.tokens - earlier.tokens);
    }
    const double change = std::abs(std::log(now.lr / last.lr));
    if (change > std::log(1.5) && !(std::abs(std::log(last.lr / earlier.lr)) > .1)) {
      weight = .4;
      return fmt::format("step {}: learning rate {}, before {}, and no event says so", now.step,
                         n(now.lr), n(last.lr));
    }
  }
  return "";
}

void weigh_sequences(const Sequences& s, double weight, WeighedCause& cause) {
  if (s.step < 0) return cause.not_recorded("the sequences with the highest loss");
  if (s.highest >= 2 * s.middle)
    cause.supports(weight, fmt::format("step {}: the highest sequence's loss is {}, the median of "
                                       "those listed {}",
                                       s.step, n(s.highest), n(s.middle)));
}

void weigh_tokens(const TokenEvidence& tokens, WeighedCause& cause) {
  if (!tokens.known()) return cause.not_recorded("token counts of the batch");
  const SurprisalTest &mean = tokens.mean, &highest = tokens.highest;
  if (mean.z >= 6)
    return cause.supports(
        .45, fmt::format("step {}: {} bits of surprisal a token, in the {} "
                         "batches before {} (z = {})",
                         mean.step, n(mean.bits), tokens.batches, n(mean.usual), n(mean.z)));
  if (highest.z >= 6)
    return cause.supports(.35, fmt::format("step {}: a sequence of {} bits of surprisal a token, "
                                           "the rarest of the {} batches before {} (z = {})",
                                           highest.step, n(highest.bits), tokens.batches,
                                           n(highest.usual), n(highest.z)));
  if (mean.z < 2 && highest.z < 4)
    cause.contradicts(.5, fmt::format("step {}: ordinary tokens, {} bits of surprisal (z = {})",
                                      mean.step, n(mean.bits), n(mean.z)));
}

// Losses of one source in the last steps before, and whether it jumped in the row.
struct SourceJump {
  bool known = false, jumped = false;
  double loss = kNone, usual = kNone;
};

SourceJump source_jump(const std::vector<double>& past, double loss) {
  if (past.size() < kFewest || !std::isfinite(loss)) return {};
  const RobustLevel level = robust_level(past);
  const double scale = std::max(level.scale, 1e-3 * std::abs(level.center));
  return {true, loss >= level.center + 6 * scale && loss >= 1.2 * level.center, loss, level.center};
}

// Looks at the sources' losses in one row against those of the rows before the incident. True once
// one of them jumped.
bool weigh_sources_at(const IncidentScene& scene, size_t position, WeighedCause& cause) {
  const RunHistory& h = scene.ground().history;
  const auto entries = [&](size_t p) {
    return std::equal_range(h.source_losses.begin(), h.source_losses.end(),
                            SourceLoss{scene.line().rows[p], 0, 0},
                            [](const SourceLoss& a, const SourceLoss& b) { return a.row < b.row; });
  };
  std::vector<std::vector<double>> past(h.sources.size());
  for (size_t i = scene.first() - std::min(scene.first(), size_t{IncidentScene::kBefore});
       i < scene.first(); ++i) {
    if (scene.line().in_incident[i]) continue;
    const auto [begin, end] = entries(i);
    for (auto entry = begin; entry != end; ++entry)
      if (std::isfinite(entry->loss))
        past[static_cast<size_t>(entry->source)].push_back(entry->loss);
  }
  int jumped = 0, calm = 0;
  std::string text;
  const auto [begin, end] = entries(position);
  for (auto entry = begin; entry != end; ++entry) {
    const auto source = static_cast<size_t>(entry->source);
    const SourceJump jump = source_jump(past[source], entry->loss);
    if (!jump.known) continue;
    if (!jump.jumped) ++calm;
    if (jump.jumped && jumped++ == 0)
      text =
          fmt::format("step {}: the loss of source {} is {}, before {}", scene.row(position).step,
                      printable(h.sources[source]), n(jump.loss), n(jump.usual));
  }
  if (jumped == 0) return false;
  if (calm > 0)
    cause.supports(.6,
                   fmt::format("{}; that of {} other{} stayed", text, calm, calm > 1 ? "s" : ""));
  else
    cause.contradicts(
        .4, fmt::format("step {}: the losses of all sources jumped", scene.row(position).step));
  return true;
}

}  // namespace

void weigh_injected(const IncidentScene& scene, WeighedCause& cause) {
  for (const EventRecord* event :
       scene.events({"inject"}, scene.incident().first - 1, scene.incident().onset)) {
    cause.proof = true;
    cause.supports(.95, fmt::format("step {}: {}", event->step, printable(event->reason)));
    return;
  }
}

void weigh_hardware(const IncidentScene& scene, WeighedCause& cause) {
  const RunIncident& i = scene.incident();
  for (const EventRecord* event : scene.events({"hardware"}, i.first - 1, i.last)) {
    const Json& d = event->details;
    const auto word = [&](const char* key) {
      return d.is_object() && d.contains(key)
                 ? " " + std::string(key) + " " + printable(to_json_line(d.at(key)))
                 : std::string();
    };
    cause.proof = true;
    cause.supports(.95, fmt::format("step {}: {}{}{}", event->step, printable(event->reason),
                                    word("rank"), word("host")));
    return;
  }
  bool rerun = false;
  for (const EventRecord* event : alarms(scene)) {
    if (!event->details.is_object() || !event->details.contains("rerun")) continue;
    rerun = true;
    if (event->details.at("rerun") == "same bits")
      cause.contradicts(.1,
                        fmt::format("step {} was computed twice with the same bits", event->step));
    break;
  }
  if (!rerun) cause.not_recorded("a second computation of the step");
  const std::string replay = diverging_replay(scene);
  if (!replay.empty()) cause.supports(.7, replay);
  bool ranks = false;
  const std::string rank = odd_rank(scene, ranks);
  if (!ranks) cause.not_recorded("loss_max_rank of several ranks");
  if (!rank.empty()) cause.supports(.2, rank);
  if (scene.first() < scene.size() && nonfinite_at(scene.row(scene.first()))) {
    const double norm = typical(scene.before(norm_of));
    const std::vector<double> last = scene.before(norm_of, 10);
    if (!std::isnan(norm) && !last.empty() &&
        *std::max_element(last.begin(), last.end()) < 2 * norm)
      cause.supports(.2,
                     fmt::format("step {}: not finite, out of norms about {}", i.first, n(norm)));
  }
  const double time = typical(scene.before(step_ms_of));
  if (std::isnan(time)) return cause.not_recorded("step_ms");
  const Extreme slow = extreme_ratio(scene, step_ms_of, time);
  // A second computation takes its time too.
  if (slow.ratio >= 1.5 && alarms(scene).empty())
    cause.supports(.15,
                   fmt::format("step {} took {} ms, before {}", slow.step, n(slow.value), n(time)));
}

void weigh_planned_change(const IncidentScene& scene, WeighedCause& cause) {
  const int64_t first = scene.incident().first;
  const auto changes = scene.events({"phase", "batch_size", "lr", "precision", "clip", "data"},
                                    first - kNearby, first);
  if (!changes.empty()) {
    const EventRecord& event = *changes.back();
    cause.supports(event.step >= first - kAtOnce ? .6 : .3,
                   fmt::format("step {}: {} {}", event.step, event.event, printable(event.reason)));
  } else {
    double weight = 0;
    const std::string text = silent_change(scene, weight);
    if (!text.empty()) cause.supports(weight, text);
  }
  const auto starts =
      scene.events({"resume", "restore", "rollback", "branch"}, first - kAtOnce, first);
  if (!starts.empty())
    cause.supports(.4, fmt::format("step {}: a segment began ({})", starts.back()->step,
                                   starts.back()->event));
  if (cause.evidence.empty()) return;
  const double norm = typical(scene.before(norm_of));
  const Extreme peak = extreme_ratio(scene, norm_of, norm);
  if (scene.incident().nonfinite) cause.contradicts(.3, "a loss or norm is not finite");
  if (std::isnan(peak.ratio)) return cause.not_recorded("gradient norms");
  const double ratio = std::fmax(peak.ratio, scene.incident().peak_norm / norm);
  if (ratio < 2)
    cause.supports(.3, fmt::format("the norm stayed at {} times its median", n(ratio)));
  if (ratio > 5)
    cause.contradicts(.5, fmt::format("the norm rose to {} times its median", n(ratio)));
}

void weigh_rare_tokens(const IncidentScene& scene, WeighedCause& cause) {
  const Sequences s = sequences(scene);
  weigh_sequences(s, .4, cause);
  if (s.step >= 0 && s.highest < 1.2 * s.lowest)
    cause.contradicts(.6, fmt::format("step {}: all listed sequences are alike, {} to {}", s.step,
                                      n(s.lowest), n(s.highest)));
  weigh_tokens(scene.tokens(), cause);
  bool ranks = false;
  const std::string rank = odd_rank(scene, ranks);
  if (!rank.empty()) cause.supports(.25, rank);
  const double norm = typical(scene.before(norm_of)), loss = typical(scene.before(loss_of));
  if (std::isnan(norm)) cause.not_recorded("gradient norms");
  if (scene.first() > 0 && scene.first() < scene.size()) {
    const StepRow &now = scene.row(scene.first()), &last = scene.row(scene.first() - 1);
    const RobustLevel level = robust_level(scene.before(loss_of));
    const double ordinary = loss + 3 * std::max(level.scale, 1e-3 * std::abs(loss));
    if (now.norm >= 3 * norm && last.norm <= 1.5 * norm && now.loss <= ordinary)
      cause.supports(.25, fmt::format("step {}: the norm is {}, one step before {}, the loss an "
                                      "ordinary {}",
                                      now.step, n(now.norm), n(last.norm), n(now.loss)));
  }
  std::string text;
  const Rerun rerun = same_data(scene, text);
  if (rerun == Rerun::recurred) cause.supports(.3, text);
  if (rerun == Rerun::passed) cause.contradicts(.5, text);
}

void weigh_data(const IncidentScene& scene, WeighedCause& cause) {
  if (scene.ground().history.sources.size() < 2) {
    cause.not_recorded("source_loss of several sources");
  } else {
    for (size_t i = scene.first(); i <= scene.onset() + 1 && i < scene.size(); ++i)
      if (weigh_sources_at(scene, i, cause)) break;
  }
  weigh_sequences(sequences(scene), .15, cause);
  if (scene.placed().data.empty()) cause.not_recorded("batch_start");
  std::string text;
  const Rerun rerun = same_data(scene, text);
  if (rerun == Rerun::recurred) cause.supports(.45, text);
  if (rerun == Rerun::passed) cause.contradicts(.4, text);
  const std::string elsewhere = other_data(scene);
  if (!elsewhere.empty()) cause.contradicts(.5, elsewhere);
}

void weigh_cause(const IncidentScene& scene, WeighedCause& cause) {
  switch (cause.cause) {
    case Cause::injected:
      return weigh_injected(scene, cause);
    case Cause::hardware:
      return weigh_hardware(scene, cause);
    case Cause::planned_change:
      return weigh_planned_change(scene, cause);
    case Cause::rare_tokens:
      return weigh_rare_tokens(scene, cause);
    case Cause::stale_beta2:
      return weigh_stale_beta2(scene, cause);
    case Cause::learning_rate:
      return weigh_learning_rate(scene, cause);
    case Cause::parameter_norm:
      return weigh_parameter_norm(scene, cause);
    case Cause::logit_growth:
      return weigh_logit_growth(scene, cause);
    case Cause::data:
      return weigh_data(scene, cause);
  }
}

}  // namespace ballast
