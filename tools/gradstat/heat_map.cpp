#include "tools/gradstat/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "libcore/stats/robust.h"
#include "libcore/trace/surviving.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostLines = 8;

std::vector<double> finite_of(std::span<const double> values) {
  std::vector<double> found;
  for (const double value : values)
    if (std::isfinite(value)) found.push_back(value);
  return found;
}

std::string matrix_title(std::string_view matrix) {
  return matrix == "qkv"    ? "queries, keys, values"
         : matrix == "proj" ? "attention output"
         : matrix == "fc1"  ? "first feed-forward matrix"
                            : "second feed-forward matrix";
}

// In the order of a menu: what the first suspects of a spike are comes first.
struct Kind {
  std::string_view suffix, title;
};
constexpr Kind kKinds[] = {
    {"_output", "output norm"},
    {"_grad", "gradient norm"},
    {"_input_grad", "input-gradient norm"},
    {"_weight", "weight norm"},
    {"_input", "input norm"},
    {"_input_amax", "input amax"},
    {"_input_kurtosis", "input kurtosis"},
};
struct Whole {
  std::string_view key, title;
};
constexpr Whole kWhole[] = {
    {"residual", "residual stream: norm"},
    {"residual_amax", "residual stream: amax"},
    {"residual_kurtosis", "residual stream: kurtosis"},
    {"attn_logit_max", "largest attention score"},
    {"attn_entropy_min", "lowest attention entropy"},
};

// Position in the menu: whole-block quantities, then by kind and matrix; unknown ones last.
std::pair<int, int> menu_place(const std::string& key) {
  for (size_t i = 0; i < std::size(kWhole); ++i)
    if (kWhole[i].key == key) return {0, static_cast<int>(i)};
  constexpr std::string_view kMatrices[] = {"qkv", "proj", "fc1", "fc2"};
  for (size_t k = 0; k < std::size(kKinds); ++k)
    for (size_t m = 0; m < std::size(kMatrices); ++m)
      if (key == std::string(kMatrices[m]) + std::string(kKinds[k].suffix))
        return {static_cast<int>(k) + 1, static_cast<int>(m)};
  return {100, 0};
}

// Segment index -> whether its line holds a step.
class Lines {
 public:
  explicit Lines(const RunHistory& history) {
    std::vector<Segment> until;
    for (const Segment& segment : history.segments) {
      until.push_back(segment);
      mark_surviving(until);
      holds_.emplace_back(until);
      known_.push_back(segment.id);
    }
    if (holds_.empty()) {
      holds_.emplace_back(until);
      known_.push_back(0);
    }
  }
  size_t count() const { return holds_.size(); }
  // Only segments that had begun by then are on a line.
  bool holds(size_t index, int64_t segment, int64_t step) const {
    const auto end = known_.begin() + static_cast<std::ptrdiff_t>(index) + 1;
    const bool begun = std::find(known_.begin(), end, segment) != end || index + 1 == count();
    return begun && holds_[index].holds(segment, step);
  }

 private:
  std::vector<SurvivingLine> holds_;
  std::vector<int64_t> known_;
};

struct Group {
  std::vector<size_t> records;
  std::vector<bool> member;  // of which lines
};

// Neighbouring records with the same lines, at most `share` in a group.
std::vector<Group> group_records(const RunHistory& history, const Lines& lines, size_t share) {
  std::vector<Group> groups;
  for (size_t r = 0; r < history.layer_values.size(); ++r) {
    const LayerValues& row = history.layer_values[r];
    std::vector<bool> member(lines.count());
    for (size_t i = 0; i < lines.count(); ++i) member[i] = lines.holds(i, row.segment, row.step);
    const bool joins = !groups.empty() && groups.back().records.size() < share &&
                       groups.back().member == member &&
                       history.layer_values[groups.back().records.back()].segment == row.segment &&
                       history.layer_values[groups.back().records.back()].step < row.step;
    if (!joins) groups.push_back({{}, std::move(member)});
    groups.back().records.push_back(r);
  }
  return groups;
}

const std::vector<double>* find_values(const LayerValues& row, const std::string& key) {
  for (const auto& [name, values] : row.values)
    if (name == key) return &values;
  return nullptr;
}

// The extreme of a layer over the records of a group; NaN where none has it.
double extreme(const RunHistory& history, const Group& group, const std::string& key, size_t layer,
               bool lowest) {
  double found = kNone;
  for (const size_t r : group.records) {
    const std::vector<double>* values = find_values(history.layer_values[r], key);
    if (values == nullptr || layer >= values->size()) continue;
    const double value = (*values)[layer];
    if (!std::isfinite(value)) continue;
    if (std::isnan(found) || (lowest ? value < found : value > found)) found = value;
  }
  return found;
}

HeatQuantity quantity_of(const RunHistory& history, const std::vector<Group>& groups,
                         const std::string& key, size_t layers) {
  HeatQuantity q;
  q.key = key;
  q.title = layer_quantity_title(key);
  q.lowest = key == "attn_entropy_min";
  std::vector<double> all, ratios;
  for (size_t layer = 0; layer < layers; ++layer) {
    std::vector<double> values;
    for (const Group& group : groups)
      values.push_back(extreme(history, group, key, layer, q.lowest));
    const double middle = median(finite_of(values));
    std::vector<double> relative;
    for (const double value : values) relative.push_back(middle > 0 ? value / middle : kNone);
    all.insert(all.end(), values.begin(), values.end());
    ratios.insert(ratios.end(), relative.begin(), relative.end());
    q.values.push_back(std::move(values));
    q.relative.push_back(std::move(relative));
  }
  q.scale = heat_scale(all);
  q.relative_scale = relative_scale(ratios);
  return q;
}

