// The emulator itself: that it computes what a device would, and that each of the mistakes it is
// there to find is found.
#include "kernels/cuda/emu/emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "kernels/cuda/device.h"
#include "libcore/base/device_error.h"
#include "libcore/base/thread_pool.h"

namespace ballast {
namespace {

using testing::HasSubstr;

ThreadPool& pool() {
  static ThreadPool pool(2);
  return pool;
}

void run(emu::Extent grid, unsigned threads, const std::function<void()>& thread,
         size_t shared = 0) {
  emu::run(pool(), "tested", grid, {threads, 1, 1}, shared, thread);
}

std::string error_of(unsigned threads, const std::function<void()>& thread, size_t shared = 0) {
  try {
    run({1, 1, 1}, threads, thread, shared);
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "none";
}

class Orders : public testing::TestWithParam<emu::Order> {
 protected:
  void SetUp() override { emu::configure({GetParam(), 0xff}); }
  void TearDown() override { emu::configure({}); }
};

INSTANTIATE_TEST_SUITE_P(All, Orders,
                         testing::Values(emu::Order::ascending, emu::Order::descending,
                                         emu::Order::shuffled));

TEST_P(Orders, EveryThreadOfEveryBlockRunsOnce) {
  std::vector<int> seen(3 * 2 * 2 * 64);
  run({3, 2, 2}, 64, [&] {
    const size_t block = blockIdx.x + 3 * (blockIdx.y + 2 * blockIdx.z);
    ++seen[block * blockDim.x + threadIdx.x];
    EXPECT_EQ(gridDim.x, 3u);
  });
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

TEST_P(Orders, BarriersOrderSharedMemory) {
  std::vector<int> out(4 * 96);
  run({4, 1, 1}, 96, [&] {
    BALLAST_SHARED(int, values, 96);
    const int me = static_cast<int>(threadIdx.x);
    values[me] = me;
    for (int round = 0; round < 5; ++round) {
      block_sync();
      const int next = values[(me + 1) % 96];
      block_sync();
      values[me] = next;
    }
    out[blockIdx.x * 96 + threadIdx.x] = values[me];
  });
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], static_cast<int>((i % 96 + 5) % 96));
}

TEST_P(Orders, ShufflesAndVotes) {
  std::vector<int> from(64), swapped(64);
  std::vector<uint32_t> votes(64);
  std::vector<float> sums(64);
  run({1, 1, 1}, 64, [&] {
    const unsigned me = threadIdx.x;
    from[me] = shuffle(static_cast<int>(me), 3);
    swapped[me] = shuffle_xor(static_cast<int>(me), 1);
    votes[me] = vote(me % 3 == 0);
    sums[me] = warp_sum(static_cast<float>(me));
  });
  for (unsigned me = 0; me < 64; ++me) {
    EXPECT_EQ(from[me], me < 32 ? 3 : 35);
    EXPECT_EQ(swapped[me], static_cast<int>(me ^ 1));
    EXPECT_EQ(votes[me], me < 32 ? 0x49249249u : 0x92492492u);
    EXPECT_EQ(sums[me], me < 32 ? 496.0f : 1520.0f);
  }
}

TEST_P(Orders, BlockSumsUseTheirScratchAgain) {
  std::vector<float> sums(128), tops(128);
  run({1, 1, 1}, 128, [&] {
    BALLAST_SHARED(float, scratch, 4);
    const auto me = static_cast<float>(threadIdx.x);
    sums[threadIdx.x] = block_sum<128>(me, scratch) + block_sum<128>(1.0f, scratch);
    tops[threadIdx.x] = block_max<128>(-me, scratch);
  });
  EXPECT_EQ(sums, std::vector<float>(128, 8128.0f + 128.0f));
  EXPECT_EQ(tops, std::vector<float>(128, 0.0f));
}

TEST_P(Orders, MatrixInstruction) {
  std::vector<float> a(16 * 16), b(16 * 8), d(16 * 8);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>((i * 7) % 13) - 6;
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>((i * 5) % 11) - 5;
  run({1, 1, 1}, 32, [&] {
    BALLAST_SHARED(bf16, tile_a, 16 * 16);
    BALLAST_SHARED(bf16, tile_b, 16 * 16);  // (k, n), n padded to 16
    const int lane = lane_of_warp();
    for (int i = lane; i < 256; i += 32) {
      tile_a[i] = bf16_of(a[static_cast<size_t>(i)]);
      tile_b[i] = bf16_of(i % 16 < 8 ? b[static_cast<size_t>(i / 16 * 8 + i % 16)] : 0);
    }
    block_sync();
    MmaA fragment_a;
    load_matrices<false>(fragment_a.r, tile_a + (lane % 16) * 16 + lane / 16 * 8);
    uint32_t both[4];
    load_matrices<true>(both, tile_b + (lane % 16) * 16 + lane / 16 * 8);
    float sum[4] = {1, 1, 1, 1};
    mma_bf16(sum, fragment_a, {{both[0], both[1]}});
    for (int i = 0; i < 4; ++i) {
      d[static_cast<size_t>((lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2)] = sum[i];
    }
  });
  for (size_t r = 0; r < 16; ++r) {
    for (size_t c = 0; c < 8; ++c) {
      float sum = 1;
      for (size_t k = 0; k < 16; ++k) sum += a[r * 16 + k] * b[k * 8 + c];
      EXPECT_EQ(d[r * 8 + c], sum) << r << ", " << c;
    }
  }
}

TEST_P(Orders, CopiesArriveWhenWaitedFor) {
  alignas(16) const int source[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<int> before(32), after(32), last(32);
  run({1, 1, 1}, 32, [&] {
    BALLAST_SHARED(int, to, 32 * 8);
    int* const mine = to + threadIdx.x * 8;
    mine[0] = mine[4] = 0;
    copy_async(mine, source);
    commit_copies();
    copy_async(mine + 4, source + 4, threadIdx.x % 2 == 0);
    commit_copies();
    before[threadIdx.x] = mine[0];
    wait_copies<1>();
    after[threadIdx.x] = mine[0] + mine[4];
    wait_copies<0>();
    last[threadIdx.x] = mine[4];
  });
  EXPECT_EQ(before, std::vector<int>(32, 0));
  EXPECT_EQ(after, std::vector<int>(32, 1));
  for (size_t i = 0; i < 32; ++i) EXPECT_EQ(last[i], i % 2 == 0 ? 5 : 0);
}

TEST_P(Orders, SharedMemoryIsFilledForEveryBlock) {
  std::vector<int> seen(16);
  run(
      {16, 1, 1}, 32,
      [&] {
        BALLAST_SHARED(uint8_t, bytes, 5);
        bytes[threadIdx.x % 5] = static_cast<uint8_t>(bytes[threadIdx.x % 5] & 0x0f);
        auto* dynamic = dynamic_shared<uint8_t>();
        seen[blockIdx.x] = dynamic[2];
        block_sync();
        dynamic[2] = 7;
      },
      3);
  EXPECT_EQ(seen, std::vector<int>(16, 0xff));
}

TEST(Emulator, RacesChangeTheResult) {
  const auto result = [](emu::Order order) {
    emu::configure({order, 0xff});
    int last = -1;
    run({1, 1, 1}, 64, [&] {
      BALLAST_SHARED(int, value, 1);
      value[0] = static_cast<int>(threadIdx.x);
      last = value[0];
    });
    emu::configure({});
    return last;
  };
  EXPECT_NE(result(emu::Order::ascending), result(emu::Order::descending));
}

TEST(Emulator, FindsWarpsThatDiverge) {
  EXPECT_THAT(
      error_of(32,
               [] {
                 if (threadIdx.x < 16) warp_sum(1.0f);
               }),
      HasSubstr(
          "divergence: 0 threads wait at a block barrier, 16 in a warp operation (first: warp "
          "0 in shuffle_xor), 16 have ended"));
  EXPECT_THAT(error_of(64,
                       [] {
                         if (threadIdx.x % 2 == 0) {
                           vote(true);
                         } else {
                           warp_sum(1.0f);
                         }
                       }),
              HasSubstr("divergence: lanes of warp 0 meet in"));
}

TEST(Emulator, FindsBarriersThatNotAllReach) {
  EXPECT_THAT(
      error_of(64,
               [] {
                 if (threadIdx.x == 5) return;
                 block_sync();
               }),
      HasSubstr("emulated kernel tested, block (0, 0, 0): divergence: 63 threads wait at a block "
                "barrier, 0 in a warp operation, 1 have ended"));
  EXPECT_THAT(error_of(64,
                       [] {
                         if (threadIdx.x < 32) {
                           block_sync();
                         } else {
                           warp_sync();
                           if (threadIdx.x == 40) warp_sync();
                           block_sync();
                         }
                       }),
              HasSubstr("divergence"));
}

TEST(Emulator, FindsMisalignedVectorsAndForgottenCopies) {
  alignas(16) static const float data[8] = {};
  EXPECT_THAT(error_of(32, [] { load_vec<4>(data + 1); }), HasSubstr("misaligned vector access"));
  EXPECT_THAT(error_of(32,
                       [] {
                         BALLAST_SHARED(float, to, 4);
                         copy_async(to, data);
                         commit_copies();
                       }),
              HasSubstr("ended with copies that it never waited for"));
}

TEST(Emulator, RefusesImpossibleLaunches) {
  EXPECT_THAT(error_of(33, [] {}), HasSubstr("33 threads in a block: a multiple of 32 up to 1024"));
  EXPECT_THAT(error_of(2048, [] {}), HasSubstr("2048 threads"));
  EXPECT_THAT(error_of(
                  32, [] {}, 300000),
              HasSubstr("300000 bytes of shared memory: up to 232448"));
}

TEST(Emulator, RunsAgainAfterAFailure) {
  EXPECT_NE(error_of(32,
                     [] {
                       if (threadIdx.x == 0) return;
                       block_sync();
                     }),
            "none");
  int count = 0;
  run({1, 1, 1}, 32, [&] { ++count; });
  EXPECT_EQ(count, 32);
}

TEST(MaxNan, KeepsNan) {
  const float nan = std::nanf("");
  EXPECT_EQ(max_nan(1.0f, 2.0f), 2.0f);
  EXPECT_EQ(max_nan(-INFINITY, -3.0f), -3.0f);
  EXPECT_TRUE(std::isnan(max_nan(nan, INFINITY)));
  EXPECT_TRUE(std::isnan(max_nan(1.0f, nan)));
}

TEST(Exp2Approx, FlushesSubnormalResults) {
  EXPECT_EQ(exp2_approx(3.0f), 8.0f);
  EXPECT_EQ(exp2_approx(-126.0f), 0x1p-126f);
  EXPECT_EQ(exp2_approx(-127.0f), 0.0f);
  EXPECT_EQ(exp2_approx(-INFINITY), 0.0f);
  EXPECT_TRUE(std::isnan(exp2_approx(std::nanf(""))));
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(bf16_of(1.0f).bits, 0x3f80);
  EXPECT_EQ(bf16_of(1.00390625f).bits, 0x3f80);    // a tie, to even
  EXPECT_EQ(bf16_of(1.01171875f).bits, 0x3f82);    // a tie, to even
  EXPECT_EQ(bf16_of(3.3895314e38f).bits, 0x7f7f);  // the largest bf16
  EXPECT_EQ(bf16_of(3.4e38f).bits, 0x7f80);        // above it by half a step: infinity
  EXPECT_TRUE(std::isnan(float_of(bf16_of(std::nanf("")))));
  EXPECT_EQ(pack_bf16(1.0f, -2.0f), 0xc0003f80u);
}

}  // namespace
}  // namespace ballast
