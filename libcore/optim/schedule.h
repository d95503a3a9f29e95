// Learning-rate schedules as pure functions of the position in tokens, so that batch ramps and
// skipped steps need no special case and a resume needs no state. With x tokens consumed before
// the step, b tokens of the step, N the length of the run, W warm-up, D cooldown, f final fraction:
//   warm-up   min(1, s + (1 - s)(x + b)/W), with s the fraction it starts from
//   wsd       1, and from x >= N - D: f + (1 - f) g(q), q = (x - (N - D))/D, with g (Haegele et
//   al.,
//             arXiv 2405.18392, "mirror cosine" as there)
//               linear         1 - q
//               1-sqrt         1 - sqrt(q)
//               sqrt           sqrt(1 - q)
//               cosine         (1 + cos(pi q))/2
//               mirror-cosine  2 (1 - q) - (1 + cos(pi q))/2
//               square         1 - q^2
//   cosine    f + (1 - f)/2 (1 + cos(pi q)), q = (x - W)/(N - W), from x >= W
//   linear    f + (1 - f) (1 - q), likewise
//   constant  1
//   file      points (tokens, value) of a file (ballast-schedule(5)), joined by straight lines; of
//             points at the same tokens the last holds from there on
// Past N the value at q = 1 holds, before the first and past the last point theirs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

enum class ScheduleKind { constant, cosine, linear, wsd, file };
enum class CooldownShape { linear, one_minus_sqrt, sqrt, cosine, mirror_cosine, square };

struct SchedulePoint {
  int64_t tokens = 0;
  double value = 0;
  bool operator==(const SchedulePoint&) const = default;
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  CooldownShape shape = CooldownShape::one_minus_sqrt;
  double peak_lr = 0;
  double start_fraction = 0;    // s
  double final_fraction = 0;    // f
  int64_t total_tokens = 0;     // N
  int64_t warmup_tokens = 0;    // W; 0: none
  int64_t cooldown_tokens = 0;  // D, wsd only; 0: none
  // file: ascending in tokens, at least one; values are multiples of peak_lr, or with
  // `absolute_points` learning rates themselves.
  std::vector<SchedulePoint> points;
  bool absolute_points = false;
  std::string points_hash;  // of the points, for spec()

  double multiplier(int64_t tokens_before, int64_t step_tokens) const;
  double lr(int64_t tokens_before, int64_t step_tokens) const;
  // The strategy with lengths in tokens: what the trace and the checkpoint record.
  std::string spec() const;

 private:
  double warmup(int64_t tokens) const;
};

double cooldown_value(CooldownShape shape, double q);  // g

// `wsd:warmup=1%,cooldown=20%,shape=1-sqrt|linear|sqrt|cosine|mirror-cosine|square,final=0`,
// `cosine:warmup=1%,final=0.1`, `linear:warmup=1%,final=0`, `constant:warmup=1%`; each with
// `start=0`, the fraction of the peak that the warm-up starts from. Lengths are tokens (`4B`),
// steps (`300steps`, only when `batch_tokens`, the constant batch, is not 0) or a share of the run
// (`20%`). Kind usage, naming --schedule.
Result<Schedule> make_schedule(std::string_view spec, double peak_lr, int64_t total_tokens,
                               int64_t batch_tokens);

// A schedule of kind file from the text of a ballast-schedule(5) file; `where` names it. Kind usage
// for values that no schedule can have, corrupt for text that is not such a file.
Result<Schedule> parse_schedule_file(std::string_view text, const std::string& where,
                                     double peak_lr, int64_t total_tokens);

// The ballast-schedule(5) file of a schedule of kind file, in one line without LF. `note` is a JSON
// value for its key of that name, or empty.
std::string schedule_file_text(const Schedule& schedule, const std::string& note);

}  // namespace ballast
