// Two runs beside each other: where their traces first differ bit for bit, how far their losses are
// apart, what the one needs to reach the loss of the other, and which settings differ. Pure.
#pragma once

#include <bit>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "libcore/guard/history.h"
#include "tools/gradstat/loss_curve.h"

namespace ballast {

struct BitDifference {
  int64_t step = 0;
  std::string field;  // "loss", "grad_norm"
  double a = 0, b = 0;
};

struct BitComparison {
  int64_t common = 0;  // steps that both lines have
  int64_t first = 0, last = 0;
  int64_t only_a = 0, only_b = 0;  // steps within the common range that one line lacks
  int64_t different = 0;           // common steps at which some field differs
  std::optional<BitDifference> first_difference;
  bool same() const { return different == 0 && only_a == 0 && only_b == 0; }
};
BitComparison compare_bits(const RunHistory& a, const RunHistory& b);

struct SettingDifference {
  std::string name, a, b;
};
std::vector<SettingDifference> compare_settings(const RunHistory& a, const RunHistory& b);

struct EqualLoss {
  double loss = 0;
  double a = 0, b = 0;                  // tokens (or steps) at which each first gets there
  double seconds_a = 0, seconds_b = 0;  // NaN: not recorded
  double speed_up() const { return a / b; }
  double speed_up_in_time() const { return seconds_a / seconds_b; }
};

struct LossComparison {
  CurveAxis axis = CurveAxis::tokens;
  LossCurve a, b;
  std::vector<double> smooth_a, smooth_b;    // running medians of the losses
  std::vector<double> x, difference;         // b minus a at the points of b, of the smoothed curves
  double mean = NAN, low = NAN, high = NAN;  // over the last tenth of what is common, 95 %
  std::vector<EqualLoss> equal;              // from the first loss to the last, evenly
};
// `smooth` is the width of the medians; 0: a fiftieth of the shorter run.
LossComparison compare_losses(const RunHistory& a, const RunHistory& b, CurveAxis axis,
                              int64_t smooth, int64_t levels);

}  // namespace ballast
