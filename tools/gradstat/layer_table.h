// What the layers did at an incident: each statistic of the `layers` records from its first
// abnormal step on, against the median of the records before it on the same branch. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"

namespace ballast {

struct LayerChange {
  size_t layer = 0;
  double before = 0;  // median of the records before; NaN: none
  double at = 0;      // furthest from it at the incident, by ratio
  int64_t step = 0;   // of that
  double ratio = 0;   // at / before; NaN where it makes no sense
};
struct LayerTable {
  std::vector<int64_t> before_steps, at_steps;  // of the records compared
  struct Row {
    std::string key;
    std::vector<LayerChange> layers;
  };
  std::vector<Row> rows;  // quantities in the order of the menu of the heat map
  bool empty() const { return rows.empty(); }
  // The statistic and layer that changed by the largest factor, up or down; null: none.
  const Row* most_changed(size_t& layer) const;
};
// Empty when no record lies at the incident or none before it.
LayerTable layer_table(const RunHistory& history, const RunIncident& incident);

// "layer 3, attention output: input-gradient norm: 1.2 -> 34 (x 28) at step 92".
std::string change_sentence(const LayerTable& table);

}  // namespace ballast
