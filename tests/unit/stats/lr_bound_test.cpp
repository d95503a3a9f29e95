#include "libcore/stats/lr_bound.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

double harmonic(int64_t n) {
  double sum = 0;
  for (int64_t k = n; k >= 1; --k) sum += 1.0 / static_cast<double>(k);
  return sum;
}

std::vector<double> wsd(int64_t steps, int64_t cooldown) {
  std::vector<double> eta;
  for (int64_t t = 1; t <= steps; ++t)
    eta.push_back(
        std::min(1.0, static_cast<double>(steps + 1 - t) / static_cast<double>(cooldown)));
  return eta;
}

TEST(LrBound, MeetsTheClosedFormsOfConstantAndLinearSchedules) {
  for (const int64_t steps : {2, 17, 400, 4000}) {
    const double t = static_cast<double>(steps), h = harmonic(steps - 1);
    LrBoundSettings settings;
    settings.distance = 3;
    settings.norm = 0.7;
    const LrBound constant =
        lr_bound(std::vector<double>(static_cast<size_t>(steps), 1.0), settings).take_value();
    EXPECT_NEAR(constant.best_gamma() / (3 / (0.7 * std::sqrt(t * (1 + h)))), 1, 1e-13);
    EXPECT_NEAR(constant.best() / (3 * 0.7 * std::sqrt((1 + h) / t)), 1, 1e-13);
    const LrBound linear = lr_bound(wsd(steps, steps), settings).take_value();
    EXPECT_NEAR(linear.best_gamma() / (3 / 0.7 * std::sqrt(t / ((t + 1) * (t - 0.5 + h)))), 1,
                1e-13);
    EXPECT_NEAR(linear.best() / (2 * 3 * 0.7 * std::sqrt((t - 0.5 + h) / (t * (t + 1)))), 1, 1e-13);
  }
}

TEST(LrBound, HasThePublishedPieces) {
  const LrBound constant = lr_bound(std::vector<double>(400, 1.0)).take_value();
  EXPECT_NEAR(constant.distance_term, .00125, 1e-15);
  EXPECT_NEAR(constant.noise_term, 3.783714846, 5e-10);
  const LrBound cooled = lr_bound(wsd(400, 80)).take_value();
  EXPECT_NEAR(cooled.distance_term, .001386963, 5e-10);
  EXPECT_NEAR(cooled.noise_term, 2.154261671, 5e-10);
  EXPECT_EQ(cooled.steps, 400);
}

TEST(LrBound, OfTheInverseRootScheduleHasThePublishedValues) {
  std::vector<double> eta;
  for (int t = 1; t <= 4000; ++t) eta.push_back(1 / std::sqrt(t));
  const LrBound large = lr_bound(eta).take_value();
  EXPECT_NEAR(large.best_gamma(), .1836675850, 1e-10);
  EXPECT_NEAR(large.best(), .0435434848, 1e-10);
  eta.resize(400);
  const LrBound small = lr_bound(eta).take_value();
  EXPECT_NEAR(small.best_gamma(), .2120855816, 1e-10);
  // Printed as .1222642713, by sums that subtract; this is from 40 decimal digits.
  EXPECT_NEAR(small.best(), .122264273251213, 1e-15);
}

// The theorem for constant rate with linear cooldown bounds Omega* from above, loosely.
TEST(LrBound, LiesUnderThePapersTheoremForCooldowns) {
  const double t = 400, t0 = 321;  // the first step of the cooldown, at full rate
  const auto h = [](double n) { return harmonic(static_cast<int64_t>(n)); };
  const double theorem =
      std::sqrt(4 / (t + t0) *
                (2.0 / 3 + (t + 2 * t0) / (3 * (t + t0)) + h(t + t0 - 2) - h(t - t0 + 1) -
                 (t - t0) * (t0 - 1) / (3 * (t - t0 + 2) * (t + t0)) + 1 / ((t - t0) * (t - t0)) +
                 h(t - t0 - 1) / (t - t0 + 1)));
  EXPECT_NEAR(theorem, .13441, 5e-6);
  EXPECT_NEAR(lr_bound(wsd(400, 80)).take_value().best(), .10932, 5e-6);
}

TEST(LrBound, CurveDropsInTheCooldown) {
  const std::vector<double> eta = wsd(400, 80);
  const double gamma = lr_bound(eta).take_value().best_gamma();
  const std::vector<int64_t> after{320, 360, 400};
  const std::vector<double> curve = lr_bound_curve(eta, {}, gamma, after).take_value();
  EXPECT_NEAR(curve[0], .154751, 5e-7);
  EXPECT_NEAR(curve[1], .131946, 5e-7);
  EXPECT_NEAR(curve[2], .109323, 5e-7);
}

TEST(LrBound, TakesNormsStepByStep) {
  const std::vector<double> eta{1, 0.5, 0.25}, norms{2, 1, 3};
  LrBoundSettings settings;
  settings.norms = norms;
  const LrBound bound = lr_bound(eta, settings).take_value();
  // By hand: S = 1.75, .75, .25 and Q = 4.8125, .8125, .5625.
  EXPECT_NEAR(bound.distance_term, 1 / 3.5, 1e-15);
  EXPECT_NEAR(bound.noise_term,
              4.8125 / 3.5 + 0.5 * (1 / 0.75 * 4.8125 / 1.75 + 0.5 / 0.25 * 0.8125 / 0.75), 1e-14);
  const std::vector<double> twice{4, 2, 6};
  settings.norms = twice;
  EXPECT_NEAR(lr_bound(eta, settings).take_value().noise_term, 4 * bound.noise_term, 1e-13);
}

TEST(LrBound, DropsStepsOfRateZeroAtTheEnd) {
  const LrBound bound = lr_bound(std::vector<double>{0, 1, 0, 0.5, 0, 0}).take_value();
  const LrBound same = lr_bound(std::vector<double>{1, 0.5}).take_value();
  EXPECT_EQ(bound.steps, 4);
  EXPECT_DOUBLE_EQ(bound.best_gamma(), same.best_gamma());
  EXPECT_DOUBLE_EQ(bound.best(), same.best());
  EXPECT_FALSE(lr_bound(std::vector<double>{0, 0}).ok());
  EXPECT_FALSE(lr_bound(std::vector<double>{}).ok());
}

TEST(LrBound, IsLowestAtItsBestRate) {
  const LrBound bound = lr_bound(wsd(100, 20)).take_value();
  EXPECT_NEAR(bound.at(bound.best_gamma()), bound.best(), 1e-15);
  EXPECT_GT(bound.at(bound.best_gamma() * 1.01), bound.best());
  EXPECT_GT(bound.at(bound.best_gamma() / 1.01), bound.best());
}

}  // namespace
}  // namespace ballast
