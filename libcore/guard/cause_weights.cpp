#include "libcore/guard/cause_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "libcore/base/units.h"
#include "libcore/io/utf8.h"
#include "libcore/stats/robust.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kAtOnce = 5;       // steps between what happened and its effect
constexpr int64_t kNearby = 50;      // ... at most
constexpr int64_t kSamePlace = 200;  // steps between incidents that recur on two branches
constexpr size_t kFewest = 20;       // values that make a median

double loss_of(const StepRow& row) { return row.loss; }
double norm_of(const StepRow& row) { return row.norm; }
double lr_of(const StepRow& row) { return row.lr; }
double step_ms_of(const StepRow& row) { return row.step_ms; }
double param_norm_of(const StepRow& row) { return row.param_norm; }
double update_rms_of(const StepRow& row) { return row.update_rms; }
double rank_ratio_of(const StepRow& row) { return row.loss_max_rank / row.loss; }
double staleness_of(const StepRow& row) {
  return row.v_norm > 0 ? row.norm * row.norm / row.v_norm : kNone;
}

// NaN with too few values.
double typical(const std::vector<double>& values) {
  return values.size() >= kFewest ? median(values) : kNone;
}

std::string n(double value) { return fmt::format("{:.3g}", value); }

// Ratio of a step to the typical value before, at the step from first to onset where it is largest.
struct Extreme {
  double ratio = kNone;
  int64_t step = -1;
  double value = kNone;
};
Extreme extreme_ratio(const IncidentScene& scene, IncidentScene::Value value, double before) {
  Extreme found;
  for (size_t i = scene.first(); i <= scene.onset() && i < scene.size(); ++i) {
    const double v = value(scene.row(i));
    if (!std::isfinite(v) || !(before > 0) || v / before <= found.ratio) continue;
    found = {v / before, scene.row(i).step, v};
  }
  return found;
}

// --- what several causes look at

// Alarms of the guard at the incident's steps.
std::vector<const EventRecord*> alarms(const IncidentScene& scene) {
  return scene.events({"spike", "nan"}, scene.incident().first, scene.incident().onset + 1);
}

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

// The highest losses by sequence of the first alarm that lists them.
struct Sequences {
  int64_t step = -1;  // -1: none listed
  double highest = kNone, middle = kNone, lowest = kNone;
};
Sequences sequences(const IncidentScene& scene) {
  for (const EventRecord* event : alarms(scene)) {
    const std::vector<double> losses = numbers(*event, "sample_losses");
    if (losses.size() < 3) continue;
    return {event->step, *std::max_element(losses.begin(), losses.end()), median(losses),
            *std::min_element(losses.begin(), losses.end())};
  }
  return {};
}

// One rank's loss is high alone; empty when it is not, or not recorded.
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

// The same samples on another branch: with an incident, or without.
enum class Rerun { none, recurred, passed };
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

// An incident near this step, on another branch, at other data; empty: none.
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

bool nonfinite_at(const StepRow& row) {
  return (row.has_loss && !std::isfinite(row.loss)) || (row.has_norm && !std::isfinite(row.norm));
}

// A number from a strategy's text ("adamw:beta1=0.9,beta2=0.95,..."); NaN: not there.
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

// --- the causes, in the order of the table

