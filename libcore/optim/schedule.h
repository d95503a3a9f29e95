// Learning-rate schedules as pure functions of the position in tokens, so that batch ramps and
// skipped steps need no special case and a resume needs no state. With x tokens consumed before
// the step, b tokens of the step, N the length of the run, W warm-up, D cooldown, f final fraction:
//   warm-up   min(1, (x + b)/W)
//   wsd       1, and from x >= N - D: f + (1 - f) g(q), q = (x - (N - D))/D,
//             g = 1 - q (linear) or 1 - sqrt(q) (1-sqrt; Haegele et al., arXiv 2405.18392)
//   cosine    f + (1 - f)/2 (1 + cos(pi (x - W)/(N - W))) from x >= W
//   constant  1
// Past N the value at q = 1 holds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

enum class ScheduleKind { constant, cosine, wsd };
enum class CooldownShape { linear, one_minus_sqrt };

struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  CooldownShape shape = CooldownShape::one_minus_sqrt;
  double peak_lr = 0;
  double final_fraction = 0;    // f
  int64_t total_tokens = 0;     // N
  int64_t warmup_tokens = 0;    // W; 0: none
  int64_t cooldown_tokens = 0;  // D, wsd only; 0: none

  double multiplier(int64_t tokens_before, int64_t step_tokens) const;
  double lr(int64_t tokens_before, int64_t step_tokens) const {
    return peak_lr * multiplier(tokens_before, step_tokens);
  }
  // The strategy with lengths in tokens: what the trace and the checkpoint record.
  std::string spec() const;
};

// `wsd:warmup=1%,cooldown=20%,shape=1-sqrt|linear,final=0`, `cosine:warmup=1%,final=0.1`,
// `constant:warmup=1%`. Lengths are tokens (`4B`), steps (`300steps`, only when `batch_tokens`, the
// constant batch, is not 0) or a share of the run (`20%`). Kind usage, naming --schedule.
Result<Schedule> make_schedule(std::string_view spec, double peak_lr, int64_t total_tokens,
                               int64_t batch_tokens);

}  // namespace ballast
