// What the recoveries of a run have changed for the rest of it: the learning rate (lr:F), a bound
// of the clipped norm (clip:C), sources of data without weight (drop-source). Part of a
// checkpoint's state and of the journal record that made the change. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/order_law.h"
#include "libcore/io/json.h"

namespace ballast {

struct Interventions {
  double lr_factor = 1;
  double clip_cap = 0;                 // 0: none
  std::vector<DroppedSource> dropped;  // ascending by first_sample
  bool operator==(const Interventions&) const = default;
};

Json interventions_json(const Interventions& interventions);
Result<Interventions> parse_interventions(const Json& json);

// The strategy that clips as `spec` does but to no more than `cap` (0: `spec` itself): `fixed`,
// `zclip` and `zskip` take the smaller bound, any other strategy becomes fixed:C.
std::string capped_strategy(const std::string& spec, double cap);

}  // namespace ballast
