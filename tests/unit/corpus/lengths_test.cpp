#include "libcore/corpus/lengths.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "libcore/corpus/ranking.h"

namespace ballast {
namespace {

TEST(LengthHistogram, PutsLengthsBetweenPowersOfTwo) {
  LengthHistogram lengths;
  const int64_t huge = int64_t{1} << 33;  // documents of several sequences are as long
  for (const int64_t length : {int64_t{4}, int64_t{0}, int64_t{1}, int64_t{3}, huge})
    lengths.add(length);
  EXPECT_EQ(lengths.buckets[0], 1);
  EXPECT_EQ(lengths.buckets[1], 1);
  EXPECT_EQ(lengths.buckets[2], 1);
  EXPECT_EQ(lengths.buckets[3], 1);
  EXPECT_EQ(lengths.buckets[34], 1);
  EXPECT_EQ(lengths.shortest, 0);
  EXPECT_EQ(lengths.longest, huge);
  EXPECT_EQ(lengths.tokens, huge + 8);
}

TEST(LengthHistogram, PartsAddUpToTheWholeAndNothingChangesNothing) {
  LengthHistogram whole, left, right;
  for (int64_t length = 5; length < 50; ++length) {
    whole.add(length);
    (length % 3 == 0 ? left : right).add(length);
  }
  LengthHistogram sum;
  sum.add(right);
  sum.add(LengthHistogram());
  sum.add(left);
  EXPECT_EQ(sum.buckets, whole.buckets);
  EXPECT_EQ(sum.shortest, 5);
  EXPECT_EQ(sum.longest, 49);
  EXPECT_EQ(sum.documents, 45);
  EXPECT_EQ(sum.mean(), 27);
}

TEST(Ranked, HeaviestFirstAndEqualOnesByName) {
  const std::map<std::string, int64_t> counts = {{"b", 2}, {"a", 2}, {"c", 7}, {"d", 0}};
  std::string order;
  for (const auto* row : ranked(counts, [](int64_t count) { return count; })) order += row->first;
  EXPECT_EQ(order, "cabd");
}

}  // namespace
}  // namespace ballast
