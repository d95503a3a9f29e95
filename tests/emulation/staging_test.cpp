#include "kernels/cuda/staging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace ballast {
namespace {

class StagingTest : public testing::Test {
 protected:
  using Bytes = std::vector<uint8_t>;

  static Bytes pattern(size_t bytes, uint32_t seed) {
    Bytes values(bytes);
    std::mt19937 random(seed);
    for (uint8_t& value : values) value = static_cast<uint8_t>(random());
    return values;
  }
  void* device(int64_t bytes) {
    memory_.push_back(runtime_.allocate(bytes));
    return memory_.back();
  }
  void wait(StreamId stream) {
    runtime_.synchronize(runtime_.record(stream));
    staging_.deliver();
  }
  void TearDown() override {
    for (void* memory : memory_) runtime_.release(memory);
  }

  ThreadPool pool_{1};
  Runtime runtime_{-1, 0, pool_};
  Staging staging_{runtime_};
  std::vector<void*> memory_;
};

TEST_F(StagingTest, WhatIsCopiedInMayChangeAtOnce) {
  void* const there = device(100);
  const Bytes wanted = pattern(100, 1);
  Bytes host = wanted;
  staging_.copy_in(there, host.data(), 100, StreamId::compute);
  std::ranges::fill(host, uint8_t{0});
  staging_.copy_out(host.data(), there, 100, StreamId::compute);
  wait(StreamId::compute);
  EXPECT_EQ(host, wanted);
}

TEST_F(StagingTest, WhatIsCopiedOutArrivesWithTheNextWait) {
  void* const there = device(100);
  const Bytes wanted = pattern(100, 2);
  staging_.copy_in(there, wanted.data(), 100, StreamId::compute);
  Bytes host(100);
  staging_.copy_out(host.data(), there, 100, StreamId::compute);
  staging_.deliver();
  EXPECT_EQ(host, Bytes(100));
  wait(StreamId::copy);  // another stream's work says nothing of this one
  EXPECT_EQ(host, Bytes(100));
  wait(StreamId::compute);
  EXPECT_EQ(host, wanted);
  std::ranges::fill(host, uint8_t{0});
  wait(StreamId::compute);  // once
  EXPECT_EQ(host, Bytes(100));
}

TEST_F(StagingTest, CopiesMayBeLargerThanTheRings) {
  constexpr int64_t kBytes = (int64_t{41} << 20) + 13;
  void* const there = device(kBytes);
  const Bytes wanted = pattern(kBytes, 3);
  Bytes host(kBytes);
  staging_.copy_in(there, wanted.data(), kBytes, StreamId::copy);
  wait(StreamId::copy);
  staging_.copy_out(host.data(), there, kBytes, StreamId::compute);
  wait(StreamId::compute);
  EXPECT_TRUE(host == wanted);
}

// Copies of all sizes both ways, without a wait between most of them, against plain memory.
TEST_F(StagingTest, KeepsTheOrderOfAStreamThroughManyRounds) {
  constexpr int64_t kBytes = int64_t{6} << 20;
  void* const there = device(kBytes);
  Bytes model = pattern(kBytes, 4);
  staging_.copy_in(there, model.data(), kBytes, StreamId::compute);
  std::mt19937 random(5);
  struct Read {
    Bytes wanted, found;
  };
  std::deque<Read> reads;
  for (int i = 0; i < 200; ++i) {
    const int64_t n = 1 + random() % (random() % 8 == 0 ? kBytes : 4096);
    const int64_t begin = random() % (kBytes - n + 1);
    if (random() % 2 == 0) {
      const Bytes values = pattern(static_cast<size_t>(n), static_cast<uint32_t>(random()));
      std::ranges::copy(values, model.begin() + begin);
      staging_.copy_in(static_cast<char*>(there) + begin, values.data(), n, StreamId::compute);
    } else {
      reads.push_back(
          {Bytes(model.begin() + begin, model.begin() + begin + n), Bytes(static_cast<size_t>(n))});
      staging_.copy_out(reads.back().found.data(), static_cast<char*>(there) + begin, n,
                        StreamId::compute);
    }
  }
  wait(StreamId::compute);
  ASSERT_FALSE(reads.empty());
  for (const Read& read : reads) EXPECT_TRUE(read.found == read.wanted);
}

TEST_F(StagingTest, SmallCopiesWaitForNothingWhileAStepIsWaitedFor) {
  void* const there = device(65536);
  const Bytes values = pattern(65536, 6);
  for (int step = 0; step < 1000; ++step) {
    staging_.copy_in(there, values.data(), 65536, StreamId::copy);
    if (step % 4 == 3) wait(StreamId::copy);
  }
  EXPECT_EQ(runtime_.counts().waits, 250);
  Bytes host(65536);
  staging_.copy_out(host.data(), there, 65536, StreamId::copy);
  wait(StreamId::copy);
  EXPECT_TRUE(host == values);
}

}  // namespace
}  // namespace ballast
