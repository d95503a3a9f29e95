#include "tools/gradstat/series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "libcore/guard/incidents.h"
#include "libcore/io/file_system.h"
#include "libcore/trace/writer.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double finite_or_none(double value) { return std::isfinite(value) ? value : kNone; }

template <class T>
void pick(std::vector<T>& values, const std::vector<size_t>& keep) {
  std::vector<T> picked;
  picked.reserve(keep.size());
  for (const size_t i : keep) picked.push_back(values[i]);
  values = std::move(picked);
}

int64_t x_of(const StepRow& row, XAxis axis) { return axis == XAxis::step ? row.step : row.tokens; }

// Where a step stands on the axis: at the row of its own segment, else at that of the line.
class Places {
 public:
  Places(const RunHistory& history, XAxis axis) : axis_(axis) {
    if (axis == XAxis::step) return;
    for (const StepRow& row : history.rows) {
      own_[{row.segment, row.step}] = row.tokens;
      if (row.surviving) line_[row.step] = row.tokens;
    }
  }
  int64_t of(int64_t segment, int64_t step) const {
    if (axis_ == XAxis::step) return step;
    if (const auto own = own_.find({segment, step}); own != own_.end()) return own->second;
    const auto line = line_.lower_bound(step);
    if (line != line_.end()) return line->second;
    return line_.empty() ? 0 : line_.rbegin()->second;
  }

 private:
  XAxis axis_;
  std::map<std::pair<int64_t, int64_t>, int64_t> own_;  // segment and step -> tokens
  std::map<int64_t, int64_t> line_;
};

// Branches follow each other in the trace; pictures want an ascending axis.
void collect_abandoned(const RunHistory& history, const CurveOptions& options, Curves& c) {
  std::vector<const StepRow*> rows;
  for (const StepRow& row : history.rows) {
    const bool drawable = std::isfinite(row.loss) || std::isfinite(row.norm);
    const int64_t x = x_of(row, options.axis);
    if (!row.surviving && drawable && x >= options.from && x <= options.to) rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const StepRow* a, const StepRow* b) {
    return x_of(*a, options.axis) < x_of(*b, options.axis);
  });
  for (const StepRow* row : rows) {
    c.abandoned_x.push_back(x_of(*row, options.axis));
    c.abandoned_loss.push_back(finite_or_none(row->loss));
    c.abandoned_norm.push_back(finite_or_none(row->norm));
  }
  const std::vector<size_t> keep =
      thinned({&c.abandoned_loss, &c.abandoned_norm}, c.abandoned_x.size(), options.buckets);
  pick(c.abandoned_loss, keep);
  pick(c.abandoned_norm, keep);
  pick(c.abandoned_x, keep);
}

void collect_marks(const RunHistory& history, const std::vector<RunIncident>& incidents,
                   const CurveOptions& options, Curves& curves) {
  const Places places(history, options.axis);
  const auto add = [&](int64_t segment, Mark mark) {
    mark.x = places.of(segment, mark.step);
    if (mark.x >= options.from && mark.x <= options.to) curves.marks.push_back(std::move(mark));
  };
  for (const EventRecord& event : history.events) {
    if (event.event == "checkpoint") continue;
    const std::string reason = event.reason.empty() ? "" : ": " + event.reason;
    add(event.segment, {event.step, 0, event.event + reason, false, event.event == "phase"});
  }
  for (const RunIncident& i : incidents)
    add(i.segment, {i.onset, 0, fmt::format("incident #{} {}", i.id, class_name(i)), true, false});
  std::stable_sort(curves.marks.begin(), curves.marks.end(),
                   [](const Mark& a, const Mark& b) { return a.x < b.x; });
}

}  // namespace

