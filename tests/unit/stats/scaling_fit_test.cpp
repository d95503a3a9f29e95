#include "libcore/stats/scaling_fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <fstream>
#include <nlohmann/json.hpp>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

using Complex = std::complex<double>;

// Besiroglu et al. (arXiv 2404.10102), refit of the points of Hoffmann et al.
const ScalingLaw kRefit{std::log(482.01), std::log(2085.43), std::log(1.8172), .3478, .3658};

std::vector<ScalingPoint> points_on(const ScalingLaw& law, double noise) {
  std::vector<ScalingPoint> points;
  for (int i = 0; i < 7; ++i) {
    for (int j = 0; j < 5; ++j) {
      ScalingPoint p;
      p.parameters = 1e8 * std::pow(2.2, i);
      p.tokens = p.parameters * 5 * std::pow(2.1, j);
      p.loss = law.loss(p.parameters, p.tokens) *
               std::exp(noise * random_normal(11, 3, static_cast<uint64_t>(5 * i + j)));
      points.push_back(p);
    }
  }
  return points;
}

// The objective from its definition, over complex numbers: the imaginary part of a value at a tiny
// imaginary step is the derivative, without cancellation.
Complex complex_objective(const std::vector<ScalingPoint>& points,
                          const std::array<Complex, 5>& x) {
  Complex sum = 0;
  for (const ScalingPoint& p : points) {
    const Complex prediction =
        std::log(std::exp(x[0] - x[3] * std::log(p.parameters)) +
                 std::exp(x[1] - x[4] * std::log(p.tokens)) + std::exp(x[2]));
    const Complex r = prediction - std::log(p.loss);
    const Complex size = r.real() < 0 ? -r : r;
    sum += size.real() <= 1e-3 ? r * r / 2.0 : 1e-3 * (size - 0.5e-3);
  }
  return sum;
}

TEST(ScalingFit, ObjectiveAndGradientAgreeWithTheComplexStep) {
  const std::vector<ScalingPoint> points = points_on(kRefit, 2e-3);
  for (const ScalingLaw& law : {kRefit, ScalingLaw{5, 8, .7, .3, .4}, ScalingLaw{0, 0, 0, 0, 1}}) {
    std::array<double, 5> gradient;
    const double value = scaling_objective(points, law, &gradient);
    const std::array<Complex, 5> at{law.a, law.b, law.e, law.alpha, law.beta};
    EXPECT_NEAR(value / complex_objective(points, at).real(), 1, 1e-10);
    double largest = 0;
    for (const double g : gradient) largest = std::max(largest, std::abs(g));
    for (size_t i = 0; i < 5; ++i) {
      std::array<Complex, 5> stepped = at;
      stepped[i] += Complex(0, 1e-30);
      EXPECT_NEAR(gradient[i], complex_objective(points, stepped).imag() / 1e-30, 1e-10 * largest)
          << i;
    }
  }
}

TEST(ScalingFit, RecoversTheLawThatMadeThePoints) {
  ThreadPool pool(2);
  const ScalingFit fit = fit_scaling(points_on(kRefit, 0), pool).take_value();
  EXPECT_EQ(fit.starts, 4500);
  EXPECT_GT(fit.converged, 1000);
  EXPECT_LT(fit.objective, 1e-14);
  EXPECT_NEAR(fit.law.alpha, kRefit.alpha, 1e-5);
  EXPECT_NEAR(fit.law.beta, kRefit.beta, 1e-5);
  EXPECT_NEAR(fit.law.E() / kRefit.E(), 1, 1e-5);
  EXPECT_NEAR(fit.law.A() / kRefit.A(), 1, 1e-3);
  EXPECT_NEAR(fit.law.B() / kRefit.B(), 1, 1e-3);
}

