// The recovery ladder: which action answers an incident. Rungs are tried in order; an incident that
// follows another within 200 steps climbs one rung, a calm stretch begins at the first rung
// again. Pure: the trainer carries the action out.
//   replay        go back to before the incident and repeat the same data (an event of the hardware
//                 does not come again)
//   skip:K        go back to before the incident and pass over K batches from the first suspicious
//                 one
//   rollback:M+K  go back to the newest checkpoint at least M steps before the onset and pass over
//                 K batches around the onset (default K: 20)
//   stop          end training (exit 5)
// "Before the incident": for a non-finite step its own beginning, because the update was never
// applied; for an onset a checkpoint older than the onset by `kLeadSteps`, since the gradient norm
// leads the loss by one to three steps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

inline constexpr int64_t kLeadSteps = 4;

enum class RungKind : uint8_t { replay, skip, rollback, stop };

struct Rung {
  RungKind kind = RungKind::stop;
  int64_t steps = 0;         // rollback: M
  int64_t skip_batches = 0;  // skip, rollback: K
  std::string text() const;  // "skip:20"
};

class Ladder {
 public:
  // `off` (no rungs: incidents are recorded, non-finite updates dropped, training goes on) or
  // `replay,skip:20,rollback:1000,stop`. Kind usage, naming --guard.
  static Result<Ladder> parse(std::string_view spec);

  bool off() const { return rungs_.empty(); }
  // The answer to an incident whose onset is at `step`. Past the last rung: stop.
  Rung next(int64_t step);
  // How often this incident has been answered, the last answer included; 0: calm.
  int64_t attempts() const { return next_; }
  const std::string& spec() const { return spec_; }

  Json state() const;
  Result<void> load(const Json& state);

 private:
  static constexpr int64_t kMemorySteps = 200;
  std::string spec_;
  std::vector<Rung> rungs_;
  int64_t next_ = 0;
  int64_t last_step_ = -1;  // of the last incident; -1: none
};

}  // namespace ballast