// Sums to and from the borders of blocks of `width` values make every window out of two of them:
// nothing is ever subtracted, so a norm of 1e30 leaves no trace behind it.
std::vector<double> smoothed(const std::vector<double>& values, int64_t width) {
  if (width <= 1) return values;
  const auto w = static_cast<size_t>(width);
  const size_t n = values.size();
  struct Sum {
    double value = 0;
    int64_t count = 0;
  };
  const auto term = [&](size_t i) { return std::isfinite(values[i]) ? Sum{values[i], 1} : Sum{}; };
  const auto plus = [](Sum a, Sum b) { return Sum{a.value + b.value, a.count + b.count}; };
  std::vector<Sum> tail(n);  // of i to the end of its block
  for (size_t i = n; i > 0; --i) {
    const bool last = i == n || i % w == 0;
    tail[i - 1] = last ? term(i - 1) : plus(term(i - 1), tail[i]);
  }
  std::vector<double> result(n, kNone);
  Sum head;  // of the start of the block to i
  for (size_t i = 0; i < n; ++i) {
    head = i % w == 0 ? term(i) : plus(head, term(i));
    const bool spans = i >= w && (i + 1) % w != 0;
    const Sum sum = spans ? plus(tail[i + 1 - w], head) : head;
    if (std::isfinite(values[i])) result[i] = sum.value / static_cast<double>(sum.count);
  }
  return result;
}

std::vector<size_t> thinned(const std::vector<const std::vector<double>*>& curves, size_t n,
                            int64_t buckets) {
  std::vector<size_t> keep;
  const auto count = static_cast<size_t>(buckets);
  if (n <= 2 * count) {
    for (size_t i = 0; i < n; ++i) keep.push_back(i);
    return keep;
  }
  keep.push_back(0);
  for (size_t b = 0; b < count; ++b) {
    const size_t begin = b * n / count;
    const size_t end = (b + 1) * n / count;
    for (const std::vector<double>* curve : curves) {
      size_t low = n, high = n;
      for (size_t i = begin; i < end; ++i) {
        const double value = (*curve)[i];
        if (!std::isfinite(value)) continue;
        if (low == n || value < (*curve)[low]) low = i;
        if (high == n || value > (*curve)[high]) high = i;
      }
      if (low == n) continue;
      keep.push_back(low);
      keep.push_back(high);
    }
  }
  keep.push_back(n - 1);
  std::sort(keep.begin(), keep.end());
  keep.erase(std::unique(keep.begin(), keep.end()), keep.end());
  return keep;
}

bool any_finite(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

bool has_tokens(const RunHistory& history) {
  return std::any_of(history.rows.begin(), history.rows.end(),
                     [](const StepRow& row) { return row.tokens > 0; });
}

std::string run_name(const RunHistory& history) {
  if (!history.runs.empty() && !history.runs.back().run.empty()) return history.runs.back().run;
  const std::string name = file_name(history.path);
  return name == kTraceFileName ? file_name(parent_directory(history.path)) : name;
}

Curves curves_of(const RunHistory& history, const std::vector<RunIncident>& incidents,
                 const CurveOptions& options) {
  Curves c;
  c.axis = options.axis;
  for (const StepRow& row : history.rows) {
    const int64_t x = x_of(row, options.axis);
    if (x < options.from || x > options.to) continue;
    const bool nonfinite =
        (row.has_loss && !std::isfinite(row.loss)) || (row.has_norm && !std::isfinite(row.norm));
    if (nonfinite) c.nonfinite_x.push_back(x);
    if (!row.surviving) continue;
    c.x.push_back(x);
    c.steps.push_back(row.step);
    c.loss.push_back(finite_or_none(row.loss));
    c.norm.push_back(finite_or_none(row.norm));
    c.norm_clipped.push_back(finite_or_none(row.norm_clipped));
    c.threshold.push_back(finite_or_none(row.threshold));
    c.lr.push_back(finite_or_none(row.lr));
    c.speed.push_back(finite_or_none(row.tokens_per_s));
  }
  c.norm = smoothed(c.norm, options.smooth);
  c.norm_clipped = smoothed(c.norm_clipped, options.smooth);
  const std::vector<size_t> keep =
      thinned({&c.loss, &c.norm, &c.norm_clipped, &c.lr, &c.speed}, c.x.size(), options.buckets);
  for (std::vector<double>* curve :
       {&c.loss, &c.norm, &c.norm_clipped, &c.threshold, &c.lr, &c.speed})
    pick(*curve, keep);
  pick(c.x, keep);
  pick(c.steps, keep);
  collect_abandoned(history, options, c);
  collect_marks(history, incidents, options, c);
  return c;
}

}  // namespace ballast
