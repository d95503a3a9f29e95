#include "libcore/precision/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "libcore/base/rng.h"
#include "libcore/precision/half.h"

namespace ballast {
namespace {

ProbedTensor tensor_of(std::string dtype, std::vector<int64_t> shape, Bytes bytes) {
  return {std::move(dtype), std::move(shape), [bytes](int64_t offset, MutableBytes into) {
            EXPECT_LE(static_cast<size_t>(offset) + into.size(), bytes.size());
            std::memcpy(into.data(), bytes.data() + offset, into.size());
            return Result<void>();
          }};
}
ProbedTensor tensor_of(const std::vector<float>& values, std::vector<int64_t> shape) {
  return tensor_of("F32", std::move(shape), std::as_bytes(std::span(values)));
}

std::vector<Recipe> recipes(const char* list) { return parse_recipes(list, "test").value(); }
TensorSignals probe(const ProbedTensor& tensor, const char* list) {
  auto result = probe_tensor(tensor, recipes(list));
  EXPECT_TRUE(result.ok());
  return result.take_value();
}

std::vector<float> normal_values(int64_t n, uint64_t stream) {
  std::vector<float> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(random_normal(11, stream, i)) * 0.02f;
  }
  return values;
}

// The same signals by the plainest loops: scalar codec, one value after the other.
struct Plain {
  double yy = 0, qy = 0, qq = 0, ee = 0;
  int64_t underflow = 0, subnormal = 0, clip = 0, top = 0, nonzero = 0;
  std::map<int64_t, std::pair<double, double>> blocks;  // 1x128 block -> signal, noise
};

Plain plain_cast(const std::vector<float>& values, int64_t rows, int64_t columns,
                 int64_t matrix_rows, const Recipe& recipe) {
  const Fp8Limits& limits = limits_of(recipe.format);
  auto group = [&](int64_t row, int64_t column) -> int64_t {
    const int64_t matrix = row / matrix_rows;
    switch (recipe.granularity) {
      case Granularity::tensor:
        return 0;
      case Granularity::row:
        return row;
      case Granularity::block_1x128:
        return row * 10000 + column / 128;
      default:
        return (matrix * 1000 + row % matrix_rows / 128) * 10000 + column / 128;
    }
  };
  std::map<int64_t, float> amax;
  for (int64_t i = 0; i < rows * columns; ++i) {
    float& known = amax[group(i / columns, i % columns)];
    const float value = std::abs(values[static_cast<size_t>(i)]);
    if (!(value <= known)) known = value;
  }
  Plain plain;
  for (int64_t i = 0; i < rows * columns; ++i) {
    const float x = values[static_cast<size_t>(i)];
    if (!std::isfinite(x) || x == 0) continue;
    const float scale = scale_of(recipe, amax[group(i / columns, i % columns)], 3.4028235e38f);
    const float y = x * scale;
    const float q = decode_fp8(encode_fp8(y, recipe.format), recipe.format);
    const double unit = 1.0 / (double{scale} * scale);
    const double signal = double{y} * y * unit;
    const double noise = (double{q} - y) * (double{q} - y) * unit;
    plain.yy += signal;
    plain.ee += noise;
    plain.qy += double{q} * y * unit;
    plain.qq += double{q} * q * unit;
    auto& block = plain.blocks[i / columns * 10000 + i % columns / 128];
    block.first += signal;
    block.second += noise;
    ++plain.nonzero;
    plain.underflow += q == 0;
    plain.subnormal += q != 0 && std::abs(q) < limits.min_normal;
    plain.clip +=
        limits.tie_rounds_down ? std::abs(y) > limits.last_tie : std::abs(y) >= limits.last_tie;
    plain.top += std::abs(q) == limits.max_finite;
  }
  return plain;
}

void expect_decibels(double got, double wanted, double tolerance) {
  if (std::isinf(wanted)) {
    EXPECT_EQ(got, wanted);  // an exact cast
  } else {
    EXPECT_NEAR(got, wanted, tolerance);
  }
}

void expect_plain(const RecipeSignals& got, const Plain& plain) {
  SCOPED_TRACE(got.recipe.name());
  const auto n = static_cast<double>(plain.nonzero);
  EXPECT_DOUBLE_EQ(got.underflow_frac, static_cast<double>(plain.underflow) / n);
  EXPECT_DOUBLE_EQ(got.subnormal_frac, static_cast<double>(plain.subnormal) / n);
  EXPECT_DOUBLE_EQ(got.clip_frac, static_cast<double>(plain.clip) / n);
  EXPECT_DOUBLE_EQ(got.top_bin_frac, static_cast<double>(plain.top) / n);
  // Sums of eight fp32 terms per lane: relative error below 16 * 2^-24, 4e-6 dB.
  expect_decibels(got.sqnr_db, 10 * std::log10(plain.yy / plain.ee), 1e-5);
  EXPECT_NEAR(got.gain, plain.qy / plain.yy, 1e-6);
  EXPECT_NEAR(got.cosine, plain.qy / std::sqrt(plain.qq * plain.yy), 1e-6);
  std::vector<double> decibels;
  for (const auto& [key, block] : plain.blocks) {
    decibels.push_back(10 * std::log10(block.first / block.second));
  }
  std::sort(decibels.begin(), decibels.end());
  expect_decibels(got.sqnr_bulk_db, decibels[(decibels.size() - 1) / 2], 1e-4);
  expect_decibels(got.sqnr_p01_db, decibels[(decibels.size() - 1) / 100], 1e-4);
}

constexpr const char* kAll =
    "tensor,tensor:e5m2,tensor:floor,row,row:e5m2:exact,1x128,1x128:ceil,1x128:e5m2,128x128,"
    "128x128:e5m2";

TEST(Probe, AgreesWithThePlainLoops) {
  struct Case {
    std::vector<int64_t> shape;
    int64_t rows, columns, matrix_rows;
  };
  for (const Case& c :
       {Case{{5, 300}, 5, 300, 5}, Case{{200, 129}, 200, 129, 200},
        Case{{3, 130, 64}, 390, 64, 130}, Case{{777}, 1, 777, 1}, Case{{2, 1}, 2, 1, 2}}) {
    std::vector<float> values = normal_values(c.rows * c.columns, 1);
    for (size_t i = 0; i < values.size(); i += 97) values[i] *= 3000;  // outliers
    for (size_t i = 5; i < values.size(); i += 31) values[i] = i % 2 == 0 ? 0.0f : -0.0f;
    const TensorSignals got = probe(tensor_of(values, c.shape), kAll);
    for (const RecipeSignals& signals : got.recipes) {
      expect_plain(signals, plain_cast(values, c.rows, c.columns, c.matrix_rows, signals.recipe));
    }
  }
}

TEST(Probe, NarrowTypesGiveWhatTheirFloatsGive) {
  const std::vector<float> normal = normal_values(64 * 200, 2);
  std::vector<uint16_t> bf16, f16;
  std::vector<float> from_bf16, from_f16;
  for (float value : normal) {
    bf16.push_back(float_to_bf16(value));
    from_bf16.push_back(bf16_to_float(bf16.back()));
    f16.push_back(float_to_f16(value));
    from_f16.push_back(f16_to_float(f16.back()));
  }
  auto compare = [&](const char* dtype, const std::vector<uint16_t>& codes,
                     const std::vector<float>& floats) {
    const auto narrow =
        probe(tensor_of(dtype, {64, 200}, std::as_bytes(std::span(codes))), "tensor,row,128x128");
    const auto wide = probe(tensor_of(floats, {64, 200}), "tensor,row,128x128");
    EXPECT_EQ(narrow.values.exponents, wide.values.exponents);
    EXPECT_EQ(narrow.block_spans, wide.block_spans);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(narrow.recipes[i].underflow_frac, wide.recipes[i].underflow_frac);
      EXPECT_EQ(narrow.recipes[i].subnormal_frac, wide.recipes[i].subnormal_frac);
      EXPECT_NEAR(narrow.recipes[i].sqnr_db, wide.recipes[i].sqnr_db, 1e-5);
      EXPECT_EQ(narrow.recipes[i].sqnr_bulk_db, wide.recipes[i].sqnr_bulk_db);
    }
  };
  compare("BF16", bf16, from_bf16);
  compare("F16", f16, from_f16);
}

