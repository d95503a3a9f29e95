// The laws that decide about a step, with all they remember: the clipper, the detector, the guard's
// ladder and its memory. They see globally reduced values only, so all ranks decide alike, and a
// replay of the trace decides alike. Host only, in double; nothing is read or written. One thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libcore/guard/detector.h"
#include "libcore/guard/ladder.h"
#include "libcore/optim/clip/clip.h"
#include "tools/pretrain/guard_memory.h"

namespace ballast {

struct LawDecision {
  ClipDecision clip;
  std::string skip_reason;  // empty: the update is applied
};

class Laws {
 public:
  // `clip`: a full strategy of make_clipper().
  static Result<Laws> make(std::string clip, Ladder ladder);

  // A step that has labels, in order: what is wrong with it; whether and how to apply its update;
  // and when it was applied.
  Verdict judge(double loss, double grad_norm);
  LawDecision decide(const Verdict& verdict, double loss, double grad_norm);
  void accept(double loss, double grad_norm, std::span<const double> source_loss);
  // The step that was judged last has not been.
  void unjudge() { detector_ = detector_before_; }

  // Somebody has to look at this step before its update.
  bool suspicious(const Verdict& verdict) const;
  bool guarded() const { return !ladder_.off(); }
  // Levels move for good: clipper and detector begin anew, as they do in a replay of the trace.
  void restart_statistics();
  // Steps at or before which a recovery may want a state, when the next incident is found after
  // `step`, or when a wait ends.
  std::vector<int64_t> ways_back(int64_t step) const;
  // The clip strategy under a bound of the clipped norm (0: none); statistics go on where it does
  // not change its kind.
  Result<void> cap_clip(double cap);
  // The ladder from its first rung, nothing awaited, no fork taken: another run begins.
  void forget_journal();

  Json clip_state() const { return clipper_->state(); }
  Json detector_state() const { return detector_.state(); }
  Json guard_state() const { return guard_json(detector_, ladder_, memory_); }
  // Of a checkpoint or snapshot. What the guard remembers is returned, for its interventions to be
  // put in force first. A null `clipper`: it begins anew.
  Result<GuardMemory> load_guard_state(const Json& guard);
  Result<void> load_clipper(const Json* clipper);

  std::string clip_spec() const { return clipper_->spec(); }
  Ladder& ladder() { return ladder_; }
  const Ladder& ladder() const { return ladder_; }
  GuardMemory& memory() { return memory_; }
  const GuardMemory& memory() const { return memory_; }

 private:
  Laws(std::string clip, std::unique_ptr<Clipper> clipper, Ladder ladder);
  bool waits_for_jump() const;

  std::string clip_;  // as configured
  std::unique_ptr<Clipper> clipper_;
  Ladder fresh_ladder_, ladder_;
  Detector detector_;
  Detector detector_before_;  // as it was when it judged the last step
  GuardMemory memory_;
};

}  // namespace ballast
