#include "libcore/data/order_law.h"

#include <algorithm>

#include "libcore/data/without_source.h"

namespace ballast {

Result<DataOrder> make_order(const OrderLaw& law, std::vector<DataSource> sources,
                             const std::vector<DroppedSource>& dropped) {
  std::vector<DataPhase> phases = law.phases;
  for (const DroppedSource& drop : dropped) {
    const auto found = std::ranges::find(sources, drop.source, &DataSource::name);
    if (found == sources.end()) continue;
    phases = BALLAST_TRY(without_source(
        std::move(phases), static_cast<size_t>(found - sources.begin()), drop.first_sample));
  }
  return DataOrder::make(law.data_seed, std::move(sources), std::move(phases));
}

}  // namespace ballast
