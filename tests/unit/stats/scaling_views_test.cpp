#include "libcore/stats/scaling_views.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace ballast {
namespace {

TEST(TrainingFlops, CountsEveryProduct) {
  ModelShape m;
  m.vocab = 11;
  m.hidden = 6;
  m.layers = 3;
  m.heads = 2;
  m.head_size = 5;
  m.ffw = 7;
  m.seq_len = 4;
  // By hand: embedding and head 528 each; a layer 1440 + 320 + 96 + 320 + 480 + 1008.
  EXPECT_DOUBLE_EQ(forward_flops(m), 2 * 528 + 3 * 3664);
  EXPECT_DOUBLE_EQ(training_flops(m, 8), 3 * 2 * forward_flops(m));
  m.gated = false;
  EXPECT_DOUBLE_EQ(forward_flops(m), 2 * 528 + 3 * (3664 - 336));
}

TEST(TrainingFlops, AreNearSixNDForWideModels) {
  ModelShape m;
  m.vocab = 32000;
  m.hidden = 4096;
  m.layers = 32;
  m.heads = 32;
  m.head_size = 128;
  m.ffw = 11008;
  m.seq_len = 2048;
  const double matrices = 32 * (4.0 * 4096 * 4096 + 3.0 * 4096 * 11008) + 2 * 32000.0 * 4096;
  EXPECT_NEAR(training_flops(m, 1e9) / (6 * matrices * 1e9), 1.08, 0.01);
}

TEST(LossEnvelope, KeepsWhatNothingCheaperReaches) {
  const std::vector<ComputePoint> points{{3, 2.5}, {1, 3.0}, {2, 3.1},
                                         {4, 2.5}, {5, 2.4}, {1, 3.2}};
  EXPECT_EQ(loss_envelope(points), (std::vector<size_t>{1, 0, 4}));
  EXPECT_TRUE(loss_envelope({}).empty());
}

TEST(BranchingCost, SharesTheTrunk) {
  const std::vector<double> horizons{1, 3, 2};
  const BranchingCost cost = branching_cost(horizons, 0.2);
  EXPECT_DOUBLE_EQ(cost.separate, 6);
  EXPECT_NEAR(cost.branched, 0.8 * 3 + 0.2 * 6, 1e-15);
  // A study of three lengths up to a quarter, half and all of the longest at 10 %: about half.
  const BranchingCost three = branching_cost(std::vector<double>{0.25, 0.5, 1}, 0.1);
  EXPECT_NEAR(three.branched / three.separate, 1.075 / 1.75, 1e-15);
  const BranchingCost one = branching_cost(std::vector<double>{7}, 0.2);
  EXPECT_DOUBLE_EQ(one.separate, one.branched);
}

TEST(BestSweepLr, IsTheMinimumOfTheParabola) {
  std::vector<SweepRun> runs;
  for (const double lr : {8e-4, 1e-4, 2e-4, 4e-4, 1.6e-3})
    runs.push_back({lr, 2.5 + 0.03 * std::pow(std::log(lr / 5e-4), 2)});
  const LrOptimum optimum = best_sweep_lr(runs).take_value();
  EXPECT_NEAR(optimum.lr / 5e-4, 1, 1e-10);
  EXPECT_NEAR(optimum.loss, 2.5, 1e-12);
  EXPECT_EQ(optimum.runs, 5);
  // Far runs and diverged ones do not pull at it.
  runs.push_back({6.4e-3, 7.0});
  runs.push_back({1e-5, 9.0});
  runs.push_back({3.2e-3, NAN});
  EXPECT_NEAR(best_sweep_lr(runs)->lr / 5e-4, 1, 1e-10);
}

TEST(BestSweepLr, RefusesASweepWithoutATurn) {
  EXPECT_FALSE(best_sweep_lr({{1, 3}, {2, 2}, {3, 1}}).ok());
  EXPECT_FALSE(best_sweep_lr({{1, 3}, {2, 2}}).ok());
  EXPECT_FALSE(best_sweep_lr({{1, NAN}, {2, 2}, {3, NAN}, {4, 1}}).ok());
  EXPECT_FALSE(best_sweep_lr({}).ok());
}

TEST(FitPowerLaw, IsLeastSquaresInLogarithmsWithStudentsInterval) {
  const std::vector<double> x{1e8, 1e9, 1e10};
  const PowerLaw exact =
      fit_power_law(x, std::vector<double>{2e-3, 2e-3 / std::sqrt(10), 2e-4}).take_value();
  EXPECT_NEAR(exact.exponent, -0.5, 1e-13);
  EXPECT_NEAR(exact.at(1e9) / (2e-3 / std::sqrt(10)), 1, 1e-12);
  // Logarithms to base 10 about the line: residuals 1, -2, 1 tenths; s^2 = 0.06, s_xx = 2.
  const PowerLaw rough = fit_power_law(x, std::vector<double>{std::pow(10, 0.1), std::pow(10, -0.2),
                                                              std::pow(10, 0.1)})
                             .take_value();
  EXPECT_NEAR(rough.exponent, 0, 1e-14);
  const double half = 12.706204736174694 * std::sqrt(0.06 / 2);
  EXPECT_NEAR(rough.exponent_low, -half, 1e-10);
  EXPECT_NEAR(rough.exponent_high, half, 1e-10);
  const PowerLaw::Interval middle = rough.interval_at(1e9);
  EXPECT_NEAR(std::log10(middle.high), 12.706204736174694 * std::sqrt(0.06 / 3), 1e-10);
  EXPECT_NEAR(std::log10(middle.low), -12.706204736174694 * std::sqrt(0.06 / 3), 1e-10);
  EXPECT_FALSE(fit_power_law(std::vector<double>{1, 2}, std::vector<double>{1, 2}).ok());
  EXPECT_FALSE(fit_power_law(std::vector<double>{2, 2, 2}, std::vector<double>{1, 2, 3}).ok());
}

TEST(StudentT, HasScipysQuantiles) {
  std::ifstream file(std::string(BALLAST_SOURCE_DIR) + "/tests/golden/stats/scaling_fit.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  for (const auto& [degrees, value] : golden["student_t"].items())
    EXPECT_NEAR(student_t_quantile(0.975, std::stoll(degrees)) / value.get<double>(), 1, 1e-12)
        << degrees;
}

}  // namespace
}  // namespace ballast
