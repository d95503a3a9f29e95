#include "libcore/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace ballast {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return usage_error("odd number", "--n", "even numbers only");
  return n / 2;
}

Result<int> quarter(int n) {
  const int once = BALLAST_TRY(half(n));
  return half(once);
}

Result<void> check(int n) {
  BALLAST_TRY(quarter(n));
  return {};
}

TEST(Result, PassesValuesAndErrorsThrough) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_TRUE(check(12).ok());
  for (const int n : {3, 6}) {
    EXPECT_FALSE(quarter(n).ok());
    EXPECT_EQ(check(n).error().message(), "odd number: --n (even numbers only)");
    EXPECT_EQ(check(n).error().kind, ErrorKind::usage);
  }
}

TEST(Result, MessageLeavesOutWhatIsEmpty) {
  EXPECT_EQ(io_error("a").message(), "a");
  EXPECT_EQ(io_error("a", "b").message(), "a: b");
  EXPECT_EQ(io_error("a", "", "c").message(), "a (c)");
}

TEST(Result, HoldsMoveOnlyAndDerivedTypes) {
  struct Base {
    virtual ~Base() = default;
  };
  struct Derived final : Base {};
  const auto make = [](bool good) -> Result<std::unique_ptr<Base>> {
    if (!good) return corrupt_error("bad");
    return std::make_unique<Derived>();
  };
  auto made = make(true);
  ASSERT_TRUE(made.ok());
  std::unique_ptr<Base> owned = std::move(made).value();
  EXPECT_NE(dynamic_cast<Derived*>(owned.get()), nullptr);
  EXPECT_EQ(make(false).error().kind, ErrorKind::corrupt);
}

TEST(Result, AnEmptyOptionalIsAValue) {
  const auto end = []() -> Result<std::optional<int>> { return std::nullopt; };
  ASSERT_TRUE(end().ok());
  EXPECT_FALSE(end()->has_value());
}

TEST(ResultDeathTest, TakingTheValueOfAnErrorAborts) {
  EXPECT_DEATH(half(1).value(), "check failed: ok\\(\\)");
}

}  // namespace
}  // namespace ballast
