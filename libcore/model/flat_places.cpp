#include "libcore/model/flat_places.h"

#include <algorithm>

#include "libcore/base/check.h"

namespace ballast {

Tensor FlatPlaces::at(const FlatRange& part) const {
  const auto place =
      std::ranges::find_if(places_, [&](const Place& p) { return p.run.holds(part); });
  BALLAST_CHECK(place != places_.end());
  return cols_of(place->at, part.begin - place->run.begin, part.size());
}

FlatRuns::FlatRuns(std::vector<FlatRange> runs) {
  std::ranges::sort(runs, {}, &FlatRange::begin);
  for (const FlatRange& run : runs) {
    if (run.size() == 0) continue;
    if (!runs_.empty() && runs_.back().end == run.begin) {
      runs_.back().end = run.end;
    } else {
      runs_.push_back(run);
    }
  }
}

int64_t FlatRuns::size() const {
  int64_t size = 0;
  for (const FlatRange& run : runs_) size += run.size();
  return size;
}

int64_t FlatRuns::offset(const FlatRange& part) const {
  int64_t begin = 0;
  for (const FlatRange& run : runs_) {
    if (run.holds(part)) return begin + part.begin - run.begin;
    begin += run.size();
  }
  BALLAST_CHECK(part.size() == 0);
  return 0;
}

FlatPlaces FlatRuns::places(const Tensor& buffer) const {
  FlatPlaces places;
  for (const FlatRange& run : runs_) places.put(run, part(buffer, run));
  return places;
}

}  // namespace ballast
