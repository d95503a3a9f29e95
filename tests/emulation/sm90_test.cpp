// The emulation of wgmma, TMA and mbarrier: that the words compute what PTX says of them, under
// every order, and that each mistake that hardware would answer with wrong numbers is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/cuda/device_sm90.h"
#include "kernels/cuda/tensor_map.h"
#include "libcore/base/device_error.h"
#include "libcore/base/thread_pool.h"

namespace ballast {
namespace {

using testing::HasSubstr;

ThreadPool& pool() {
  static ThreadPool pool(2);
  return pool;
}

constexpr size_t kShared = 96 * 1024;

void run(unsigned threads, const std::function<void()>& thread) {
  emu::run(pool(), "tested", {1, 1, 1}, {threads, 1, 1}, kShared, thread);
}
std::string error_of(unsigned threads, const std::function<void()>& thread) {
  try {
    run(threads, thread);
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "none";
}

class Sm90 : public testing::TestWithParam<emu::Order> {
 protected:
  void SetUp() override { emu::configure({GetParam(), 0xff}); }
  void TearDown() override { emu::configure({}); }
};
INSTANTIATE_TEST_SUITE_P(All, Sm90,
                         testing::Values(emu::Order::ascending, emu::Order::descending,
                                         emu::Order::shuffled));

// Small integers, exact in bf16, and so are their sums of products in f32.
std::vector<bf16> integers(size_t count, int step, int modulus) {
  std::vector<bf16> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = bf16_of(static_cast<float>(static_cast<int>(i) * step % modulus - modulus / 2));
  }
  return values;
}

TensorMap matrix_map(const std::vector<bf16>& data, int64_t rows, int64_t cols, int box_rows) {
  return make_tensor_map({.data = data.data(),
                          .size = {cols, 1, rows, 1},
                          .stride = {cols * 2, cols * 2, rows * cols * 2},
                          .box = {64, 1, box_rows, 1}});
}

unsigned char* tiles() { return align_to_swizzle(dynamic_shared<unsigned char>()); }

Barrier* one_barrier(int arrivals) {
  BALLAST_SHARED(Barrier, barrier, 1);
  if (threadIdx.x == 0) {
    barrier_init(barrier, arrivals);
    barrier_init_fence();
  }
  block_sync();
  return barrier;
}

// ---- Barriers ----

TEST_P(Sm90, BarriersPassTilesOn) {
  constexpr int kRounds = 5;
  std::vector<int> seen(32 * kRounds);
  run(64, [&] {
    BALLAST_SHARED(Barrier, barriers, 2);
    BALLAST_SHARED(int, values, 32);
    if (threadIdx.x == 0) {
      barrier_init(barriers, 32);
      barrier_init(barriers + 1, 1);
      barrier_init_fence();
    }
    block_sync();
    const int me = static_cast<int>(threadIdx.x) % 32;
    for (int n = 0; n < kRounds; ++n) {
      if (threadIdx.x < 32) {
        if (n > 0) barrier_wait(barriers + 1, (n - 1) & 1);
        values[me] = n * 100 + me;
        barrier_arrive(barriers);
      } else {
        barrier_wait(barriers, n & 1);
        seen[static_cast<size_t>(n * 32 + me)] = values[31 - me];
        warp_sync();
        if (me == 0) barrier_arrive(barriers + 1);
      }
    }
  });
  for (int n = 0; n < kRounds; ++n) {
    for (int me = 0; me < 32; ++me)
      EXPECT_EQ(seen[static_cast<size_t>(n * 32 + me)], n * 100 + 31 - me);
  }
}

TEST(Sm90Mistakes, Barriers) {
  EXPECT_THAT(error_of(32,
                       [] {
                         Barrier* const b = one_barrier(32);
                         barrier_arrive(b);
                         barrier_wait(b, 0);
                         barrier_wait(b, 1);  // of the second phase, which nobody ends
                       }),
              HasSubstr("32 for what does not come (first: thread 0 for a barrier in shared "
                        "memory)"));
  EXPECT_THAT(error_of(32,
                       [] {
                         BALLAST_SHARED(Barrier, never, 1);
                         barrier_arrive(never);
                       }),
              HasSubstr("a barrier in shared memory that was not initialised"));
  EXPECT_THAT(error_of(32,
                       [] {
                         Barrier* const b = one_barrier(1);
                         if (threadIdx.x == 0) b->state = 0;
                         block_sync();
                         barrier_wait(b, 1);
                       }),
              HasSubstr("a barrier in shared memory was overwritten"));
}

TEST_P(Sm90, NamedBarriersHoldSomeWarps) {
  std::vector<int> seen(96);
  run(96, [&] {
    BALLAST_SHARED(int, values, 96);
    const int me = static_cast<int>(threadIdx.x);
    values[me] = me;
    if (me < 64) {
      named_sync(3, 64);
      seen[static_cast<size_t>(me)] = values[63 - me];
    } else {
      named_sync(4, 32);
      seen[static_cast<size_t>(me)] = values[64 + 95 - me];
    }
  });
  for (int me = 0; me < 96; ++me)
    EXPECT_EQ(seen[static_cast<size_t>(me)], me < 64 ? 63 - me : 159 - me);
}

TEST(Sm90Mistakes, NamedBarriersAndRegisters) {
  EXPECT_THAT(error_of(64,
                       [] {
                         if (threadIdx.x < 32) named_sync(1, 64);
                       }),
              HasSubstr("for a named barrier"));
  EXPECT_THAT(error_of(32, [] { named_sync(0, 32); }), HasSubstr("other than 1 to 15"));
  EXPECT_THAT(error_of(64, [] { named_sync(1, threadIdx.x < 32 ? 64 : 32); }),
              HasSubstr("disagree on their number"));
  EXPECT_THAT(error_of(128, [] { take_registers<250>(); }), HasSubstr("a multiple of 8"));
  EXPECT_THAT(error_of(128,
                       [] {
                         if (threadIdx.x < 32) {
                           give_registers<24>();
                         } else {
                           give_registers<32>();
                         }
                       }),
              HasSubstr("warps of warpgroup 0 issued different instructions"));
}

// ---- Loads ----

TEST_P(Sm90, LoadsSwizzleAndFillWithZeros) {
  const std::vector<bf16> data = integers(20 * 72, 1, 251);  // 72 columns, of which the last 8
  const TensorMap map = matrix_map(data, 20, 72, 32);        // and rows 16 to 19 are in the box
  std::vector<float> seen(32 * 64);
  run(32, [&] {
    Barrier* const full = one_barrier(1);
    unsigned char* const tile = tiles();
    if (threadIdx.x == 0) {
      barrier_expect(full, 32 * 128);
      tensor_load(tile, map, full, 64, 0, 16, 0);
    }
    barrier_wait(full, 0);
    const auto row = static_cast<int>(threadIdx.x);
    for (int col = 0; col < 64; ++col) {
      const int byte = row * 128 + (col / 8 ^ row % 8) * 16 + col % 8 * 2;
      seen[static_cast<size_t>(row * 64 + col)] = float_of(*reinterpret_cast<bf16*>(tile + byte));
    }
  });
  for (size_t row = 0; row < 32; ++row) {
    for (size_t col = 0; col < 64; ++col) {
      const float wanted = row < 4 && col < 8 ? float_of(data[(16 + row) * 72 + 64 + col]) : 0;
      EXPECT_EQ(seen[row * 64 + col], wanted) << row << ", " << col;
    }
  }
}

TEST(Sm90Mistakes, LoadsArriveOnlyWhenWaitedFor) {
  const std::vector<bf16> data(64 * 64, bf16_of(1));
  const TensorMap map = matrix_map(data, 64, 64, 64);
  float early = 0, late = 0;
  run(32, [&] {
    Barrier* const full = one_barrier(1);
    if (threadIdx.x == 0) {
      barrier_expect(full, 8192);
      tensor_load(tiles(), map, full, 0, 0, 0, 0);
      barrier_wait(full, 1);  // the parity of a phase that has always ended
      early = float_of(*reinterpret_cast<bf16*>(tiles()));
    }
    barrier_wait(full, 0);
    late = float_of(*reinterpret_cast<bf16*>(tiles()));
  });
  EXPECT_TRUE(std::isnan(early));
  EXPECT_EQ(late, 1);
}

TEST_P(Sm90, BulkLoadsCopyLines) {
  alignas(16) int source[40];
  for (int i = 0; i < 40; ++i) source[i] = i;
  const auto loads = [&](int bytes, int offset, int* seen) {
    return error_of(32, [&source, bytes, offset, seen] {
      Barrier* const full = one_barrier(1);
      if (threadIdx.x == 0) {
        barrier_expect(full, bytes);
        bulk_load(tiles(), source + offset, bytes, full);
      }
      barrier_wait(full, 0);
      if (threadIdx.x == 0) std::memcpy(seen, tiles(), 160);
    });
  };
  int seen[40] = {};
  EXPECT_EQ(loads(144, 4, seen), "none");
  EXPECT_EQ(seen[0], 4);
  EXPECT_EQ(seen[35], 39);
  EXPECT_EQ(seen[36], -1);  // the fill
  EXPECT_THAT(loads(150, 0, seen), HasSubstr("other than whole 16 bytes"));
  EXPECT_THAT(loads(16, 1, seen), HasSubstr("other than whole 16 bytes"));
}

TEST_P(Sm90, MistakesOfLoads) {
  const std::vector<bf16> data(64 * 64, bf16_of(1));
  const TensorMap map = matrix_map(data, 64, 64, 64);
  const auto loads = [&](int expected, int count, int offset, bool wait) {
    return error_of(32, [&, expected, count, offset, wait] {
      Barrier* const full = one_barrier(1);
      if (threadIdx.x == 0) {
        barrier_expect(full, expected);
        for (int n = 0; n < count; ++n) tensor_load(tiles() + offset, map, full, 0, 0, 0, 0);
      }
      if (wait) barrier_wait(full, 0);
    });
  };
  EXPECT_EQ(loads(16384, 2, 0, true), "none");
  EXPECT_THAT(loads(16384, 1, 0, true), HasSubstr("for a barrier in shared memory"));
  EXPECT_THAT(loads(8192, 2, 0, true),
              testing::AnyOf(HasSubstr("fewer bytes were expected"), HasSubstr("nobody waited"),
                             HasSubstr("expects -8192 bytes")));
  EXPECT_THAT(loads(8192, 1, 64, true), HasSubstr("not a multiple of 128"));
  EXPECT_THAT(loads(8192, 1, 128, true), HasSubstr("not a multiple of 1024"));
  EXPECT_THAT(loads(8192, 1, static_cast<int>(kShared) - 4096, true), HasSubstr("outside of"));
  if (GetParam() == emu::Order::ascending) {
    EXPECT_THAT(loads(8192, 1, 0, false), HasSubstr("loads of a tensor that nobody waited for"));
  }
  EXPECT_THAT(loads(16384, 1, 0, false),
              testing::AnyOf(HasSubstr("nobody waited for"), HasSubstr("expects 8192 bytes")));
  EXPECT_THAT(error_of(32,
                       [&] {
                         BALLAST_SHARED(Barrier, full, 1);
                         if (threadIdx.x == 0) {
                           barrier_init(full, 1);
                           tensor_load(tiles(), map, full, 0, 0, 0, 0);
                         }
                       }),
              HasSubstr("without a fence behind its initialisation"));
  EXPECT_THROW(make_tensor_map({.data = reinterpret_cast<const char*>(data.data()) + 2,
                                .size = {64, 1, 64, 1},
                                .stride = {128, 128, 8192},
                                .box = {64, 1, 64, 1}}),
               DeviceError);
}

// ---- Matrix instructions ----

// (64 x 32) (32 x kCols) by two instructions; a from shared memory and b K-major, or a from
// registers and b N-major.
template <int kCols, bool kRegisters>
std::vector<float> product(const std::vector<bf16>& a, const std::vector<bf16>& b) {
  const TensorMap map_a = matrix_map(a, 64, 64, 64);
  const TensorMap map_b = kRegisters ? matrix_map(b, 64, kCols, 64) : matrix_map(b, kCols, 64, 64);
  std::vector<float> d(64 * kCols);
  run(128, [&] {
    Barrier* const full = one_barrier(1);
    unsigned char *const tile_a = tiles(), *const tile_b = tile_a + 8192;
    if (threadIdx.x == 0) {
      barrier_expect(full, 8192 * (1 + kCols / 64));
      tensor_load(tile_a, map_a, full, 0, 0, 0, 0);
      for (int n = 0; n < kCols / 64; ++n) {
        tensor_load(tile_b + n * 8192, map_b, full, kRegisters ? 64 * n : 0, 0,
                    kRegisters ? 0 : 64 * n, 0);
      }
    }
    barrier_wait(full, 0);
    const int lane = lane_of_warp(), row = static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;
    float sums[kCols / 2];
    for (float& x : sums) x = 1;
    uint32_t of_a[2][4];
    for (int k = 0; k < 2; ++k) {
      for (int r = 0; r < 4; ++r) {
        const auto at =
            static_cast<size_t>((row + r % 2 * 8) * 64 + k * 16 + lane % 4 * 2 + r / 2 * 8);
        of_a[k][r] = a[at].bits | uint32_t{a[at + 1].bits} << 16;
      }
    }
    wgmma_fence(sums, of_a);
    for (int k = 0; k < 2; ++k) {
      if constexpr (kRegisters) {
        wgmma_bf16(sums, of_a[k], matrix_descriptor(shared_address(tile_b) + 2048 * k, 8192), true);
      } else {
        wgmma_bf16(sums, matrix_descriptor(shared_address(tile_a) + 32 * k, 16),
                   matrix_descriptor(shared_address(tile_b) + 32 * k, 16), true);
      }
    }
    wgmma_commit();
    wgmma_wait<0>(sums, of_a);
    for (int i = 0; i < kCols / 2; ++i) {
      const int col = i / 4 * 8 + lane % 4 * 2 + i % 2;
      d[static_cast<size_t>((row + i / 2 % 2 * 8) * kCols + col)] = sums[i];
    }
  });
  return d;
}

TEST_P(Sm90, MatrixInstructions) {
  const auto check = [](size_t cols, const std::vector<float>& d, const auto& of_b) {
    const std::vector<bf16> a = integers(64 * 64, 7, 13);
    for (size_t r = 0; r < 64; ++r) {
      for (size_t c = 0; c < cols; ++c) {
        float sum = 1;
        for (size_t k = 0; k < 32; ++k) sum += float_of(a[r * 64 + k]) * float_of(of_b(k, c));
        ASSERT_EQ(d[r * cols + c], sum) << r << ", " << c;
      }
    }
  };
  const std::vector<bf16> a = integers(64 * 64, 7, 13), b = integers(128 * 64, 5, 11);
  check(64, product<64, false>(a, b), [&](size_t k, size_t c) { return b[c * 64 + k]; });
  check(128, product<128, false>(a, b), [&](size_t k, size_t c) { return b[c * 64 + k]; });
  check(64, product<64, true>(a, b), [&](size_t k, size_t c) { return b[k * 64 + c]; });
  check(128, product<128, true>(a, b), [&](size_t k, size_t c) { return b[k * 128 + c]; });
}

// What one thread's first sum is after `body(sums, a, descriptor of zeros)`.
template <class Body>
std::string error_with_sums(const Body& body, float* first = nullptr) {
  return error_of(128, [&] {
    unsigned char* const tile = tiles();
    for (int i = static_cast<int>(threadIdx.x); i < 16384; i += 128) tile[i] = 0;
    block_sync();
    float sums[32] = {};
    uint32_t a[1][4] = {};
    body(sums, a, shared_address(tile));
    if (first != nullptr && threadIdx.x == 0) *first = sums[0];
  });
}

TEST(Sm90Mistakes, MatrixInstructions) {
  const auto plain = [](auto& sums, auto&, uint32_t at) {
    wgmma_fence(sums);
    wgmma_bf16(sums, matrix_descriptor(at, 16), matrix_descriptor(at, 16), true);
    wgmma_commit();
  };
  float first = 5;
  EXPECT_EQ(error_with_sums(
                [&](auto& sums, auto& a, uint32_t at) {
                  plain(sums, a, at);
                  wgmma_wait<0>(sums);
                },
                &first),
            "none");
  EXPECT_EQ(first, 0);
  // Not waited for: the sums are not there, and the block may not end.
  EXPECT_THAT(error_with_sums(plain, &first),
              HasSubstr("ended with matrix instructions that it never waited for"));
  EXPECT_TRUE(std::isnan(first));
  // Waited for by a group too few, or without being named: not there either.
  EXPECT_THAT(error_with_sums(
                  [&](auto& sums, auto& a, uint32_t at) {
                    plain(sums, a, at);
                    wgmma_wait<1>(sums);
                  },
                  &first),
              HasSubstr("never waited for"));
  EXPECT_TRUE(std::isnan(first));
  EXPECT_THAT(error_with_sums(
                  [&](auto& sums, auto& a, uint32_t at) {
                    plain(sums, a, at);
                    wgmma_wait<0>();
                  },
                  &first),
              HasSubstr("sums that no wait named"));
  EXPECT_TRUE(std::isnan(first));
  EXPECT_THAT(error_with_sums([&](auto& sums, auto& a, uint32_t at) {
                plain(sums, a, at);
                sums[3] = 1;
                wgmma_wait<0>(sums);
              }),
              HasSubstr("sums were written before their wgmma was waited for"));
  EXPECT_THAT(error_with_sums([](auto& sums, auto&, uint32_t at) {
                wgmma_bf16(sums, matrix_descriptor(at, 16), matrix_descriptor(at, 16), true);
              }),
              HasSubstr("sums that no wgmma.fence names"));
  EXPECT_THAT(error_with_sums([&](auto& sums, auto& a, uint32_t at) {
                plain(sums, a, at);
                wgmma_wait<0>(sums);
                sums[0] = 2;
                wgmma_bf16(sums, matrix_descriptor(at, 16), matrix_descriptor(at, 16), true);
              }),
              HasSubstr("sums that no wgmma.fence names since the last wait"));
  EXPECT_THAT(error_with_sums([](auto& sums, auto& a, uint32_t at) {
                wgmma_fence(sums);
                wgmma_bf16(sums, a[0], matrix_descriptor(at, 16), true);
              }),
              HasSubstr("registers that no wgmma.fence names"));
  EXPECT_THAT(error_with_sums([](auto& sums, auto& a, uint32_t at) {
                wgmma_fence(sums, a);
                wgmma_bf16(sums, a[0], matrix_descriptor(at, 16), true);
                wgmma_commit();
                a[0][2] = 7;
                wgmma_wait<0>(sums, a);
              }),
              HasSubstr("registers of a were written before"));
  EXPECT_THAT(error_with_sums([&](auto& sums, auto& a, uint32_t at) {
                plain(sums, a, threadIdx.x < 32 ? at : at + 1024);
                wgmma_wait<0>(sums);
              }),
              HasSubstr("warps of warpgroup 0 issued different instructions"));
}

TEST(Sm90Mistakes, Descriptors) {
  const auto with = [](uint64_t change, uint32_t offset) {
    return error_with_sums([=](auto& sums, auto&, uint32_t at) {
      wgmma_fence(sums);
      wgmma_bf16(sums, matrix_descriptor(at + offset, 16) ^ change, matrix_descriptor(at, 16),
                 true);
      wgmma_commit();
      wgmma_wait<0>(sums);
    });
  };
  EXPECT_EQ(with(0, 32), "none");
  EXPECT_THAT(with(uint64_t{3} << 62, 0), HasSubstr("another swizzle than of 128 bytes"));
  EXPECT_THAT(with(0, 128), HasSubstr("does not begin at a multiple of 1024"));
  EXPECT_THAT(with(uint64_t{1} << 49, 0), HasSubstr("does not begin at a multiple of 1024"));
  EXPECT_THAT(with(uint64_t{8} << 32, 0), HasSubstr("stride that breaks the swizzle"));
  EXPECT_THAT(with(0, kShared), HasSubstr("outside of the dynamic array"));
}

// A tile that was loaded without the swizzle of the descriptor gives another product.
TEST(Sm90Mistakes, WrongSwizzle) {
  const std::vector<bf16> a = integers(64 * 64, 7, 13);
  const auto sum_with = [&](bool swizzle) {
    TensorMap map = matrix_map(a, 64, 64, 64);
    map.swizzle = swizzle;
    float sum = 0;
    run(128, [&] {
      Barrier* const full = one_barrier(1);
      if (threadIdx.x == 0) {
        barrier_expect(full, 8192);
        tensor_load(tiles(), map, full, 0, 0, 0, 0);
      }
      barrier_wait(full, 0);
      float sums[32] = {};
      const uint64_t both = matrix_descriptor(shared_address(tiles()), 16);
      wgmma_fence(sums);
      wgmma_bf16(sums, both, both, true);
      wgmma_commit();
      wgmma_wait<0>(sums);
      if (threadIdx.x == 4) sum = sums[0];
    });
    return sum;
  };
  float wanted = 0;
  for (size_t k = 0; k < 16; ++k) wanted += float_of(a[64 + k]) * float_of(a[k]);
  EXPECT_EQ(sum_with(true), wanted);
  EXPECT_NE(sum_with(false), wanted);
}

}  // namespace
}  // namespace ballast
