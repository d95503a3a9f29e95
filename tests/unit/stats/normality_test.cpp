#include "libcore/stats/normality.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "libcore/io/json.h"

namespace ballast {
namespace {

const std::vector<double> kOneHigh = {.92, 1.05, .98,  1.10, .87,  1.01,
                                      .95, 1.03, 1.60, .99,  1.07, .94};

TEST(ShapiroWilk, GivesThePublishedWeightsStatisticAndP) {
  const TestResult test = shapiro_wilk(kOneHigh);
  EXPECT_NEAR(test.statistic, 0.6756364708, 1e-10);
  EXPECT_NEAR(test.p / 4.958470e-4, 1, 1e-6);
  const std::vector<double> weights = shapiro_weights(12);
  const double expected[] = {.03036547, .0924141, .1588561, .23454344, .33257798, .54743363};
  ASSERT_EQ(weights.size(), 6u);
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(weights[i], expected[i], 1e-8);
  const std::vector<double> even = {1.02, .98, 1.01, 1.00, .97, 1.03, .99, 1.04};
  EXPECT_NEAR(shapiro_wilk(even).statistic, .9748582563, 1e-9);
  EXPECT_NEAR(shapiro_wilk(even).p, .9331651921, 1e-8);
  EXPECT_NEAR(anderson_darling(even).statistic, .1340005, 1e-7);
}

TEST(DagostinoK2, MatchesThePublishedVector) {
  const Shape shape = shape_of(kOneHigh);
  EXPECT_NEAR(shape.skewness, 2.3663814185, 1e-10);
  EXPECT_NEAR(shape.kurtosis, 7.8617313335, 1e-10);
  const TestResult test = dagostino_k2(kOneHigh);
  EXPECT_NEAR(test.statistic, 24.5888303717, 1e-9);
  EXPECT_NEAR(test.p / 4.577236e-6, 1, 1e-6);
}

TEST(JarqueBera, MatchesThePublishedVector) {
  const TestResult test = jarque_bera(kOneHigh);
  EXPECT_NEAR(test.statistic, 23.0177378148, 1e-9);
  EXPECT_NEAR(test.p / 1.0040648e-5, 1, 1e-7);
}

TEST(AndersonDarling, MatchesThePublishedVector) {
  const TestResult test = anderson_darling(kOneHigh);
  EXPECT_NEAR(test.statistic, 1.4630598527, 1e-10);
  EXPECT_NEAR(test.p / 4.688732e-4, 1, 1e-6);
}

// tests/golden/stats/normality.py: SciPy, sizes on both sides of every switch of the formulas.
TEST(Normality, AgreesWithSciPyOverSizesAndDistributions) {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/stats/normality.json";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  const Json golden = parse_json(text.str(), path).take_value();
  ASSERT_GE(golden.at("cases").size(), 40u);
  for (const Json& item : golden.at("cases")) {
    const auto x = item.at("values").get<std::vector<double>>();
    SCOPED_TRACE(item.at("name").get<std::string>() + " " + std::to_string(x.size()));
    const auto near = [&](const TestResult& mine, const char* key, double tolerance,
                          double p_tolerance) {
      EXPECT_NEAR(mine.statistic, item.at(key).at(0).get<double>(),
                  tolerance * std::max(1.0, std::abs(mine.statistic)));
      const double p = item.at(key).at(1).get<double>();
      EXPECT_NEAR(mine.p, p, p_tolerance * p + 1e-14);
    };
    // SciPy's normal scores are good to about 1e-7 (AS 241, PPND7), and so are its weights.
    near(shapiro_wilk(x), "shapiro", 1e-7, 1e-6);
    near(jarque_bera(x), "jarque_bera", 1e-11, 1e-10);
    if (item.contains("k2")) near(dagostino_k2(x), "k2", 1e-11, 1e-10);
    EXPECT_NEAR(anderson_darling(x).statistic, item.at("anderson").get<double>(), 1e-9);
    const Shape shape = shape_of(x);
    EXPECT_NEAR(shape.skewness, item.at("skewness").get<double>(), 1e-12);
    EXPECT_NEAR(shape.kurtosis, item.at("kurtosis").get<double>(), 1e-11);
  }
}

TEST(Normality, IsUndefinedWhereItCannotBeComputed) {
  const std::vector<double> two = {1, 2}, equal(30, 4.0), seven = {1, 2, 3, 4, 5, 6, 9};
  for (const auto test : {shapiro_wilk, dagostino_k2, anderson_darling, jarque_bera})
    EXPECT_TRUE(std::isnan(test(equal).p));
  EXPECT_TRUE(std::isnan(shapiro_wilk(two).p));
  EXPECT_TRUE(std::isnan(anderson_darling(two).p));
  EXPECT_TRUE(std::isnan(dagostino_k2(seven).p));
  EXPECT_TRUE(std::isnan(shapiro_wilk(std::vector<double>(6000, 0.0)).p));
}

TEST(AndersonDarling, FarOutliersStayFinite) {
  std::vector<double> x(400, 0.0);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 1e-6 * static_cast<double>(i % 7);
  x[0] = 1e9;
  EXPECT_TRUE(std::isfinite(anderson_darling(x).statistic));
  EXPECT_GT(anderson_darling(x).statistic, 100);
}

}  // namespace
}  // namespace ballast
