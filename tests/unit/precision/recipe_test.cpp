#include "libcore/precision/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ballast {
namespace {

using ::testing::HasSubstr;

constexpr float kFloatMax = std::numeric_limits<float>::max();
constexpr float kInf = std::numeric_limits<float>::infinity();

Recipe recipe(std::string_view word) { return parse_recipe(word, "--recipe").value(); }
float scale(std::string_view word, float amax) { return scale_of(recipe(word), amax, kFloatMax); }

TEST(Recipe, ReadsItsOwnNames) {
  for (const char* word : {"tensor", "row", "1x128", "128x128", "tensor:e5m2", "row:e5m2:exact",
                           "1x128:ceil", "128x128:exact", "tensor:floor"}) {
    EXPECT_EQ(recipe(word).name(), word);
  }
  EXPECT_EQ(recipe("row:e4m3:floor").name(), "row");
  EXPECT_EQ(parse_recipes("row,1x128:e5m2", "--recipe")->size(), 2u);
}

TEST(Recipe, RefusesOtherWords) {
  for (const char* word : {"", "rows", "tensor:", "tensor:e4m3:", "tensor:floor:e5m2", "row:e3m4",
                           "row:floor:ceil", "nvfp4"}) {
    auto result = parse_recipe(word, "--recipe");
    ASSERT_FALSE(result.ok()) << word;
    EXPECT_EQ(result.error().kind, ErrorKind::usage);
  }
  EXPECT_THAT(parse_recipes("row,row:e4m3", "--recipe").error().message(),
              HasSubstr("'row' is named twice"));
  EXPECT_FALSE(parse_recipes("row,", "--recipe").ok());
}

TEST(Recipe, CeilMatchesThePublishedScales) {
  for (int k : {-20, -3, 0, 5, 30}) {
    EXPECT_EQ(scale("1x128:ceil", std::ldexp(448.0f, k)), std::ldexp(1.0f, -k)) << k;
  }
  EXPECT_EQ(scale("1x128:ceil", std::ldexp(449.0f, 4)), std::ldexp(1.0f, -5));
  EXPECT_EQ(scale("1x128:ceil", 1.9f), 128.0f);  // 1.9 * 128 = 243 stays in range
  EXPECT_EQ(scale("1x128:ceil", 0.0f), scale("1x128:ceil", 1e-4f));  // the clamp
  EXPECT_EQ(scale("1x128:ceil", 1e-7f), scale("1x128:ceil", 1e-4f));
}

TEST(Recipe, TensorScaleIsTheQuotientWithItsEdges) {
  EXPECT_EQ(scale("tensor", 448.0f), 1.0f);
  EXPECT_EQ(scale("tensor", 3.0f), 448.0f / 3.0f);
  EXPECT_EQ(scale("tensor:e5m2", 3.0f), 57344.0f / 3.0f);
  EXPECT_EQ(scale("tensor:floor", 3.0f), 128.0f);
  EXPECT_EQ(scale("tensor", 0.0f), 1.0f);
  EXPECT_EQ(scale("tensor", kInf), 1.0f);
  EXPECT_EQ(scale("tensor", std::nanf("")), 1.0f);
  EXPECT_EQ(scale("tensor", 1e-38f), kFloatMax);
  EXPECT_EQ(scale_of(recipe("tensor"), 1e-38f, 3.3895314e38f), 3.3895314e38f);
  EXPECT_EQ(scale("1x128", 1e-38f), 0x1p127f);
}

TEST(Recipe, RowScaleIsFlooredAndClampedInDouble) {
  EXPECT_EQ(scale("row", 3.0f), 128.0f);
  EXPECT_EQ(scale("row:exact", 3.0f), static_cast<float>(448.0 / 3.0));
  EXPECT_EQ(scale("row:exact", 0.0f), static_cast<float>(448.0 / 1e-12));
  EXPECT_EQ(scale("row", 0.0f), 0x1p48f);
  EXPECT_EQ(scale("row", kInf), 1.0f);
}

TEST(Recipe, FloorNeverClips) {
  for (float amax = 1e-3f; amax < 1e5f; amax *= 1.37f) {
    for (const char* word : {"row", "1x128", "128x128", "tensor:floor", "1x128:ceil"}) {
      EXPECT_LE(amax * scale(word, amax), 448.0f) << word << " " << amax;
    }
    EXPECT_LE(amax * scale("tensor", amax), 464.0f);  // an ulp above 448 is no clip
  }
}

}  // namespace
}  // namespace ballast
