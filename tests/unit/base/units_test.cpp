#include "libcore/base/units.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace ballast {
namespace {

TEST(Units, CountsTakeDecimalAndBinarySuffixes) {
  struct Case {
    const char* text;
    int64_t count;
  };
  for (const Case& c :
       {Case{"0", 0}, Case{"4096", 4096}, Case{"0.5M", 500000}, Case{"4B", 4000000000},
        Case{"4G", 4000000000}, Case{"1.5T", 1500000000000}, Case{"64KiB", 65536},
        Case{"2GiB", int64_t{1} << 31}, Case{"1e3", 1000}, Case{"0.1K", 100}, Case{"2.3K", 2300},
        Case{"1.1M", 1100000}, Case{"9007199254740993", 9007199254740993},
        Case{"9223372036854775807", 9223372036854775807}})
    EXPECT_EQ(*parse_count(c.text), c.count) << c.text;
}

TEST(Units, CountsRefuseEverythingElse) {
  for (const char* text : {"", "-1", "1.5", "K", "4X", "4 B", " 4", "4kb", "0x10", "inf", "nan",
                           "1e400", "9223372036854775808", "9.3e18", "0.0001K", "1,000", "4BB"}) {
    const auto count = parse_count(text);
    ASSERT_FALSE(count.ok()) << text;
    EXPECT_EQ(count.error().kind, ErrorKind::usage);
    EXPECT_NE(count.error().what.find(std::string("'") + text + "'"), std::string::npos);
  }
}

TEST(Units, SecondsTakeSuffixes) {
  EXPECT_EQ(*parse_seconds("90"), 90);
  EXPECT_EQ(*parse_seconds("90s"), 90);
  EXPECT_EQ(*parse_seconds("1.5m"), 90);
  EXPECT_EQ(*parse_seconds("2h"), 7200);
  EXPECT_EQ(*parse_seconds("1d"), 86400);
  for (const char* text : {"", "m", "-1s", "1w", "1h30m", "inf"})
    EXPECT_FALSE(parse_seconds(text).ok()) << text;
}

TEST(Units, LengthsAreTokensOrSteps) {
  EXPECT_EQ(parse_length("4B")->count, 4000000000);
  EXPECT_FALSE(parse_length("4B")->steps);
  EXPECT_EQ(parse_length("1000steps")->count, 1000);
  EXPECT_TRUE(parse_length("1000steps")->steps);
  EXPECT_EQ(parse_length("2Ksteps")->count, 2000);
  for (const char* text : {"steps", "", "4Bstep", "-1steps"})
    EXPECT_FALSE(parse_length(text).ok()) << text;
}

TEST(Units, DoublesAreFiniteAndWhole) {
  EXPECT_EQ(*parse_double("-2.5e-3"), -2.5e-3);
  for (const char* text : {"", "x", "1x", "nan", "inf", "1e999", " 1"})
    EXPECT_FALSE(parse_double(text).ok()) << text;
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1234567), "1.23M");
  EXPECT_EQ(format_count(-4000000000), "-4B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1234567), "1.18 MiB");
  EXPECT_EQ(format_seconds(5025), "1h23m");
  EXPECT_EQ(format_seconds(59.94), "59.9s");
  EXPECT_EQ(format_seconds(90), "1m30s");
  EXPECT_EQ(format_seconds(90000), "1d01h");
  EXPECT_EQ(format_seconds(9.3e18), "1.08e+14d");
}

TEST(Units, DoublesSurviveTheRoundTrip) {
  for (const double value :
       {0.1, 1.0 / 3, 5e-324, std::numeric_limits<double>::max(), -0.0, 1e23}) {
    const std::string text = format_double(value);
    const double back = std::strtod(text.c_str(), nullptr);
    EXPECT_EQ(std::memcmp(&back, &value, sizeof value), 0) << text;
  }
  EXPECT_EQ(format_double(std::nan("")), "NaN");
  EXPECT_EQ(format_double(-std::numeric_limits<double>::infinity()), "-Infinity");
}

}  // namespace
}  // namespace ballast
