// state.json of a checkpoint (ballast-checkpoint(5)): everything besides weights and moments that
// the next step depends on. Doubles are written so that the same bits are read back. A reader
// refuses keys that it does not know, because a state that is dropped silently is not a bit-exact
// resume. Pure; errors are kind corrupt with the key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/skip_ranges.h"
#include "libcore/io/json.h"

namespace ballast {

struct TrainState {
  int64_t step = 0;             // steps consumed, skipped ones included
  int64_t tokens = 0;           // positions consumed, skipped steps included
  int64_t samples = 0;          // consumed on this line: the next sample is this one, mapped over
                                // skip_ranges
  int64_t tokens_trained = 0;   // without skipped steps
  int64_t optimizer_steps = 0;  // t of the optimizer: applied updates
  std::vector<SkipRange> skip_ranges;  // sorted, disjoint
  int64_t segment = 0;                 // that wrote this checkpoint
  Json sampler = Json::object();       // what the laws of the run return as their state
  Json clipper = Json::object();
  Json guard = Json::object();
  Json schedule = Json::object();
  Json averages = Json::object();  // of the weights; written only when there are any
  Json config = Json::object();    // the resolved run configuration
  Json environment =
      Json::object();  // ISA, library versions, backend, threads: what bits depend on
  bool operator==(const TrainState&) const = default;
};

inline constexpr int64_t kStateVersion = 1;

std::string state_text(const TrainState& state);  // state.json
Result<TrainState> parse_state(std::string_view text, const std::string& where);

// The names of the fields that differ ("step", "clipper.mean", ...), with both values; for `ckpt
// diff` and for resume messages.
struct StateDifference {
  std::string field;
  std::string a, b;  // JSON text; empty: missing there
};
std::vector<StateDifference> state_differences(const TrainState& a, const TrainState& b);

}  // namespace ballast
