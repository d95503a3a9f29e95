#include "tools/gradstat/sweep_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "libcore/base/check.h"
#include "libcore/base/units.h"
#include "libcore/stats/moments.h"

namespace ballast {
namespace {

constexpr double kLogFloor = 1e-3;  // least scale of log norms, as in zclip:form=log
constexpr double kErrors = 2;       // apart from which rates differ

std::unique_ptr<Clipper> clipper_of(const SweepSettings& settings, const SweepCell& cell) {
  Result<std::unique_ptr<Clipper>> clipper = make_clipper(cell_spec(settings, cell.z, cell.alpha));
  BALLAST_CHECK(clipper.ok());
  return std::move(clipper.value());
}

// Calls the clipper with every norm, its statistics starting anew in front of some.
template <typename Take>
void replay(Clipper& clipper, const std::vector<double>& norms,
            const std::vector<int64_t>& restarts, const Take& take) {
  size_t restart = 0;
  for (size_t i = 0; i < norms.size(); ++i) {
    for (; restart < restarts.size() && restarts[restart] <= static_cast<int64_t>(i); ++restart)
      clipper.on_event();
    take(i, clipper.decide(norms[i]));
  }
}

void replay_run(const JudgedNorms& norms, const SweepSettings& settings, SweepCell& cell) {
  const std::unique_ptr<Clipper> clipper = clipper_of(settings, cell);
  const std::vector<JudgedNorms::Spike>& spikes = norms.spikes();
  size_t next = 0;
  bool open = false, low = false;  // the spike so far: any norm of it brought down
  const auto close = [&] {
    if (open) ++(low ? cell.late : cell.missed);
    open = false;
  };
  replay(*clipper, norms.norms(), norms.restarts(), [&](size_t i, const ClipDecision& decision) {
    const NormKind kind = norms.kinds()[i];
    const bool of_spike = kind == NormKind::spike;
    const JudgedNorms::Spike* spike = of_spike ? &spikes[next++] : nullptr;
    const double threshold = of_spike ? spike->threshold : 0;
    const double after = tally(cell.tally, decision, norms.norms()[i], kind, threshold);
    if (!of_spike) return;
    const bool down = after <= threshold;
    if (!spike->onset) {
      low = low || down;
      return;
    }
    close();
    cell.caught += down ? 1 : 0;
    open = !down;
    low = false;
  });
  close();
}

int64_t clips_of(const std::vector<double>& norms, const std::vector<int64_t>& restarts,
                 const SweepSettings& settings, const SweepCell& cell) {
  int64_t clips = 0;
  replay(*clipper_of(settings, cell), norms, restarts,
         [&](size_t, const ClipDecision& decision) { clips += decision.clipped ? 1 : 0; });
  return clips;
}

// The healthy norms alone, as logarithms.
struct CalmPart {
  std::vector<double> logs;
  std::vector<int64_t> restarts;  // in front of these
};
CalmPart calm_part(const JudgedNorms& norms) {
  CalmPart calm;
  const std::vector<int64_t>& restarts = norms.restarts();
  size_t restart = 0;
  for (size_t i = 0; i < norms.norms().size(); ++i) {
    for (; restart < restarts.size() && restarts[restart] <= static_cast<int64_t>(i); ++restart)
      calm.restarts.push_back(static_cast<int64_t>(calm.logs.size()));
    if (norms.kinds()[i] == NormKind::healthy) calm.logs.push_back(std::log(norms.norms()[i]));
  }
  return calm;
}

CalmModel model_of(const CalmPart& calm, int64_t trend) {
  std::vector<int64_t> starts = {0};
  for (const int64_t restart : calm.restarts)
    if (restart > starts.back() && restart < static_cast<int64_t>(calm.logs.size()))
      starts.push_back(restart);
  return calm_model(calm.logs, starts, trend, kLogFloor);
}

FalseRate rate_of(const std::vector<int64_t>& clips, int64_t norms) {
  RunningMoments rates;
  double all = 0;
  for (const int64_t count : clips) {
    rates.add(share_of(count, norms));
    all += static_cast<double>(count);
  }
  const auto series = static_cast<double>(clips.size());
  const double spread = clips.size() > 1 ? std::sqrt(rates.sample_variance() / series) : 0;
  // Of a count that is 0, too: one clip more or less is no difference.
  const double counted = std::sqrt(std::max(all, 1.0)) / (series * static_cast<double>(norms));
  return {rates.mean(), rates.minimum(), rates.maximum(), std::max(spread, counted)};
}

}  // namespace

std::string cell_spec(const SweepSettings& settings, double z, double alpha) {
  return fmt::format("zclip:form={},mode={},z={},alpha={},warmup={},cap={}", settings.form,
                     settings.mode, format_double(z), format_double(alpha), settings.warmup,
                     settings.cap);
}

void JudgedNorms::add(const JudgedNorm& judged) {
  if (judged.kind == NormKind::spike) {
    spikes_.push_back({static_cast<int64_t>(norms_.size()), judged.onset, judged.threshold});
    onsets_ += judged.onset ? 1 : 0;
  }
  healthy_ += judged.kind == NormKind::healthy ? 1 : 0;
  norms_.push_back(judged.norm);
  kinds_.push_back(judged.kind);
}

Sweep sweep(const JudgedNorms& norms, const SweepSettings& settings, ThreadPool& pool,
            const std::function<void(double)>& progress) {
  BALLAST_CHECK(norms.healthy() >= kLeastHealthy);
  Sweep result;
  result.steps = static_cast<int64_t>(norms.norms().size());
  result.healthy = norms.healthy();
  result.spikes = norms.onsets();
  for (const double z : settings.z)
    for (const double alpha : settings.alpha) result.cells.push_back({z, alpha});
  const auto count = static_cast<int64_t>(result.cells.size());
  const auto each_cell = [&](const std::function<void(size_t)>& body) {
    pool.parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) body(static_cast<size_t>(c));
    });
  };
  each_cell([&](size_t c) { replay_run(norms, settings, result.cells[c]); });

  const CalmPart calm = calm_part(norms);
  const CalmModel model = model_of(calm, settings.trend);
  result.correlation = model.correlation;
  result.block =
      settings.block > 0 ? std::min(settings.block, norms.healthy()) : shuffle_block(model);
  const double parts = 1 + 2 * static_cast<double>(settings.repeats);
  std::vector<std::vector<int64_t>> clips[2];
  for (auto& kind : clips) kind.resize(result.cells.size());
  for (int64_t repeat = 0; repeat < settings.repeats; ++repeat) {
    for (const size_t kind : {size_t{0}, size_t{1}}) {
      progress(static_cast<double>(1 + 2 * repeat + static_cast<int64_t>(kind)) / parts);
      std::vector<double> series = kind == 0 ? shuffled(model, result.block, settings.seed, repeat)
                                             : simulated(model, settings.seed, repeat);
      for (double& value : series) value = std::exp(value);
      for (auto& list : clips[kind]) list.push_back(0);
      each_cell([&](size_t c) {
        clips[kind][c].back() = clips_of(series, calm.restarts, settings, result.cells[c]);
      });
    }
  }
  for (size_t c = 0; c < result.cells.size(); ++c) {
    result.cells[c].shuffled = rate_of(clips[0][c], norms.healthy());
    result.cells[c].simulated = rate_of(clips[1][c], norms.healthy());
  }
  recommend(result);
  return result;
}

void recommend(Sweep& sweep) {
  sweep.front.clear();
  sweep.recommended.clear();
  if (sweep.spikes == 0 || sweep.cells.empty()) return;
  std::vector<size_t> order;
  for (size_t c = 0; c < sweep.cells.size(); ++c) order.push_back(c);
  const auto alarms = [&](size_t c) { return sweep.cells[c].worst().mean; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const SweepCell &left = sweep.cells[a], &right = sweep.cells[b];
    if (left.caught != right.caught) return left.caught > right.caught;
    if (alarms(a) != alarms(b)) return alarms(a) < alarms(b);
    return left.tally.factors > right.tally.factors;
  });
  for (const size_t c : order)
    if (sweep.front.empty() || alarms(c) < alarms(sweep.front.back())) sweep.front.push_back(c);
  const SweepCell& best = sweep.cells[order.front()];
  if (best.caught == 0) return;
  for (const size_t c : order) {
    const SweepCell& cell = sweep.cells[c];
    const double error = std::hypot(cell.worst().error, best.worst().error);
    if (cell.caught == best.caught && alarms(c) - alarms(order.front()) <= kErrors * error)
      sweep.recommended.push_back(c);
  }
}

}  // namespace ballast
