#include "tools/gradstat/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"
#include "libcore/io/utf8.h"
#include "tools/gradstat/gnuplot.h"

namespace ballast {
namespace {

// Told apart by people who see colours differently (Okabe and Ito), and by their greys on paper.
constexpr const char* kRunColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000"};
constexpr const char* kBefore = "#f0a04b";
constexpr const char* kAfter = "#1a7f37";
constexpr const char* kIncident = "#c62828";
constexpr const char* kEvent = "#7f7f7f";
constexpr size_t kMostLabels = 12;
constexpr double kGlyph = 0.62;  // width of a digit over the font's size in pixels
constexpr double kPixelsPerPoint = 4.0 / 3;

std::string cell(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : std::string("NaN");
}

struct Span {
  int64_t low = INT64_MAX, high = INT64_MIN;
  void add(const std::vector<int64_t>& x) {
    if (x.empty()) return;
    low = std::min(low, x.front());
    high = std::max(high, x.back());
  }
};

class Script {
 public:
  Script(const std::vector<PlotRun>& runs, const PanelView& view, const PictureOptions& options)
      : runs_(runs), view_(view), o_(options), panels_(drawable_panels(view, runs)) {
    for (const PlotRun& run : runs) {
      span_.add(run.curves.x);
      span_.add(run.curves.abandoned_x);
    }
    if (view.log.x) span_.low = std::max<int64_t>(span_.low, 1);
    span_.high = std::max(span_.high, span_.low + 1);
  }

  std::string text() {
    // Data blocks cannot stand inside a multiplot in the order curves need them: all come first.
    std::string charts;
    for (size_t p = 0; p < panels_.size(); ++p) charts += chart(p);
    return head() + data_ + frame() + charts + "unset multiplot\n";
  }

 private:
  double font_pixels() const {
    return o_.format == PictureFormat::png ? o_.font * kPixelsPerPoint : o_.font;
  }
  std::string head() const {
    return fmt::format(
        "set encoding utf8\nset terminal {} size {},{} font 'sans,{}' linewidth {} background "
        "'#ffffff'\n",
        o_.format == PictureFormat::svg ? "svg" : "pngcairo", o_.width, o_.height, o_.font,
        o_.line);
  }
  std::string frame() const;
  std::string x_axis() const;
  std::string chart(size_t index);
  std::string curve(const PanelCurve& c, bool keyed);
  std::string block(const PanelCurve& c);
  std::string marks(bool labels) const;
  std::string y_scale(Panel panel, const std::vector<PanelCurve>& curves) const;
  double share_of(int64_t x) const;