TEST(Probe, LongRowsAreCutAtChunkBorders) {
  const std::vector<float> values = normal_values((1 << 20) + 300, 3);
  const auto got = probe(tensor_of(values, {1, (1 << 20) + 300}), "row:exact,1x128");
  for (const RecipeSignals& signals : got.recipes) {
    expect_plain(signals, plain_cast(values, 1, (1 << 20) + 300, 1, signals.recipe));
  }
}

// Published shares and decibels for these distributions (4M samples of bf16 there).
TEST(Probe, FindsThePublishedFiguresOfKnownDistributions) {
  constexpr int64_t kRows = 1024, kColumns = 1024;
  std::vector<float> gauss = normal_values(kRows * kColumns, 4);
  const auto bell = probe(tensor_of(gauss, {kRows, kColumns}), "tensor,tensor:e5m2,1x128");
  EXPECT_NEAR(bell.recipes[0].sqnr_db, 31.5, 0.2);
  EXPECT_NEAR(bell.recipes[0].sqnr_bulk_db, 31.5, 0.3);
  EXPECT_LT(bell.recipes[0].underflow_frac, 1e-4);
  EXPECT_NEAR(bell.recipes[1].sqnr_db, 25.6, 0.2);
  EXPECT_NEAR(bell.recipes[2].sqnr_db, 31.5, 0.2);
  EXPECT_NEAR(bell.recipes[0].gain, 1.0, 1e-3);
  EXPECT_NEAR(bell.recipes[0].cosine, 0.9996, 1e-4);
  EXPECT_EQ(bell.recipes[0].clip_frac, 0.0);

  std::vector<float> heavy(gauss.size());
  for (size_t i = 0; i < heavy.size(); ++i) heavy[i] = std::exp(3.0f * gauss[i] / 0.02f);
  const auto tail = probe(tensor_of(heavy, {kRows, kColumns}), "tensor,1x128");
  // The whole-tensor figure looks splendid while nearly everything is lost.
  EXPECT_GT(tail.recipes[0].sqnr_db, 35.0);
  EXPECT_GT(tail.recipes[0].underflow_frac, 0.7);
  EXPECT_LT(tail.recipes[0].sqnr_p01_db, tail.recipes[1].sqnr_p01_db - 3);
  EXPECT_LT(tail.recipes[1].underflow_frac, tail.recipes[0].underflow_frac);
  EXPECT_GT(tail.values.kurtosis(), 1000.0);
}

