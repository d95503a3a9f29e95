#include "libcore/data/rare_batch.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ballast {
namespace {

TEST(RareBatch, TakesTheRarestThatOccur) {
  std::vector<int64_t> counts(3000, 100);
  counts[7] = 0;  // never seen: not in the data
  for (size_t id = 2900; id < 2950; ++id) counts[id] = 1;
  counts[10] = 2;
  const std::vector<int32_t> ids = rarest_tokens(counts);
  ASSERT_EQ(ids.size(), 29u);  // one in a hundred of 2999
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], 2900 + static_cast<int32_t>(i));
  EXPECT_EQ(rarest_tokens(std::vector<int64_t>{5, 0, 3}), (std::vector<int32_t>{2, 0}));
}

TEST(RareBatch, FillsEveryRowAndMasksNothing) {
  HostBatch batch;
  batch.resize(2, 8);
  const std::vector<int32_t> ids = {3, 5, 9};
  fill_rare(batch, ids, 4);
  EXPECT_EQ(batch.valid, 16);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_TRUE(std::ranges::count(ids, batch.tokens[i]) == 1);
    EXPECT_TRUE(std::ranges::count(ids, batch.labels[i]) == 1);
    EXPECT_EQ(batch.doc_start[i], 0);
    if (i + 1 < 16) {
      EXPECT_EQ(batch.labels[i], batch.tokens[i + 1]);
    }
  }
  HostBatch again;
  again.resize(2, 8);
  fill_rare(again, ids, 4);
  EXPECT_EQ(again.tokens, batch.tokens);
  fill_rare(again, ids, 5);
  EXPECT_NE(again.tokens, batch.tokens);
}

}  // namespace
}  // namespace ballast
