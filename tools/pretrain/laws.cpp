#include "tools/pretrain/laws.h"

#include <cmath>
#include <utility>

namespace ballast {

Laws::Laws(std::string clip, std::unique_ptr<Clipper> clipper, Ladder ladder)
    : clip_(std::move(clip)),
      clipper_(std::move(clipper)),
      fresh_ladder_(ladder),
      ladder_(std::move(ladder)) {}

Result<Laws> Laws::make(std::string clip, Ladder ladder) {
  std::unique_ptr<Clipper> clipper = BALLAST_TRY(make_clipper(clip));
  return Laws(std::move(clip), std::move(clipper), std::move(ladder));
}

Verdict Laws::judge(double loss, double grad_norm) {
  detector_before_ = detector_;
  return detector_.observe(loss, grad_norm);
}

bool Laws::waits_for_jump() const {
  return memory_.wait.active() && memory_.wait.alarm().kind == IncidentKind::jump;
}

bool Laws::suspicious(const Verdict& verdict) const {
  return guarded() && (verdict.nonfinite() || verdict.onset() || verdict.loss.persistent);
}

LawDecision Laws::decide(const Verdict& verdict, double loss, double grad_norm) {
  const bool incident = verdict.loss.onset || verdict.loss.persistent;
  if (verdict.nonfinite()) return {{}, "nonfinite"};
  if (incident && guarded() && !waits_for_jump()) return {{}, "guard"};
  LawDecision decision;
  decision.clip = clipper_->decide(grad_norm, loss);
  if (decision.clip.skip) decision.skip_reason = kClipperSkip;
  return decision;
}

void Laws::accept(double loss, double grad_norm, std::span<const double> source_loss) {
  detector_.accept(loss, grad_norm);
  for (size_t s = 0; s < source_loss.size(); ++s)
    if (!std::isnan(source_loss[s])) memory_.learn(s, source_loss[s]);
}

void Laws::restart_statistics() {
  clipper_->on_event();
  detector_.on_event();
}

// An incident is found at its onset, or when it has stayed; a wait remembers one.
std::vector<int64_t> Laws::ways_back(int64_t step) const {
  std::vector<int64_t> ways;
  if (!guarded()) return ways;
  const int64_t persistent = step + 1 - detector_.loss_above_steps();
  for (const int64_t margin : {kLeadSteps, ladder_.longest_way_back()}) {
    for (const int64_t onset : {step + 1, persistent}) ways.push_back(onset - margin);
    if (memory_.wait.active()) ways.push_back(memory_.wait.alarm().onset - margin);
  }
  ways.push_back(memory_.warning_of(step + 1) - 1);
  if (memory_.wait.active()) ways.push_back(memory_.wait.alarm().warning - 1);
  return ways;
}

Result<void> Laws::cap_clip(double cap) {
  const std::string spec = capped_strategy(clip_, cap);
  if (spec == clipper_->spec()) return {};
  const Json state = clipper_->state();
  std::unique_ptr<Clipper> clipper = BALLAST_TRY(make_clipper(spec));
  if (state.value("kind", "") == clipper->state().value("kind", ""))
    BALLAST_TRY(clipper->load(state));
  clipper_ = std::move(clipper);
  return {};
}

void Laws::forget_journal() {
  memory_.last_fork = 0;
  memory_.source_loss.clear();
  memory_.wait.end();
  ladder_ = fresh_ladder_;
}

Result<GuardMemory> Laws::load_guard_state(const Json& guard) {
  GuardMemory memory;
  BALLAST_TRY(load_guard(guard, detector_, ladder_, memory));
  return memory;
}

Result<void> Laws::load_clipper(const Json* clipper) {
  if (clipper != nullptr) return clipper_->load(*clipper);
  clipper_ = BALLAST_TRY(make_clipper(clipper_->spec()));
  return {};
}

}  // namespace ballast
