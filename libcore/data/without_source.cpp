#include "libcore/data/without_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace ballast {

Result<std::vector<DataPhase>> without_source(std::vector<DataPhase> phases, size_t source,
                                              int64_t first_sample) {
  BALLAST_CHECK(!phases.empty() && first_sample >= 0);
  size_t active = phases.size() - 1;
  while (active > 0 && phases[active].first_sample > first_sample) --active;
  if (phases[active].first_sample < first_sample) {
    DataPhase rest = phases[active];
    rest.first_sample = first_sample;
    ++active;
    phases.insert(phases.begin() + static_cast<std::ptrdiff_t>(active), rest);
  }
  for (size_t p = active; p < phases.size(); ++p) {
    BALLAST_CHECK(source < phases[p].weights.size());
    phases[p].weights[source] = 0;
    if (std::ranges::all_of(phases[p].weights, [](double weight) { return weight == 0; })) {
      return usage_error(
          fmt::format("no source of data is left from sample {} on", phases[p].first_sample));
    }
  }
  return phases;
}

}  // namespace ballast
