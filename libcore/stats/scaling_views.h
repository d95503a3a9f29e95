// What is read off a set of training runs of several sizes and lengths without fitting a law of the
// loss: compute by the model's shape, the envelope of the loss over compute and the cost of runs
// that branch off one another (Haegele et al., arXiv 2405.18392), and the best learning rate
// against size. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

struct ModelShape {
  double vocab = 0, hidden = 0, layers = 0, heads = 0, head_size = 0, ffw = 0, seq_len = 0;
  bool gated = true;  // three matrices in the feed-forward layer, or two
};

// Floating-point operations of the forward pass of one sequence of s tokens: embedding 2sVd, per
// layer projections 6sd(kh) + 2s(kh)d, logits and their product with the values 2s^2 kh each,
// softmax 3hs^2, feed-forward 6sd ffw (4sd ffw without gate), head 2sdV.
double forward_flops(const ModelShape& shape);
// Forward and backward (three times the forward pass) of so many tokens.
double training_flops(const ModelShape& shape, double tokens);

struct ComputePoint {
  double flops = 0, loss = 0;
};
// Indices of the points that no other reaches with as little compute, ascending in compute.
std::vector<size_t> loss_envelope(std::span<const ComputePoint> points);

// The length of training that final losses at all `horizons` (in any unit) take: with a run for
// each, and with one run at a constant rate from which a cooldown of the given share of each
// horizon branches off.
struct BranchingCost {
  double separate = 0, branched = 0;
};
BranchingCost branching_cost(std::span<const double> horizons, double cooldown_share);

struct SweepRun {
  double lr = 0, loss = 0;
};
struct LrOptimum {
  double lr = 0, loss = 0;  // of the parabola
  int64_t runs = 0;         // that it was laid through
};
// The minimum of the least-squares parabola in log lr through the best run and up to two
// neighbours on either side; losses that are not finite are passed over. Kind insufficient when the
// best run is at an end of the sweep or the parabola has no minimum between its runs.
Result<LrOptimum> best_sweep_lr(std::vector<SweepRun> runs);

// y = exp(log_factor) x^exponent by least squares in logarithms, with 95 % intervals of Student's
// t.
struct PowerLaw {
  double log_factor = 0, exponent = 0;
  double exponent_low = 0, exponent_high = 0;
  int64_t count = 0;

  double at(double x) const;
  struct Interval {
    double low = 0, high = 0;
  };
  Interval interval_at(double x) const;  // of the mean there

  double mean_log_x = 0, squares_log_x = 0, residual = 0, quantile = 0;
};
// Kind insufficient with fewer than 3 points of different x: there is no interval.
Result<PowerLaw> fit_power_law(std::span<const double> x, std::span<const double> y);

// The value that Student's t with so many degrees of freedom exceeds with probability 1 - p.
double student_t_quantile(double p, int64_t degrees);

}  // namespace ballast