TEST(ScalingFit, FindsWhatScipyFinds) {
  std::ifstream file(std::string(BALLAST_SOURCE_DIR) + "/tests/golden/stats/scaling_fit.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  std::vector<ScalingPoint> points;
  for (const auto& row : golden["points"]) points.push_back({row[0], row[1], row[2]});
  const auto& probe = golden["probe"];
  std::array<double, 5> gradient;
  const ScalingLaw at{probe["law"][0], probe["law"][1], probe["law"][2], probe["law"][3],
                      probe["law"][4]};
  EXPECT_NEAR(scaling_objective(points, at, &gradient) / probe["objective"].get<double>(), 1,
              1e-12);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_NEAR(gradient[i] / probe["gradient"][i].get<double>(), 1, 1e-10);
  ThreadPool pool(2);
  const ScalingFit fit = fit_scaling(points, pool).take_value();
  const auto& found = golden["fit"];
  EXPECT_NEAR(fit.objective / golden["objective"].get<double>(), 1, 1e-7);
  EXPECT_NEAR(fit.law.a, found["a"].get<double>(), 1e-4);
  EXPECT_NEAR(fit.law.b, found["b"].get<double>(), 1e-4);
  EXPECT_NEAR(fit.law.e, found["e"].get<double>(), 1e-5);
  EXPECT_NEAR(fit.law.alpha, found["alpha"].get<double>(), 1e-5);
  EXPECT_NEAR(fit.law.beta, found["beta"].get<double>(), 1e-5);
}

TEST(ScalingFit, BootstrapCoversTheTruthAndFollowsItsSeed) {
  ThreadPool one(1), two(2);
  const std::vector<ScalingPoint> points = points_on(kRefit, 3e-3);
  const ScalingFit fit = fit_scaling(points, two).take_value();
  const std::vector<ScalingLaw> laws = bootstrap_scaling(points, fit, 200, 1, two);
  ASSERT_GT(laws.size(), 190u);
  std::vector<double> alphas, same, others;
  for (const ScalingLaw& law : laws) alphas.push_back(law.alpha);
  for (const ScalingLaw& law : bootstrap_scaling(points, fit, 200, 1, one))
    same.push_back(law.alpha);
  for (const ScalingLaw& law : bootstrap_scaling(points, fit, 200, 2, two))
    others.push_back(law.alpha);
  EXPECT_EQ(alphas, same);
  EXPECT_NE(alphas, others);
  std::ranges::sort(alphas);
  EXPECT_LT(alphas[4], kRefit.alpha);
  EXPECT_GT(alphas[alphas.size() - 5], kRefit.alpha);
}

TEST(ScalingOptimum, HasThePublishedValues) {
  const ScalingOptimum small = scaling_optimum(kRefit, 1e21);
  EXPECT_NEAR(small.parameters / 2.778e9, 1, 2e-4);
  EXPECT_NEAR(small.tokens / 5.999e10, 1, 2e-4);
  EXPECT_NEAR(small.loss, 2.3055, 5e-5);
  const ScalingOptimum large = scaling_optimum(kRefit, 5.76e23);
  EXPECT_NEAR(large.parameters / 7.225e10, 1, 2e-4);
  EXPECT_NEAR(large.tokens / 1.329e12, 1, 5e-4);
  EXPECT_NEAR(large.loss, 1.9744, 5e-5);
}

TEST(ScalingOptimum, IsTheLowestLossOfItsCompute) {
  const ScalingOptimum best = scaling_optimum(kRefit, 1e21);
  for (const double factor : {0.97, 1.03})
    EXPECT_GT(kRefit.loss(best.parameters * factor, best.tokens / factor), best.loss);
  EXPECT_NEAR(6 * best.parameters * best.tokens / 1e21, 1, 1e-12);
}

TEST(ScalingFit, SaysWhenThereIsTooLittle) {
  ThreadPool pool(1);
  std::vector<ScalingPoint> points = points_on(kRefit, 0);
  const Result<ScalingFit> few = fit_scaling(std::span(points).first(5), pool);
  ASSERT_FALSE(few.ok());
  EXPECT_EQ(few.error().kind, ErrorKind::insufficient);
  for (ScalingPoint& point : points) point.parameters = 1e9;
  EXPECT_FALSE(fit_scaling(points, pool).ok());
}

}  // namespace
}  // namespace ballast
