#include "tools/gradstat/series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "libcore/guard/incidents.h"

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double finite_or_none(double value) { return std::isfinite(value) ? value : kNone; }

// Trailing mean over up to `width` finite values.
std::vector<double> smoothed(const std::vector<double>& values, int64_t width) {
  if (width <= 1) return values;
  std::vector<double> result(values.size(), kNone);
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) {
      sum += values[i];
      ++count;
    }
    const size_t leaving = i - static_cast<size_t>(width);
    if (i >= static_cast<size_t>(width) && std::isfinite(values[leaving])) {
      sum -= values[leaving];
      --count;
    }
    if (std::isfinite(values[i]) && count > 0) result[i] = sum / static_cast<double>(count);
  }
  return result;
}

// Positions to keep: the ends, and per bucket where any curve has its lowest or highest value.
std::vector<size_t> thin(const std::vector<const std::vector<double>*>& curves, size_t n,
                         int64_t buckets) {
  std::vector<size_t> keep;
  const auto count = static_cast<size_t>(buckets);
  if (n <= 2 * count) {
    for (size_t i = 0; i < n; ++i) keep.push_back(i);
    return keep;
  }
  for (size_t b = 0; b < count; ++b) {
    const size_t begin = b * n / count;
    const size_t end = (b + 1) * n / count;
    for (const std::vector<double>* curve : curves) {
      size_t low = begin, high = begin;
      for (size_t i = begin; i < end; ++i) {
        const double value = (*curve)[i];
        if (!((*curve)[low] <= value)) low = std::isnan(value) ? low : i;
        if (!((*curve)[high] >= value)) high = std::isnan(value) ? high : i;
      }
      keep.push_back(low);
      keep.push_back(high);
    }
  }
  keep.push_back(n - 1);
  std::sort(keep.begin(), keep.end());
  keep.erase(std::unique(keep.begin(), keep.end()), keep.end());
  return keep;
}

template <class T>
void pick(std::vector<T>& values, const std::vector<size_t>& keep) {
  std::vector<T> picked;
  picked.reserve(keep.size());
  for (const size_t i : keep) picked.push_back(values[i]);
  values = std::move(picked);
}

// Branches follow each other in the trace; pictures want ascending steps.
void collect_abandoned(const RunHistory& history, const CurveOptions& options, Curves& c) {
  std::vector<const StepRow*> rows;
  for (const StepRow& row : history.rows) {
    const bool drawable = std::isfinite(row.loss) || std::isfinite(row.norm);
    if (!row.surviving && drawable && row.step >= options.from && row.step <= options.to)
      rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const StepRow* a, const StepRow* b) { return a->step < b->step; });
  for (const StepRow* row : rows) {
    c.abandoned_steps.push_back(row->step);
    c.abandoned_loss.push_back(finite_or_none(row->loss));
    c.abandoned_norm.push_back(finite_or_none(row->norm));
  }
  const std::vector<size_t> keep =
      thin({&c.abandoned_loss, &c.abandoned_norm}, c.abandoned_steps.size(), options.buckets);
  pick(c.abandoned_loss, keep);
  pick(c.abandoned_norm, keep);
  pick(c.abandoned_steps, keep);
}

void collect_marks(const RunHistory& history, const std::vector<RunIncident>& incidents,
                   const CurveOptions& options, Curves& curves) {
  for (const EventRecord& event : history.events) {
    if (event.step < options.from || event.step > options.to || event.event == "checkpoint")
      continue;
    const std::string reason = event.reason.empty() ? "" : ": " + event.reason;
    curves.marks.push_back({event.step, event.event + reason, false});
  }
  for (const RunIncident& i : incidents)
    if (i.onset >= options.from && i.onset <= options.to)
      curves.marks.push_back({i.onset, fmt::format("incident #{} {}", i.id, class_name(i)), true});
  std::stable_sort(curves.marks.begin(), curves.marks.end(),
                   [](const Mark& a, const Mark& b) { return a.step < b.step; });
}

}  // namespace

Curves curves_of(const RunHistory& history, const std::vector<RunIncident>& incidents,
                 const CurveOptions& options) {
  Curves c;
  for (const StepRow& row : history.rows) {
    if (row.step < options.from || row.step > options.to) continue;
    const bool nonfinite =
        (row.has_loss && !std::isfinite(row.loss)) || (row.has_norm && !std::isfinite(row.norm));
    if (nonfinite) c.nonfinite_steps.push_back(row.step);
    if (!row.surviving) continue;
    c.steps.push_back(row.step);
    c.loss.push_back(finite_or_none(row.loss));
    c.norm.push_back(finite_or_none(row.norm));
    c.norm_clipped.push_back(finite_or_none(row.norm_clipped));
    c.threshold.push_back(finite_or_none(row.threshold));
    c.lr.push_back(finite_or_none(row.lr));
  }
  c.norm = smoothed(c.norm, options.smooth);
  c.norm_clipped = smoothed(c.norm_clipped, options.smooth);
  const std::vector<size_t> keep =
      thin({&c.loss, &c.norm, &c.norm_clipped}, c.steps.size(), options.buckets);
  for (std::vector<double>* curve : {&c.loss, &c.norm, &c.norm_clipped, &c.threshold, &c.lr})
    pick(*curve, keep);
  pick(c.steps, keep);
  collect_abandoned(history, options, c);
  collect_marks(history, incidents, options, c);
  return c;
}

}  // namespace ballast
