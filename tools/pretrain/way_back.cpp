#include "tools/pretrain/way_back.h"

#include <algorithm>
#include <cmath>

namespace ballast {

int64_t fork_step(const Alarm& alarm, const Rung& rung) {
  const int64_t margin =
      rung.kind == RungKind::rollback ? std::max(rung.steps, kLeadSteps) : kLeadSteps;
  return std::max<int64_t>(0, std::min(alarm.onset - margin, alarm.warning - 1));
}

WayBack choose_way_back(const Alarm& alarm, const Rung& rung, std::span<const int64_t> checkpoints,
                        int64_t snapshot) {
  const int64_t fork = fork_step(alarm, rung);
  int64_t oldest = -1, newest = -1;
  for (const int64_t step : checkpoints) {
    if (step >= alarm.onset) continue;
    if (oldest < 0) oldest = step;
    if (step <= fork) newest = step;
  }
  if (snapshot > newest) return {fork, snapshot, true};
  const int64_t state = newest >= 0 ? newest : oldest;
  return {std::max(fork, state), state, false};
}

StepRange suspicious_steps(const Alarm& alarm, int64_t batches, int64_t fork) {
  constexpr int64_t kSuspectSteps = 3;
  const int64_t lead = std::max(kSuspectSteps, alarm.onset - alarm.warning);
  const int64_t begin = std::max(fork, alarm.onset - (lead + 1));
  return {begin, begin + batches + lead - kSuspectSteps};
}

std::optional<size_t> suspicious_source(const std::vector<bool>& candidates,
                                        std::span<const double> losses,
                                        std::span<const double> means) {
  std::optional<size_t> worst;
  double most = -std::numeric_limits<double>::infinity();
  for (size_t s = 0; s < candidates.size(); ++s) {
    if (!candidates[s]) continue;
    const double loss = s < losses.size() ? losses[s] : std::nan("");
    const double mean = s < means.size() ? means[s] : std::nan("");
    const double above = std::isinf(loss) ? loss : loss - mean;
    if (worst && !(above > most)) continue;
    worst = s;
    if (!std::isnan(above)) most = above;
  }
  return std::ranges::count(candidates, true) > 1 ? worst : std::nullopt;
}

}  // namespace ballast
