// The entries of a map by weight, the heaviest first and equal ones by name: the order of tables
// and pictures.
#pragma once

#include <algorithm>
#include <vector>

namespace ballast {

template <class Map, class Weight>
std::vector<const typename Map::value_type*> ranked(const Map& map, Weight&& weight) {
  std::vector<const typename Map::value_type*> rows;
  rows.reserve(map.size());
  for (const auto& entry : map) rows.push_back(&entry);
  std::stable_sort(rows.begin(), rows.end(), [&](const auto* a, const auto* b) {
    return weight(a->second) > weight(b->second);
  });
  return rows;
}

}  // namespace ballast
