#include "libcore/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <new>
#include <thread>
#include <vector>

namespace ballast {
namespace {

TEST(ThreadPool, CoversEveryItemOnceWithAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const int64_t n : {0, 1, 7, 8, 9, 1000})
      for (const int64_t grain : {1, 3, 8, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
        pool.parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          EXPECT_LE(end - begin, grain);
          EXPECT_EQ(begin % grain, 0);
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        for (const auto& count : seen) ASSERT_EQ(count, 1);
      }
  }
}

// Sums over chunks, added in chunk order: the borders must not depend on the threads.
TEST(ThreadPool, ChunkBordersDependOnRangeAndGrainOnly) {
  constexpr int64_t kCount = 10007, kGrain = 64;
  std::vector<float> expected;
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<float> sums(static_cast<size_t>((kCount + kGrain - 1) / kGrain));
    pool.parallel_for(kCount, kGrain, [&](int64_t begin, int64_t end) {
      float sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += 1.0f / static_cast<float>(i + 1);
      sums[static_cast<size_t>(begin / kGrain)] = sum;
    });
    if (expected.empty()) expected = sums;
    EXPECT_EQ(sums, expected) << threads;
  }
}

TEST(ThreadPool, NestedCallsRunInline) {
  ThreadPool pool(4);
  std::atomic<int64_t> total = 0;
  pool.parallel_for(8, 1, [&](int64_t, int64_t) {
    pool.parallel_for(10, 2, [&](int64_t begin, int64_t end) { total += end - begin; });
  });
  EXPECT_EQ(total, 80);
}

TEST(ThreadPool, TakesCallsFromSeveralThreads) {
  ThreadPool pool(3);
  std::atomic<int64_t> total = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int k = 0; k < 50; ++k)
        pool.parallel_for(100, 7, [&](int64_t begin, int64_t end) { total += end - begin; });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 4 * 50 * 100);
}

TEST(ThreadPool, ThrowsWhatABodyThrows) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t thrower : {0, 3, 99}) {
      const auto body = [&](int64_t begin, int64_t) {
        if (begin == thrower) throw std::bad_alloc();
      };
      EXPECT_THROW(pool.parallel_for(100, 1, body), std::bad_alloc);
    }
    std::atomic<int64_t> total = 0;
    pool.parallel_for(100, 1, [&](int64_t, int64_t) { ++total; });
    EXPECT_EQ(total, 100) << "after a throw";
  }
}

// The thread that comes last throws, when all others are inside and have yet to wake up.
TEST(ThreadPool, ThrowsWhenAllThreadsHaveLeftTheBody) {
  for (const int threads : {2, 5, 16}) {
    ThreadPool pool(threads);
    std::latch last(1);
    std::atomic<int> entered = 0, left = 0;
    const auto body = [&](int64_t, int64_t) {
      if (++entered == threads) {
        last.count_down();
        throw std::bad_alloc();
      }
      last.wait();
      ++left;
    };
    EXPECT_THROW(pool.parallel_for(100, 1, body), std::bad_alloc);
    EXPECT_EQ(left, entered - 1);
    EXPECT_GE(left, threads - 1);
  }
}

TEST(ThreadPool, ZeroMeansOnePerCore) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_EQ(ThreadPool(0).size(), available_cores());
}

}  // namespace
}  // namespace ballast
