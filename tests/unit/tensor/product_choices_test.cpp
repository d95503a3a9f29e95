#include "libcore/tensor/product_choices.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

ProductChoices two() {
  ProductChoices choices;
  choices.owner = "cuBLASLt 130000; a device";
  choices.by_shape["128x64x32 NT+"] = {1, 2, 3, 4, 5, 6, 7, ~uint64_t{0}};
  choices.by_shape["4x4x4 NN"] = {};
  return choices;
}

TEST(ProductChoices, AreReadAsTheyWereWritten) {
  EXPECT_EQ(two().text(),
            "cuBLASLt 130000; a device\n128x64x32 NT+ = 1 2 3 4 5 6 7 ffffffffffffffff\n"
            "4x4x4 NN = 0 0 0 0 0 0 0 0\n");
  EXPECT_EQ(ProductChoices::parse(two().text()), two());
}

TEST(ProductChoices, NoneAreNoText) { EXPECT_EQ((ProductChoices{"x", {}}.text()), ""); }

TEST(ProductChoices, DamagedTextIsRefused) {
  for (const char* lines :
       {"a", "a = 1 2 3 4 5 6 7", "a = 1 2 3 4 5 6 7 8 9", "a = 1 2 3 4 5 6 7 x",
        "a = 1 2 3 4 5 6 7 10000000000000000", "a = 1  2 3 4 5 6 7 8", "a = -1 2 3 4 5 6 7 8",
        "a = 1 2 3 4 5 6 7 8\na = 1 2 3 4 5 6 7 8\n", "a = 1 2 3 4 5 6 7 8\n\n"}) {
    EXPECT_FALSE(ProductChoices::parse(std::string("owner\n") + lines).has_value()) << lines;
  }
}

}  // namespace
}  // namespace ballast