// The surviving line, then those of segments of which something was left.
std::vector<HeatLine> lines_of(const RunHistory& history, const std::vector<Group>& groups,
                               const std::vector<HeatColumn>& columns, size_t count) {
  std::vector<HeatLine> lines;
  for (size_t back = 0; back < count && lines.size() < kMostLines; ++back) {
    const size_t index = count - 1 - back;
    HeatLine line;
    bool own = false;  // something that no later line shows
    for (size_t g = 0; g < groups.size(); ++g) {
      if (!groups[g].member[index]) continue;
      line.columns.push_back(g);
      own = own || !groups[g].member[count - 1];
    }
    if (back > 0 && !own) continue;
    std::stable_sort(line.columns.begin(), line.columns.end(),
                     [&](size_t a, size_t b) { return columns[a].first < columns[b].first; });
    line.title = back == 0 ? "surviving line"
                           : fmt::format("segment {}, left later", history.segments[index].id);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

HeatScale heat_scale(std::span<const double> values) {
  const std::vector<double> finite = finite_of(values);
  HeatScale scale;
  if (finite.empty()) return scale;
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  scale.low = *low;
  scale.high = *high;
  scale.logarithmic = scale.low > 0 && scale.high >= 10 * scale.low;
  if (!(scale.high > scale.low)) {
    const double reach = std::max(std::abs(scale.low) * 0.05, 1e-12);
    scale.low -= reach;
    scale.high += reach;
  }
  return scale;
}

HeatScale relative_scale(std::span<const double> ratios) {
  constexpr double kLeast = 1.5;  // of a calm map, whose noise is not to look like an event
  double reach = kLeast;
  for (const double ratio : ratios)
    if (std::isfinite(ratio) && ratio > 0) reach = std::max({reach, ratio, 1 / ratio});
  return {1 / reach, reach, true};
}

std::string layer_quantity_title(const std::string& key) {
  for (const Whole& whole : kWhole)
    if (whole.key == key) return std::string(whole.title);
  for (const std::string_view matrix : {"qkv", "proj", "fc1", "fc2"})
    for (const Kind& kind : kKinds)
      if (key == std::string(matrix) + std::string(kind.suffix))
        return fmt::format("{}: {}", matrix_title(matrix), kind.title);
  return key;
}

HeatMaps heat_maps(const RunHistory& history, XAxis axis, size_t most_columns) {
  HeatMaps maps;
  if (history.layer_values.empty()) return maps;
  const Lines lines(history);
  const size_t share = (history.layer_values.size() + most_columns - 1) / most_columns;
  const std::vector<Group> groups = group_records(history, lines, share);
  std::map<std::pair<int64_t, int64_t>, int64_t> tokens;
  if (axis == XAxis::tokens)
    for (const StepRow& row : history.rows) tokens[{row.segment, row.step}] = row.tokens;
  for (const Group& group : groups) {
    const LayerValues& first = history.layer_values[group.records.front()];
    const LayerValues& last = history.layer_values[group.records.back()];
    HeatColumn column{first.segment, first.step, last.step, (first.step + last.step) / 2};
    if (axis == XAxis::tokens)
      column.x = (tokens[{first.segment, first.step}] + tokens[{last.segment, last.step}]) / 2;
    maps.columns.push_back(column);
  }
  maps.lines = lines_of(history, groups, maps.columns, lines.count());
  std::map<std::pair<std::pair<int, int>, std::string>, size_t> keys;  // menu order -> layers
  for (const LayerValues& row : history.layer_values)
    for (const auto& [key, values] : row.values) {
      size_t& layers = keys[{menu_place(key), key}];
      layers = std::max(layers, values.size());
    }
  for (const auto& [key, layers] : keys) {
    HeatQuantity quantity = quantity_of(history, groups, key.second, layers);
    if (std::any_of(quantity.values.begin(), quantity.values.end(), any_finite))
      maps.quantities.push_back(std::move(quantity));
  }
  return maps;
}

std::vector<std::array<int, 3>> heat_palette(int n) {
  constexpr double kStart = 0.5, kRotations = -0.7, kHue = 1.1;
  constexpr double kDark = 0.1, kLight = 0.96;
  std::vector<std::array<int, 3>> colors;
  for (int i = 0; i < n; ++i) {
    const double grey = kDark + (kLight - kDark) * i / std::max(1, n - 1);
    const double angle = 2 * std::numbers::pi * (kStart / 3 + 1 + kRotations * grey);
    const double amplitude = kHue * grey * (1 - grey) / 2;
    const double c = std::cos(angle), s = std::sin(angle);
    const double rgb[] = {grey + amplitude * (-0.14861 * c + 1.78277 * s),
                          grey + amplitude * (-0.29227 * c - 0.90649 * s),
                          grey + amplitude * (1.97294 * c)};
    std::array<int, 3> color{};
    for (size_t k = 0; k < 3; ++k)
      color[k] = static_cast<int>(std::lround(255 * std::clamp(rgb[k], 0.0, 1.0)));
    colors.push_back(color);
  }
  return colors;
}

}  // namespace ballast