TEST(Probe, NonFiniteValuesAreCountedAndLeftOut) {
  std::vector<float> values(256, 1.0f);
  values[3] = std::numeric_limits<float>::infinity();
  values[200] = std::nanf("");
  const auto got = probe(tensor_of(values, {2, 128}), "tensor,row,1x128");
  EXPECT_EQ(got.values.n_inf, 1);
  EXPECT_EQ(got.values.n_nan, 1);
  for (const RecipeSignals& signals : got.recipes) {
    EXPECT_TRUE(std::isinf(signals.sqnr_db));  // 1.0 is exact with scale 1
    EXPECT_EQ(signals.clip_frac, 0.0);
    EXPECT_EQ(signals.gain, 1.0);
  }
}

TEST(Probe, EmptyAndZeroTensorsHaveNoRecipes) {
  EXPECT_TRUE(probe(tensor_of({}, {int64_t{1} << 40, 0}), "row").recipes.empty());
  const std::vector<float> zeros(256, 0.0f);
  const auto got = probe(tensor_of(zeros, {2, 128}), "tensor,row,1x128,128x128");
  EXPECT_TRUE(got.recipes.empty());
  EXPECT_EQ(got.values.n_zero, 256);
  EXPECT_EQ(got.n_blocks, 0);
}

TEST(Probe, ValuesBelowTheRangeOfFloatSquaresAreStillLost) {
  std::vector<float> values(256, 1e-30f);
  std::fill(values.begin(), values.begin() + 128, 1.0f);
  const auto got = probe(tensor_of(values, {2, 128}), "tensor,row");
  EXPECT_EQ(got.recipes[0].underflow_frac, 0.5);
  EXPECT_EQ(got.recipes[0].sqnr_p01_db, 0.0);
  EXPECT_EQ(got.recipes[1].underflow_frac, 0.5);  // below the clamp of the row rule
  EXPECT_EQ(probe(tensor_of(values, {2, 128}), "1x128").recipes[0].underflow_frac, 0.0);
}

TEST(Probe, BlockSpansAreCountedInBinades) {
  std::vector<float> values(3 * 128, 1.0f);
  values[5] = 0x1p-16f;        // first block: 16 binades
  values[128 + 7] = 0x1p-20f;  // second: 20
  const auto got = probe(tensor_of(values, {3, 128}), "1x128");
  EXPECT_EQ(got.n_blocks, 3);
  EXPECT_DOUBLE_EQ(got.share_of_spans_from(15), 2.0 / 3);
  EXPECT_DOUBLE_EQ(got.share_of_spans_from(17), 1.0 / 3);
  EXPECT_DOUBLE_EQ(got.share_of_spans_from(21), 0.0);
}

TEST(Probe, PassesOnReadErrors) {
  ProbedTensor tensor{
      "F32", {4, 4}, [](int64_t, MutableBytes) { return Result<void>(io_error("gone", "x")); }};
  auto result = probe_tensor(tensor, recipes("row"));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().what, "gone");
}

}  // namespace
}  // namespace ballast
