#include "libcore/tensor/arena.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Arena, CountsWithoutMemoryInMultiplesOfTheAlignment) {
  Arena arena;
  EXPECT_EQ(arena.take(Dtype::f32, 3, 5).data, nullptr);
  EXPECT_EQ(arena.mark(), 256);
  arena.take(Dtype::f64, 1, 33);
  EXPECT_EQ(arena.mark(), 256 + 512);
  arena.rewind(256);
  arena.take(Dtype::f32, 1, 1);
  EXPECT_EQ(arena.mark(), 512);
  EXPECT_EQ(arena.peak_bytes(), 768);
}

TEST(Arena, ActivationsNeverBeginAPageApart) {
  Arena arena;
  EXPECT_EQ(arena.take_activations(Dtype::f32, 8, 384).stride, 384);
  const Tensor wide = arena.take_activations(Dtype::f32, 8, 2048);
  EXPECT_EQ(wide.cols, 2048);
  EXPECT_EQ(wide.stride, 2048 + 16);
  EXPECT_EQ(arena.take_activations(Dtype::bf16, 8, 2048).stride, 2048 + 32);
  EXPECT_EQ(arena.take_activations(Dtype::f32, 1, 2048).stride, 2048);
  const int64_t before = arena.mark();
  arena.take_activations(Dtype::f32, 8, 1024);
  EXPECT_EQ(arena.mark() - before, 8 * (1024 + 16) * 4);
}

}  // namespace
}  // namespace ballast
