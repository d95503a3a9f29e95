#include "tools/gradstat/layer_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/stats/robust.h"
#include "tools/gradstat/heat_map.h"
#include "tools/gradstat/incident_table.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kRecordsBefore = 5;
// What a person looks at first; weights hardly move in a step.
constexpr const char* kKeys[] = {
    "residual",        "qkv_output",       "proj_output",    "fc1_output",     "fc2_output",
    "qkv_grad",        "proj_grad",        "fc1_grad",       "fc2_grad",       "qkv_input_grad",
    "proj_input_grad", "fc1_input_grad",   "fc2_input_grad", "attn_logit_max", "attn_entropy_min",
    "residual_amax",   "residual_kurtosis"};

const std::vector<double>* values_of(const LayerValues& row, const std::string& key) {
  for (const auto& [name, values] : row.values)
    if (name == key) return &values;
  return nullptr;
}

double value_of(const LayerValues& row, const std::string& key, size_t layer) {
  const std::vector<double>* values = values_of(row, key);
  return values != nullptr && layer < values->size() ? (*values)[layer] : kNone;
}

double distance(double ratio) {
  return ratio > 0 && std::isfinite(ratio) ? std::abs(std::log(ratio)) : 0;
}

LayerChange change_of(const std::vector<const LayerValues*>& before,
                      const std::vector<const LayerValues*>& at, const std::string& key,
                      size_t layer) {
  std::vector<double> calm;
  for (const LayerValues* row : before) {
    const double value = value_of(*row, key, layer);
    if (std::isfinite(value)) calm.push_back(value);
  }
  LayerChange change;
  change.layer = layer;
  change.before = median(calm);
  change.at = change.ratio = kNone;
  for (const LayerValues* row : at) {
    const double value = value_of(*row, key, layer);
    if (std::isnan(value)) continue;
    const double ratio = change.before != 0 ? value / change.before : kNone;
    if (!std::isnan(change.at) && distance(ratio) <= distance(change.ratio)) continue;
    change.at = value;
    change.ratio = ratio;
    change.step = row->step;
  }
  return change;
}

}  // namespace

LayerTable layer_table(const RunHistory& history, const RunIncident& incident) {
  LayerTable table;
  std::vector<const LayerValues*> before, at;
  const auto segment = std::find_if(history.segments.begin(), history.segments.end(),
                                    [&](const Segment& s) { return s.id == incident.segment; });
  for (const LayerValues& row : history.layer_values) {
    if (row.segment == incident.segment && row.step >= incident.first && row.step <= incident.last)
      at.push_back(&row);
    // Records before it: of its own segment, and of the segment it came from up to there.
    const bool leads = row.segment == incident.segment ||
                       (segment != history.segments.end() && segment->parent == row.segment &&
                        row.step <= segment->parent_step.value_or(-1));
    if (leads && row.step < incident.first) before.push_back(&row);
  }
  if (before.empty() || at.empty()) return table;
  std::stable_sort(before.begin(), before.end(),
                   [](const LayerValues* a, const LayerValues* b) { return a->step < b->step; });
  if (before.size() > kRecordsBefore)
    before.erase(before.begin(), before.end() - static_cast<std::ptrdiff_t>(kRecordsBefore));
  for (const LayerValues* row : before) table.before_steps.push_back(row->step);
  for (const LayerValues* row : at) table.at_steps.push_back(row->step);
  for (const char* key : kKeys) {
    const std::vector<double>* values = values_of(*at.front(), key);
    if (values == nullptr) continue;
    LayerTable::Row row;
    row.key = key;
    for (size_t layer = 0; layer < values->size(); ++layer)
      row.layers.push_back(change_of(before, at, key, layer));
    table.rows.push_back(std::move(row));
  }
  return table;
}

const LayerTable::Row* LayerTable::most_changed(size_t& layer) const {
  const Row* found = nullptr;
  double most = 0;
  for (const Row& row : rows) {
    for (const LayerChange& change : row.layers) {
      if (distance(change.ratio) <= most) continue;
      most = distance(change.ratio);
      found = &row;
      layer = change.layer;
    }
  }
  return found;
}

std::string change_sentence(const LayerTable& table) {
  size_t layer = 0;
  const LayerTable::Row* row = table.most_changed(layer);
  if (row == nullptr) return "";
  const LayerChange& change = row->layers[layer];
  return fmt::format("layer {}, {}: {} -> {} (x {}) at step {}", layer,
                     layer_quantity_title(row->key), short_number(change.before),
                     short_number(change.at), short_number(change.ratio), change.step);
}

}  // namespace ballast
