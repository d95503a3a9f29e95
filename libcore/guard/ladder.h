// The recovery ladder: which action answers an incident. Rungs are tried in order; an incident that
// follows another of its kind within 200 steps climbs one rung, a calm stretch begins at the first
// rung again. Steps that are not finite and jumps of the loss are two kinds with a position each.
// Pure: the trainer carries the action out.
//   wait:K        drop this step's update and train on; back under the threshold K steps later, or
//                 the next rung answers
//   replay        go back to before the incident and repeat the same data (an event of the hardware
//                 does not come again)
//   skip:K        go back to before the incident and pass over K batches from the first suspicious
//                 one
//   rollback:M+K  go back at least M steps before the onset and pass over K batches around the
//                 onset (default K: 20)
//   lr:F          go back to before the incident; from there the learning rate is multiplied by F
//   clip:C        likewise; from there no clipped norm is above C
//   drop-source   likewise; from there the most suspicious source of data has weight 0
//   stop          end training (exit 5)
// "Before the incident": for the replay of a non-finite step its own beginning, because the update
// was never applied; else a snapshot or checkpoint older than the onset by `kLeadSteps` and older
// than the first warning of the gradient norm, which leads the loss by one to three steps.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

inline constexpr int64_t kLeadSteps = 4;

enum class IncidentKind : uint8_t { nonfinite, jump };

enum class RungKind : uint8_t { wait, replay, skip, rollback, lr, clip, drop_source, stop };

struct Rung {
  RungKind kind = RungKind::stop;
  int64_t steps = 0;         // wait: K; rollback: M
  int64_t skip_batches = 0;  // skip, rollback: K
  double value = 0;          // lr: F; clip: C
  std::string text() const;  // "skip:20"
};

class Ladder {
 public:
  // `off` (no rungs: incidents are recorded, non-finite updates dropped, training goes on), a list
  // such as `replay,skip:20,rollback:1000,stop`, or the name of one in kNamedLadders. Kind usage,
  // naming --guard.
  static Result<Ladder> parse(std::string_view spec);

  bool off() const { return rungs_.empty(); }
  // The answer to an incident whose onset is at `step`. Past the last rung: stop.
  Rung next(IncidentKind kind, int64_t step);
  // How often the incident of this kind has been answered, the last answer included; 0: calm.
  int64_t attempts(IncidentKind kind) const { return position(kind).next; }
  // Largest M of its rollback rungs; 0: none. A checkpoint that old has to be kept.
  int64_t longest_way_back() const;
  bool has(RungKind kind) const;
  const std::string& spec() const { return spec_; }

  Json state() const;
  Result<void> load(const Json& state);

 private:
  static constexpr int64_t kMemorySteps = 200;
  struct Position {
    int64_t next = 0;
    int64_t last_step = -1;  // of the last incident; -1: none
  };
  const Position& position(IncidentKind kind) const {
    return positions_[static_cast<size_t>(kind)];
  }
  std::string spec_;
  std::vector<Rung> rungs_;
  std::array<Position, 2> positions_;  // by IncidentKind
};

// The five recoveries of the usual playbook, A to E.
struct NamedLadder {
  std::string_view name, ladder;
};
inline constexpr std::array<NamedLadder, 5> kNamedLadders = {{
    {"continue-and-hope", "wait:200,stop"},
    {"skip-batch", "skip:20,stop"},
    {"restart", "rollback:1000+0,stop"},
    {"lower-lr", "lr:0.5,lr:0.5,stop"},
    {"data-swap", "drop-source,stop"},
}};

}  // namespace ballast
