// From what a run's law says of its data, and what its guard took out of it since, to the order of
// its samples: one place for the run itself and for whoever asks later what it consumed. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/order.h"

namespace ballast {

// A source without weight from a sample on.
struct DroppedSource {
  std::string source;        // its name in the data order
  int64_t first_sample = 0;  // of the data order from which on its weight is 0
  bool operator==(const DroppedSource&) const = default;
};

struct OrderLaw {
  uint64_t data_seed = 0;
  std::vector<DataPhase> phases;  // the first from sample 0, weights by source
};

// Dropped sources that the run does not have (any more) are passed over. Kind usage, as
// DataOrder::make() and without_source() say it.
Result<DataOrder> make_order(const OrderLaw& law, std::vector<DataSource> sources,
                             const std::vector<DroppedSource>& dropped = {});

}  // namespace ballast
