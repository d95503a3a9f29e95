// What may have caused an incident: every cause that is known to the field is weighed by what the
// trace recorded around it, and the answer may be that it cannot be told. Deterministic and pure.
//
// A piece of evidence for a cause has a weight s in (0, 1), one against it a factor f in [0, 1):
//     weight = (1 - prod (1 - s)) * prod f
// so a cause without evidence has weight 0, and what was not recorded adds nothing and is listed.
// The verdict is the heaviest cause, if it weighs at least 0.5 and 0.15 more than the next; a proof
// (p) goes before weights, in the order of the table. "Before" is the 200 steps before the first
// abnormal one, other incidents left out.
//
//   injected
//     - p .95 an `inject` event from one step before the first abnormal one to the onset
//   hardware
//     - p .95 a `hardware` event (the step's second computation gave other bits, or ranks differ)
//     - .70 another branch computed the same data at the same learning rate, with the same bits
//       until here, and had no incident
//     - .20 one rank's loss alone (>= 1.5 times the mean, before <= 1.2)
//     - .20 a value that is not finite out of quiet norms and losses
//     - .15 step time >= 1.5 times the median
//     - f .1 the step was computed twice with the same bits
//   planned change
//     - .60 phase, batch_size, lr, precision, clip or data event in the 5 steps before, .30 in the
//       50 before
//     - .40 a segment began in the 5 steps before
//     - without an event .50 tokens per step changed by a quarter, .40 the learning rate by half
//     - .30 the norm stayed under twice its median (only with one of these)
//     - f .3 not finite, .5 the norm rose above 5 times its median
//   rare tokens
//     - .40 the highest sequence's loss is twice the median of those listed
//     - .25 one rank's loss alone
//     - .45 surprisal of the batch's tokens: z >= 6 among those of the batches before, or .35 of
//       its rarest sequence among theirs
//     - .25 the norm rose 3 times in one step while the loss was ordinary
//     - .30 the same samples had an incident on another branch
//     - f .6 all listed sequences are alike, .5 the same samples passed on another branch, .5
//       surprisal of the batch under z = 2 and of its rarest sequence under 4
//   stale beta2
//     - .45 grad_norm^2/v_norm was 4 times its median for 3 steps, .20 for fewer
//     - .45 update_rms >= 2 and 1.5 times its median
//     - .20 beta2 >= 0.99 (only with one of these)
//     - f .5 beta2 <= 0.95, .3 grad_norm^2/v_norm stayed under twice its median
//   learning rate
//     - .25 still in its warm-up, over half of the peak, or .15 at the peak
//     - .35 three or more loss incidents at the peak, three times as dense as elsewhere, or .20
//       with hardly any step elsewhere
//     - .25 the norm grew by 1.3 and two scales before
//     - .30 an incident at other data within 200 steps on another branch
//     - f .3 under 0.3 of the peak
//   parameter norm
//     - .55 it grew by 2 % in the last 500 steps and twice as fast as in those before, or .30 by 5
//       %
//     - .15 weight decay under 0.01 (only with one of these)
//     - f .2 it changed by less than 0.5 %
//   logit growth
//     - .50 attn_logit_max is twice the median of earlier records
//     - .20 it is over 100
//     - .20 attn_entropy_min is under half its median (only with the first)
//     - f .2 under 1.2 times
//   data
//     - .60 the loss of one source jumped (6 scales and 1.2 times) and that of another did not
//     - .45 the same samples had an incident on another branch
//     - .15 the highest sequence's loss is twice the median
//     - f .4 all sources jumped, .4 the same samples passed on another branch, .5 an incident at
//       other data within 200 steps on another branch
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"
#include "libcore/guard/token_evidence.h"
#include "libcore/io/json.h"

namespace ballast {

enum class Cause {
  injected,
  hardware,
  planned_change,
  rare_tokens,
  stale_beta2,
  learning_rate,
  parameter_norm,
  logit_growth,
  data,
};
constexpr int kCauses = 9;
std::string_view cause_key(Cause cause);   // "stale_beta2"
std::string_view cause_name(Cause cause);  // "stale beta2"

struct Evidence {
  enum class Kind { supports, contradicts, not_recorded };
  Kind kind = Kind::supports;
  double weight = 0;  // s, or f; 0 for what was not recorded
  std::string text;   // with the numbers that were seen
};

struct WeighedCause {
  Cause cause = Cause::injected;
  double weight = 0;
  bool proof = false;
  std::vector<Evidence> evidence;

  void supports(double s, std::string text);
  void contradicts(double f, std::string text);
  void not_recorded(std::string text);
};

struct Diagnosis {
  int64_t incident = 0;              // its id
  std::optional<Cause> verdict;      // none: undetermined
  std::vector<WeighedCause> causes;  // all of them, heaviest first
  double weight() const;             // of the verdict; 0 without one
};

// Both must outlive it. `incidents` are all of the history, which recurrences are looked for in.
class Diagnoser {
 public:
  Diagnoser(const RunHistory& history, const std::vector<RunIncident>& incidents);
  ~Diagnoser();
  // `tokens`: what the shards say of the incident's batches, where somebody could read them.
  Diagnosis diagnose(const RunIncident& incident, const TokenEvidence& tokens = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A line with the verdict, and what was seen, what speaks against, what was not recorded.
std::string diagnosis_sentence(const Diagnosis& diagnosis);
Json to_json(const Diagnosis& diagnosis);

}  // namespace ballast
