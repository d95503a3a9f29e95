#include "libcore/base/strategy_spec.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(StrategySpec, GivesKindValuesAndFallbacks) {
  StrategySpec spec = StrategySpec::parse("zclip:mode=max,z=2.5,warmup=25", "--clip").take_value();
  EXPECT_EQ(spec.kind(), "zclip");
  EXPECT_EQ(spec.take_word("mode", "mean", {"mean", "max"}).take_value(), "max");
  EXPECT_EQ(spec.take_number("z", 1, 0, 10).take_value(), 2.5);
  EXPECT_EQ(spec.take_count("warmup", 1, 0, 100).take_value(), 25);
  EXPECT_EQ(spec.take_number("alpha", 0.97, 0, 1).take_value(), 0.97);
  EXPECT_TRUE(spec.finish().ok());
}

TEST(StrategySpec, KeepsOneBareValueInFirstPlace) {
  StrategySpec spec = StrategySpec::parse("fixed:1.0", "--clip").take_value();
  EXPECT_EQ(spec.take_positional(), "1.0");
  EXPECT_TRUE(spec.finish().ok());
  EXPECT_FALSE(StrategySpec::parse("fixed:a=1,2", "--clip").ok());
}

TEST(StrategySpec, RefusesUnknownKeysNamingTheAcceptedOnes) {
  StrategySpec spec = StrategySpec::parse("zclip:zz=2", "--clip").take_value();
  EXPECT_EQ(spec.take_number("z", 2.5, 0, 10).take_value(), 2.5);
  const Result<void> end = spec.finish();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().message(), "zclip: unknown key 'zz': --clip (it takes z)");
  EXPECT_EQ(end.error().kind, ErrorKind::usage);
}

TEST(StrategySpec, RefusesValuesOutsideTheRange) {
  StrategySpec spec = StrategySpec::parse("zclip:alpha=1.5,mode=odd,n=x", "--clip").take_value();
  EXPECT_FALSE(spec.take_number("alpha", 0.97, 0, 1).ok());
  EXPECT_FALSE(spec.take_word("mode", "mean", {"mean"}).ok());
  EXPECT_FALSE(spec.take_count("n", 1, 0, 10).ok());
}

TEST(StrategySpec, RefusesMalformedText) {
  for (const char* text : {"", ":", "zclip:", "zclip:,", "zclip:a=", "zclip:=1", "zclip:a=1,a=2",
                           "zclip:a=1,", "Z", "a b"})
    EXPECT_FALSE(StrategySpec::parse(text, "--clip").ok()) << text;
}

}  // namespace
}  // namespace ballast