  const std::vector<PlotRun>& runs_;
  const PanelView& view_;
  const PictureOptions& o_;
  std::vector<Panel> panels_;
  Span span_;
  std::string data_;
  int blocks_ = 0;
};

std::string Script::frame() const {
  std::string text = fmt::format("set multiplot layout {},1", std::max<size_t>(1, panels_.size()));
  if (!o_.title.empty())
    text += fmt::format(" title '{}' noenhanced", gnuplot_escaped(printable(o_.title)));
  text +=
      "\nset grid lc rgb '#dddddd' lt 1 lw 0.5\nset border lc rgb '#444444'\nset tics nomirror\n"
      "set key outside top right horizontal samplen 2 noenhanced\n"
      "set rmargin 2.5\nset datafile missing 'NaN'\n";
  return text + fmt::format("set lmargin {}\n", view_.smooth > 1 ? 12 : 10) + x_axis();
}

std::string Script::x_axis() const {
  std::string text = fmt::format("set xrange [{}:{}]\n", span_.low, span_.high);
  // gnuplot does not look at the font when it chooses tics.
  const double room = o_.width - 12 * font_pixels();
  const auto most = static_cast<int64_t>(room / (6 * kGlyph * font_pixels()));
  std::string tics;
  const std::vector<int64_t> places =
      view_.log.x ? decade_tics(span_.low, span_.high, std::clamp<int64_t>(most, 2, 12))
                  : round_tics(span_.low, span_.high, std::clamp<int64_t>(most, 2, 12));
  if (view_.log.x) text += "set logscale x\n";
  for (const int64_t tic : places)
    tics += fmt::format("{}'{}' {}", tics.empty() ? "" : ", ",
                        tic < 100000 ? fmt::format("{}", tic) : format_count(tic), tic);
  return text + fmt::format("set xtics ({})\n", tics);
}

std::string Script::block(const PanelCurve& c) {
  const std::string name = fmt::format("$b{}", blocks_++);
  std::string text = name + " << EOD\n";
  for (size_t i = 0; i < c.x->size(); ++i)
    text += fmt::format("{} {}\n", (*c.x)[i], cell((*c.values)[i]));
  data_ += text + "EOD\n";
  return name;
}

std::string Script::curve(const PanelCurve& c, bool keyed) {
  using Role = PanelCurve::Role;
  const std::string data = block(c);
  const bool several = runs_.size() > 1;
  const char* color = kRunColors[c.run % std::size(kRunColors)];
  switch (c.role) {
    case Role::abandoned:
      return fmt::format("{} using 1:2 with points pt 7 ps {} lc rgb '{}' {}", data, 0.45 * o_.line,
                         several ? color : "#9467bd",
                         several ? "notitle" : "title 'abandoned branches'");
    case Role::before:
      return fmt::format("{} using 1:2 with lines lw 2.5 lc rgb '{}' title 'before clipping'", data,
                         kBefore);
    case Role::after:
      return fmt::format("{} using 1:2 with lines lw 1 lc rgb '{}' title 'after clipping'", data,
                         kAfter);
    case Role::threshold:
      return fmt::format("{} using 1:2 with lines lw 1 dt 3 lc rgb '#000000' title 'threshold'",
                         data);
    case Role::line:
      break;
  }
  const std::string title =
      several && keyed ? fmt::format("title '{}'", gnuplot_escaped(printable(runs_[c.run].name)))
                       : "notitle";
  return fmt::format("{} using 1:2 with lines lw 1.2 lc rgb '{}' {}", data, color, title);
}

double Script::share_of(int64_t x) const {
  const auto place = [&](int64_t at) {
    return view_.log.x ? std::log(static_cast<double>(std::max<int64_t>(at, 1)))
                       : static_cast<double>(at);
  };
  return (place(x) - place(span_.low)) / std::max(place(span_.high) - place(span_.low), 1e-300);
}

// Vertical lines over the whole height; labels only on the upper chart. Of many marks the phases
// alone have labels.
std::string Script::marks(bool labels) const {
  constexpr double kLabelsTurn = 0.7;  // of the width; beyond it they stand left of their line
  std::string text = "unset arrow\nunset label\n";
  size_t all = 0, lines = 0;
  for (const PlotRun& run : runs_) all += run.curves.marks.size();
  for (size_t r = 0; r < runs_.size(); ++r) {
    for (const Mark& mark : runs_[r].curves.marks) {
      const char* color = runs_.size() > 1 ? kRunColors[r % std::size(kRunColors)]
                          : mark.incident  ? kIncident
                                           : kEvent;
      // Many lines would hide what they mark: a tick at the lower edge each then.
      const bool whole = mark.phase || all <= kMostLabels;
      text += fmt::format(
          "set arrow from first {0}, graph 0 to first {0}, graph {1} nohead back lw {2} dt {3} lc "
          "rgb '{4}'\n",
          mark.x, whole ? "1" : "0.04", mark.phase || !whole ? 1.2 : 0.8,
          mark.phase || !whole ? 1 : 2, color);
      if (!labels || (all > kMostLabels && !mark.phase) || lines >= kMostLabels) continue;
      const size_t colon = mark.label.find(": ");
      const std::string words = mark.phase && colon != std::string::npos
                                    ? mark.label.substr(colon + 2)
                                    : mark.label.substr(0, colon);
      text += fmt::format(
          "set label '{}' at first {}, graph {:.3f} {} noenhanced tc rgb '{}' font ',{}' front\n",
          gnuplot_escaped(printable(words)), mark.x,
          0.94 - 0.085 * static_cast<double>(lines++ % 6),
          share_of(mark.x) > kLabelsTurn ? "right offset -0.5,0" : "left offset 0.4,0", color,
          std::max(7, o_.font - 2));
    }
  }
  return text;
}

std::string Script::y_scale(Panel panel, const std::vector<PanelCurve>& curves) const {
  const char* plain = panel == Panel::speed ? "set format y '%.0s%c'\n" : "set format y '%g'\n";
  if (!is_logarithmic(panel, view_.log, curves))
    return fmt::format("unset logscale y\n{}set yrange [{}:*]\n", plain,
                       panel == Panel::lr || panel == Panel::speed ? "0" : "*");
  double low = INFINITY, high = 0;
  for (const PanelCurve& curve : curves) {
    for (const double value : *curve.values) {
      if (!std::isfinite(value) || value <= 0) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (high <= 0) return "unset logscale y\nset yrange [*:*]\n";
  return fmt::format("set logscale y\n{}set yrange [{}:{}]\n", plain, low / 1.2, high * 1.2);
}

std::string Script::chart(size_t index) {
  const Panel panel = panels_[index];
  const std::vector<PanelCurve> curves = panel_curves(panel, runs_);
  const bool last = index + 1 == panels_.size();
  std::string label(panel_title(panel));
  const bool norm = panel == Panel::norms || panel == Panel::norm || panel == Panel::clipped;
  if (norm && view_.smooth > 1) label += fmt::format("\\n(mean of {} steps)", view_.smooth);
  std::string text = marks(index == 0) + y_scale(panel, curves);
  // Double quotes for the line break; the texts are our own.
  text += fmt::format("set ylabel \"{}\"\nset xlabel '{}'\nplot ", label,
                      !last                                        ? ""
                      : runs_.front().curves.axis == XAxis::tokens ? "tokens"
                                                                   : "step");
  for (size_t i = 0; i < curves.size(); ++i)
    text += (i == 0 ? "" : ", ") + curve(curves[i], index == 0);
  return text + "\n";
}

}  // namespace

std::vector<int64_t> decade_tics(int64_t low, int64_t high, int64_t most) {
  std::vector<int64_t> tics;
  for (int64_t power = 1; power <= high; power *= 10) {
    if (power >= low) tics.push_back(power);
    if (power > INT64_MAX / 10) break;
  }
  const int64_t every = (static_cast<int64_t>(tics.size()) + most - 1) / std::max<int64_t>(most, 1);
  std::vector<int64_t> kept;
  for (size_t i = 0; i < tics.size(); i += static_cast<size_t>(std::max<int64_t>(every, 1)))
    kept.push_back(tics[i]);
  // Less than two decades: a power of ten alone says nothing of the scale.
  return kept.size() < 2 ? round_tics(low, high, most) : kept;
}

std::vector<int64_t> round_tics(int64_t low, int64_t high, int64_t most) {
  std::vector<int64_t> tics;
  if (high < low || most < 1) return tics;
  int64_t step = 1;
  for (int64_t power = 1;; power *= 10) {
    bool found = false;
    for (const int64_t factor : {1, 2, 5}) {
      step = power * factor;
      found = (high - low) / step < most;
      if (found) break;
    }
    if (found || power > INT64_MAX / 10) break;
  }
  for (int64_t tic = low / step; tic <= high / step; ++tic)
    if (tic * step >= low) tics.push_back(tic * step);
  return tics;
}

std::string picture_script(const std::vector<PlotRun>& runs, const PanelView& view,
                           const PictureOptions& options) {
  return Script(runs, view, options).text();
}

}  // namespace ballast
