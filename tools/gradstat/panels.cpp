#include "tools/gradstat/panels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ballast {
namespace {

struct PanelName {
  Panel panel;
  std::string_view word, title;
};
constexpr PanelName kPanels[] = {
    {Panel::loss, "loss", "loss"},
    {Panel::norms, "norms", "gradient norm"},
    {Panel::norm, "norm", "norm before clipping"},
    {Panel::clipped, "clipped", "norm after clipping"},
    {Panel::lr, "lr", "learning rate"},
    {Panel::speed, "speed", "tokens per second"},
};

const PanelName* find_panel(std::string_view word) {
  for (const PanelName& name : kPanels)
    if (name.word == word) return &name;
  return nullptr;
}

const PanelName& name_of(Panel panel) {
  return *std::find_if(std::begin(kPanels), std::end(kPanels),
                       [&](const PanelName& name) { return name.panel == panel; });
}

const std::vector<double>& values_of(Panel panel, const Curves& c) {
  switch (panel) {
    case Panel::loss:
      return c.loss;
    case Panel::clipped:
      return c.norm_clipped;
    case Panel::lr:
      return c.lr;
    case Panel::speed:
      return c.speed;
    case Panel::norms:
    case Panel::norm:
      break;
  }
  return c.norm;
}

}  // namespace

std::string_view panel_word(Panel panel) { return name_of(panel).word; }
std::string_view panel_title(Panel panel) { return name_of(panel).title; }

Result<std::vector<Panel>> parse_panels(const std::vector<std::string>& words) {
  std::vector<Panel> panels;
  for (const std::string& word : words) {
    if (word == "zclip") {
      panels.insert(panels.end(), {Panel::loss, Panel::norm, Panel::clipped});
      continue;
    }
    const PanelName* name = find_panel(word);
    if (name == nullptr)
      return usage_error(fmt::format("'{}' is no panel", word), "--panels",
                         "loss, norms, norm, clipped, lr, speed, or zclip");
    panels.push_back(name->panel);
  }
  return panels;
}

Result<LogScales> parse_log_scales(const std::vector<std::string>& words) {
  LogScales log;
  const bool alone = words.size() == 1;
  if (words.empty() || (alone && words[0] == "auto")) return log;
  log.automatic = false;
  if (alone && words[0] == "none") return log;
  for (const std::string& word : words) {
    const PanelName* name = find_panel(word);
    if (word == "x") {
      log.x = true;
    } else if (name != nullptr) {
      log.panels.push_back(name->panel);
    } else {
      return usage_error(fmt::format("'{}' is no scale", word), "--log",
                         "x, loss, norms, norm, clipped, lr, speed, or alone auto or none");
    }
  }
  return log;
}

std::vector<PanelCurve> panel_curves(Panel panel, const std::vector<PlotRun>& runs) {
  using Role = PanelCurve::Role;
  std::vector<PanelCurve> found;
  const auto add = [&](size_t run, const std::vector<double>& values, const std::vector<int64_t>& x,
                       Role role) {
    if (any_finite(values)) found.push_back({run, &values, &x, role});
  };
  for (size_t r = 0; r < runs.size(); ++r) {
    const Curves& c = runs[r].curves;
    if (panel == Panel::loss) add(r, c.abandoned_loss, c.abandoned_x, Role::abandoned);
    if (panel == Panel::norms || panel == Panel::norm)
      add(r, c.abandoned_norm, c.abandoned_x, Role::abandoned);
    const bool both = panel == Panel::norms && runs.size() == 1 && any_finite(c.norm_clipped);
    add(r, values_of(panel, c), c.x, both ? Role::before : Role::line);
    if (!both) continue;
    add(r, c.norm_clipped, c.x, Role::after);
    add(r, c.threshold, c.x, Role::threshold);
  }
  return found;
}

bool is_logarithmic(Panel panel, const LogScales& log, const std::vector<PanelCurve>& curves) {
  if (!log.automatic)
    return std::find(log.panels.begin(), log.panels.end(), panel) != log.panels.end();
  if (panel != Panel::norms && panel != Panel::norm && panel != Panel::clipped) return false;
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const PanelCurve& curve : curves) {
    for (const double value : *curve.values) {
      if (!std::isfinite(value) || value <= 0) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return high >= 10 * low;  // a logarithmic scale shows less than a decade badly
}

std::vector<Panel> drawable_panels(const PanelView& view, const std::vector<PlotRun>& runs) {
  std::vector<Panel> panels;
  for (const Panel panel : view.panels)
    if (!panel_curves(panel, runs).empty()) panels.push_back(panel);
  return panels;
}

}  // namespace ballast
