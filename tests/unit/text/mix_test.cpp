#include "libcore/text/mix/mix_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace ballast {
namespace {

MixPlan plan(std::string_view spec) { return MixPlan::parse(spec, "--rates").take_value(); }

TEST(MixPlan, TheFirstRuleThatFitsCounts) {
  const MixPlan mix = plan("language=de&source=wiki:3,language=de|fr:0.5,source=wiki:2,*:0.1");
  const auto rate = [&](const char* language, const char* source) {
    return mix.rate(mix.rule_of(language, source));
  };
  EXPECT_EQ(rate("deu", "wiki"), 3);
  EXPECT_EQ(rate("de-AT", "web"), 0.5);
  EXPECT_EQ(rate("fra_Latn", "wiki"), 0.5);
  EXPECT_EQ(rate("en", "wiki"), 2);
  EXPECT_EQ(rate("", ""), 0.1);
  EXPECT_EQ(plan("language=de:0").rate(plan("language=de:0").rule_of("en", "")), 1);
}

TEST(MixPlan, RecipesOfApertus) {
  const MixPlan early = plan("apertus-33"), late = plan("apertus-10");
  EXPECT_EQ(early.rate(early.rule_of("de", "")), 1);
  EXPECT_EQ(early.rate(early.rule_of("rus_Cyrl", "")), 0.95);
  EXPECT_DOUBLE_EQ(early.rate(early.rule_of("gsw", "")), 0.33 * 0.95);
  EXPECT_DOUBLE_EQ(late.rate(late.rule_of("gsw", "")), 0.1 * 0.95);
}

TEST(MixPlan, RefusesWhatIsNoRule) {
  for (const char* bad : {"", "de:1", "language=de", "language=:1", "*:-1", "*:1001", "*:x",
                          "*:nan", "language=de&language=fr:1", "host=x:1", "*:1,",
                          "language=de|:1", "language=_Latn:1", "language=de |fr:1"}) {
    EXPECT_FALSE(MixPlan::parse(bad, "--rates").ok()) << bad;
  }
}

// Binomial: five standard deviations.
TEST(MixCopies, AsManyAsTheRateSays) {
  constexpr int kDocuments = 20000;
  for (const double rate : {0.0, 0.05, 0.3135, 1.0, 2.5}) {
    int64_t copies = 0;
    for (int i = 0; i < kDocuments; ++i) copies += mix_copies(42, std::to_string(i), rate);
    const double part = rate - std::floor(rate);
    const double tolerance = 5 * std::sqrt(kDocuments * part * (1 - part));
    EXPECT_NEAR(static_cast<double>(copies), rate * kDocuments, tolerance);
  }
}

TEST(MixCopies, WhatALowerRateTakesAHigherOneTakesToo) {
  int different = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string id = std::to_string(i);
    EXPECT_LE(mix_copies(1, id, 0.2), mix_copies(1, id, 0.6));
    different += mix_copies(1, id, 0.5) != mix_copies(2, id, 0.5) ? 1 : 0;
  }
  EXPECT_GT(different, 800);  // seeds draw anew
}

}  // namespace
}  // namespace ballast
