#include "libcore/parts/share.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Share, GivesEveryPartToExactlyOneTask) {
  for (const int64_t inputs : {1, 2, 3, 7, 12}) {
    for (const int64_t tasks : {1, 2, 3, 5, 7, 12, 13, 40}) {
      for (int64_t input = 0; input < inputs; ++input) {
        for (int64_t part = 0; part < 30; ++part) {
          int64_t owners = 0;
          for (int64_t task = 0; task < tasks; ++task) {
            const Share share{task, tasks};
            owners += share.has_input(input, inputs) && share.has_part(input, part, inputs);
          }
          EXPECT_EQ(owners, 1) << inputs << " inputs, " << tasks << " tasks, input " << input
                               << ", part " << part;
        }
      }
    }
  }
}

TEST(Share, DividesAnInputOnlyAmongMoreTasksThanInputs) {
  for (int64_t part = 0; part < 9; ++part) {
    EXPECT_TRUE((Share{1, 3}.has_part(1, part, 3)));
    EXPECT_EQ((Share{1, 6}.has_part(1, part, 3)), part % 2 == 0);
    EXPECT_EQ((Share{4, 6}.has_part(1, part, 3)), part % 2 == 1);
  }
}

}  // namespace
}  // namespace ballast