void weigh_injected(const IncidentScene& scene, WeighedCause& cause) {
  for (const EventRecord* event :
       scene.events({"inject"}, scene.incident().first - 1, scene.incident().onset)) {
    cause.proof = true;
    cause.supports(.95, fmt::format("step {}: {}", event->step, printable(event->reason)));
    return;
  }
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
  if (!rerun) cause.not_recorded("no second computation of the step");
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

void weigh_sequences(const Sequences& s, double weight, WeighedCause& cause) {
  if (s.step < 0) return cause.not_recorded("the sequences with the highest loss");
  if (s.highest >= 2 * s.middle)
    cause.supports(weight, fmt::format("step {}: the highest sequence's loss is {}, the median of "
                                       "those listed {}",
                                       s.step, n(s.highest), n(s.middle)));
}

void weigh_rare_tokens(const IncidentScene& scene, WeighedCause& cause) {
  const Sequences s = sequences(scene);
  weigh_sequences(s, .4, cause);
  if (s.step >= 0 && s.highest < 1.2 * s.lowest)
    cause.contradicts(.6, fmt::format("step {}: all listed sequences are alike, {} to {}", s.step,
                                      n(s.lowest), n(s.highest)));
  cause.not_recorded("token counts of the batch");
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

void weigh_stale_beta2(const IncidentScene& scene, WeighedCause& cause) {
  const double usual = typical(scene.before(staleness_of));
  if (std::isnan(usual)) {
    cause.not_recorded("v_norm");
  } else {
    int64_t stale = 0;
    const Extreme worst = extreme_ratio(scene, staleness_of, usual);
    // The gradient may stay ahead of the second moment while the loss is already up.
    for (size_t i = scene.first(); i < scene.size() && i <= scene.onset() + kAtOnce; ++i)
      if (staleness_of(scene.row(i)) >= 4 * usual) ++stale;
    if (stale > 0)
      cause.supports(
          stale >= 3 ? .45 : .2,
          fmt::format("grad_norm^2/v_norm was over 4 times its median for {} steps", stale));
    else if (worst.ratio < 2)
      cause.contradicts(
          .3, fmt::format("grad_norm^2/v_norm stayed at {} times its median", n(worst.ratio)));
  }
  const double rms = typical(scene.before(update_rms_of));
  const Extreme update = extreme_ratio(scene, update_rms_of, rms);
  if (std::isnan(rms)) cause.not_recorded("update_rms");
  if (update.ratio >= 1.5 && update.value >= 2)
    cause.supports(.45, fmt::format("step {}: update_rms {}, before {}", update.step,
                                    n(update.value), n(rms)));
  const double beta2 = strategy_number(scene, "beta2");
  if (std::isnan(beta2)) return cause.not_recorded("beta2");
  const bool any = std::any_of(cause.evidence.begin(), cause.evidence.end(), [](const Evidence& e) {
    return e.kind == Evidence::Kind::supports;
  });
  if (any && beta2 >= .99) cause.supports(.2, fmt::format("beta2 is {}", format_double(beta2)));
  if (beta2 <= .95) cause.contradicts(.5, fmt::format("beta2 is {}", format_double(beta2)));
}

// Incidents of the loss while the learning rate is at its peak, and elsewhere.
void weigh_density(const IncidentScene& scene, WeighedCause& cause) {
  const double peak = scene.line().lr_peak;
  int64_t steps[2] = {}, incidents[2] = {};
  for (size_t i = 0; i < scene.size(); ++i) ++steps[scene.row(i).lr >= .9 * peak];
  for (const PlacedIncident& placed : scene.ground().incidents) {
    const RunIncident& i = *placed.incident;
    const bool of_loss = i.classified || i.detected_loss;
    if (of_loss && placed.line == scene.placed().line && placed.onset < scene.size())
      ++incidents[scene.row(placed.onset).lr >= .9 * peak];
  }
  if (incidents[1] < 3) return;
  const auto rate = [&](int where) {
    return static_cast<double>(incidents[where]) / static_cast<double>(steps[where]);
  };
  const std::string text =
      fmt::format("{} loss incidents in {} steps at the peak, {} in {} elsewhere", incidents[1],
                  steps[1], incidents[0], steps[0]);
  if (steps[0] < 500) {
    cause.supports(.2, text);
  } else if (rate(1) >= 3 * rate(0)) {
    cause.supports(.35, text);
  }
}

void weigh_learning_rate(const IncidentScene& scene, WeighedCause& cause) {
  const double peak = scene.line().lr_peak;
  const double now = scene.first() < scene.size() ? scene.row(scene.first()).lr : kNone;
  const double share = now / peak;
  if (std::isnan(share)) {
    cause.not_recorded("learning rate");
  } else {
    const std::vector<double> last = scene.before(lr_of, kNearby);
    const bool rising = !last.empty() && now > 1.02 * last.front();
    if (rising && share >= .5)
      cause.supports(.25, fmt::format("the learning rate was rising, at {:.0f} % of its peak {}",
                                      100 * share, n(peak)));
    else if (share >= .95)
      cause.supports(.15, fmt::format("the learning rate was at its peak {}", n(peak)));
    if (share < .3)
      cause.contradicts(.3, fmt::format("the learning rate was at {:.0f} % of its peak {}",
                                        100 * share, n(peak)));
    weigh_density(scene, cause);
  }
  const std::vector<double> norms = scene.before(norm_of);
  constexpr size_t kPart = 50;
  if (norms.size() < 3 * kPart) {
    cause.not_recorded("150 norms before");
  } else {
    const RobustLevel then = robust_level({norms.begin(), norms.begin() + kPart});
    const double late = median({norms.end() - kPart, norms.end()});
    if (late >= 1.3 * then.center && late >= then.center + 2 * then.scale)
      cause.supports(.25, fmt::format("the norm grew from {} to {} within {} steps before",
                                      n(then.center), n(late), norms.size()));
  }
  const std::string elsewhere = other_data(scene);
  if (!elsewhere.empty()) cause.supports(.3, elsewhere);
}

void weigh_parameter_norm(const IncidentScene& scene, WeighedCause& cause) {
  constexpr int64_t kSpan = 500, kLeast = 50, kSmooth = 10;
  const auto span = std::min(kSpan, static_cast<int64_t>(scene.first()) / 2 - kSmooth);
  const auto level = [&](int64_t back) {
    const auto position = static_cast<int64_t>(scene.first()) - back;
    const std::vector<double> values =
        scene.before(param_norm_of, kSmooth, static_cast<size_t>(std::max(int64_t{0}, position)));
    return values.empty() ? kNone : median(values);
  };
  const double now = level(0), middle = level(span), earlier = level(2 * span);
  if (span < kLeast || std::isnan(now / middle / earlier))
    return cause.not_recorded(fmt::format("param_norm of {} steps", 2 * kLeast));
  const double growth = now / middle - 1, growth_before = middle / earlier - 1;
  const std::string text = fmt::format(
      "param_norm went from {} to {} in {} steps ({:+.2f} %), in as many before {:+.2f} %",
      n(middle), n(now), span, 100 * growth, 100 * growth_before);
  if (std::abs(growth) < .005) return cause.contradicts(.2, text);
  if (growth >= .02 && growth >= 2 * growth_before)
    cause.supports(.55, text);
  else if (growth >= .05)
    cause.supports(.3, text);
  else
    return;
  const double decay = strategy_number(scene, "decay");
  if (decay < .01) cause.supports(.15, fmt::format("weight decay is {}", format_double(decay)));
}

void weigh_logit_growth(const IncidentScene& scene, WeighedCause& cause) {
  const int64_t near = scene.incident().first - kNearby, onset = scene.incident().onset;
  std::vector<double> logits, entropies;
  double logit = kNone, entropy = kNone;
  for (const LayersRow& row : scene.ground().history.layers) {
    if (!scene.line().segments.contains(row.segment) || row.step > onset) continue;
    if (row.step >= near) {
      logit = std::fmax(logit, row.logit_max);
      entropy = std::fmin(entropy, row.entropy_min);
    } else {
      if (std::isfinite(row.logit_max)) logits.push_back(row.logit_max);
      if (std::isfinite(row.entropy_min)) entropies.push_back(row.entropy_min);
    }
  }
  if (logits.size() < 3 || !std::isfinite(logit))
    return cause.not_recorded("layers: attn_logit_max before and at the incident");
  const double usual = median(logits);
  const std::string text = fmt::format("attn_logit_max {}, before {}", n(logit), n(usual));
  if (logit < 1.2 * usual) return cause.contradicts(.2, text);
  if (logit > 100) cause.supports(.2, fmt::format("attn_logit_max {} is over 100", n(logit)));
  if (logit < 2 * usual) return;
  cause.supports(.5, text);
  if (entropies.size() >= 3 && entropy < median(entropies) / 2)
    cause.supports(.2,
                   fmt::format("attn_entropy_min {}, before {}", n(entropy), n(median(entropies))));
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

}  // namespace

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
