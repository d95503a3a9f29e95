#include "libcore/precision/probe.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>

#include "libcore/precision/chunk.h"
#include "libcore/precision/half.h"
#include "libcore/precision/piece_stream.h"

namespace ballast {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

float source_max(std::string_view dtype) {
  if (dtype == "BF16") return bf16_to_float(0x7F7F);
  if (dtype == "F16") return 65504.0f;
  if (dtype == "F8_E4M3") return kE4m3.max_finite;
  if (dtype == "F8_E5M2") return kE5m2.max_finite;
  return std::numeric_limits<float>::max();
}

// Counts of the bit patterns of a 16-bit type. Two tables, because neighbours are often equal and
// an increment would wait for the one before it.
class CodeHistogram {
 public:
  void add(Bytes raw) {
    const size_t n = raw.size() / 2;
    if (pending_ + n > std::numeric_limits<uint32_t>::max()) flush();
    pending_ += n;
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
      ++even_[load_le<uint16_t>(raw.data() + 2 * i)];
      ++odd_[load_le<uint16_t>(raw.data() + 2 * i + 2)];
    }
    if (i < n) ++even_[load_le<uint16_t>(raw.data() + 2 * i)];
  }
  std::span<const int64_t, kHalfCodes> counts() {
    flush();
    return std::span<const int64_t, kHalfCodes>(total_);
  }

 private:
  void flush() {
    for (size_t code = 0; code < kHalfCodes; ++code) {
      total_[code] += int64_t{even_[code]} + odd_[code];
    }
    std::fill(even_.begin(), even_.end(), 0u);
    std::fill(odd_.begin(), odd_.end(), 0u);
    pending_ = 0;
  }
  std::vector<uint32_t> even_ = std::vector<uint32_t>(kHalfCodes);
  std::vector<uint32_t> odd_ = std::vector<uint32_t>(kHalfCodes);
  std::vector<int64_t> total_ = std::vector<int64_t>(kHalfCodes);
  size_t pending_ = 0;
};

// Everything the second pass needs to know about scales.
struct Ranges {
  uint32_t tensor_bits = 0;
  std::vector<uint32_t> row_bits;    // (rows)
  std::vector<uint32_t> block_bits;  // (row_blocks, column_blocks)
};

// Sums in units of x, and what is made of them at the end.
struct Tally {
  Recipe recipe;
  ChunkError sums;
  std::vector<float> block_db;
  float scale_min = std::numeric_limits<float>::infinity();
  float scale_max = 0;
};

void add_scaled(ChunkError& total, const ChunkError& part, float scale) {
  const double unit = 1.0 / (static_cast<double>(scale) * static_cast<double>(scale));
  total.yy += part.yy * unit;
  total.qy += part.qy * unit;
  total.qq += part.qq * unit;
  total.ee += part.ee * unit;
  total.underflow += part.underflow;
  total.subnormal += part.subnormal;
  total.clip += part.clip;
  total.top += part.top;
}

// Error of casting every counted pattern with one scale: exact for any number of values.
ChunkError error_of_codes(std::span<const int64_t, kHalfCodes> counts,
                          std::span<const float, kHalfCodes> values, float scale,
                          Fp8Format format) {
  ChunkError total;
  std::array<float, kChunk> chunk = {};
  for (size_t code = 0; code < kHalfCodes; ++code) {
    if (counts[code] == 0 || values[code] == 0.0f) continue;
    chunk[0] = values[code];
    const ChunkError one = chunk_error(chunk.data(), scale, format);
    const auto times = static_cast<double>(counts[code]);
    total.yy += times * one.yy;
    total.qy += times * one.qy;
    total.qq += times * one.qq;
    total.ee += times * one.ee;
    total.underflow += counts[code] * one.underflow;
    total.subnormal += counts[code] * one.subnormal;
    total.clip += counts[code] * one.clip;
    total.top += counts[code] * one.top;
  }
  return total;
}

double decibels(double signal, double noise) {
  return noise == 0.0 ? kInfinity : 10.0 * std::log10(signal / noise);
}

// Squares too small for fp32 are flushed with everything else in their block: no signal is left.
float block_decibels(const ChunkError& block) {
  return block.yy == 0.0 ? 0.0f : static_cast<float>(decibels(block.yy, block.ee));
}

double order_statistic(std::vector<float>& values, double share) {
  const auto index = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + index, values.end());
  return static_cast<double>(values[static_cast<size_t>(index)]);
}

void note_span(TensorSignals& signals, const float* chunk, uint32_t amax_bits) {
  if (amax_bits == 0) return;
  ++signals.n_blocks;
  if (amax_bits >= 0x7F800000u) return;
  const float ratio_log = std::log2(std::bit_cast<float>(amax_bits)) -
                          std::log2(std::bit_cast<float>(chunk_amin_bits(chunk)));
  const auto span = std::min<size_t>(static_cast<size_t>(ratio_log), 63);
  ++signals.block_spans[span];
}

struct FirstPass {
  Ranges ranges;
  std::unique_ptr<CodeHistogram> histogram;  // for 16-bit types
  std::vector<float> code_values;
};

Result<FirstPass> first_pass(const ProbedTensor& tensor, const Geometry& geometry,
                             TensorSignals& signals) {
  FirstPass pass;
  const bool bf16 = tensor.dtype == "BF16";
  if (bf16 || tensor.dtype == "F16") {
    pass.histogram = std::make_unique<CodeHistogram>();
    pass.code_values.resize(kHalfCodes);
    for (size_t code = 0; code < kHalfCodes; ++code) {
      const auto bits = static_cast<uint16_t>(code);
      pass.code_values[code] = bf16 ? bf16_to_float(bits) : f16_to_float(bits);
    }
  }
  Ranges& ranges = pass.ranges;
  ranges.row_bits.resize(static_cast<size_t>(geometry.rows));
  ranges.block_bits.resize(static_cast<size_t>(geometry.row_blocks() * geometry.column_blocks()));
  PieceStream stream(tensor, geometry);
  Piece piece;
  while (BALLAST_TRY(stream.next(piece))) {
    if (pass.histogram) {
      pass.histogram->add(piece.raw);
    } else {
      signals.values.add(piece.values);
    }
    for_each_chunk(piece, geometry, [&](int64_t row, int64_t column, const float* chunk) {
      const uint32_t bits = chunk_amax_bits(chunk);
      uint32_t& of_row = ranges.row_bits[static_cast<size_t>(row)];
      uint32_t& of_block = ranges.block_bits[static_cast<size_t>(
          geometry.block_row(row) * geometry.column_blocks() + column / kChunk)];
      of_row = std::max(of_row, bits);
      of_block = std::max(of_block, bits);
      note_span(signals, chunk, bits);
    });
  }
  for (uint32_t bits : ranges.row_bits) ranges.tensor_bits = std::max(ranges.tensor_bits, bits);
  if (pass.histogram) {
    signals.values = ValueStats::of_codes(pass.histogram->counts(),
                                          std::span<const float, kHalfCodes>(pass.code_values));
  }
  return pass;
}

uint32_t amax_bits_for(const Recipe& recipe, const Ranges& ranges, const Geometry& geometry,
                       int64_t row, int64_t column, const float* chunk) {
  switch (recipe.granularity) {
    case Granularity::tensor:
      return ranges.tensor_bits;
    case Granularity::row:
      return ranges.row_bits[static_cast<size_t>(row)];
    case Granularity::block_1x128:
      return chunk_amax_bits(chunk);
    case Granularity::block_128x128:
      break;
  }
  return ranges.block_bits[static_cast<size_t>(geometry.block_row(row) * geometry.column_blocks() +
                                               column / kChunk)];
}

int64_t count_of_scales(Granularity granularity, const Geometry& geometry) {
  switch (granularity) {
    case Granularity::tensor:
      return 1;
    case Granularity::row:
      return geometry.rows;
    case Granularity::block_1x128:
      return geometry.rows * geometry.column_blocks();
    case Granularity::block_128x128:
      break;
  }
  return geometry.row_blocks() * geometry.column_blocks();
}

RecipeSignals conclude(Tally& tally, const ValueStats& values, const Geometry& geometry) {
  const ChunkError& sums = tally.sums;
  const auto n = static_cast<double>(values.n_nonzero());
  RecipeSignals out;
  out.recipe = tally.recipe;
  out.underflow_frac = static_cast<double>(sums.underflow) / n;
  out.subnormal_frac = static_cast<double>(sums.subnormal) / n;
  out.clip_frac = static_cast<double>(sums.clip) / n;
  out.top_bin_frac = static_cast<double>(sums.top) / n;
  out.sqnr_db = sums.yy == 0.0 ? 0.0 : decibels(sums.yy, sums.ee);
  out.sqnr_bulk_db = order_statistic(tally.block_db, 0.5);
  out.sqnr_p01_db = order_statistic(tally.block_db, 0.01);
  out.gain = sums.yy == 0.0 ? 0.0 : sums.qy / sums.yy;
  out.cosine = sums.qq == 0.0 ? 0.0 : sums.qy / std::sqrt(sums.qq * sums.yy);
  out.baseline_db = limits_of(tally.recipe.format).baseline_db;
  out.loss_db = out.baseline_db - out.sqnr_bulk_db;
  out.log2_scale_min = std::log2(static_cast<double>(tally.scale_min));
  out.log2_scale_max = std::log2(static_cast<double>(tally.scale_max));
  out.n_scales = count_of_scales(tally.recipe.granularity, geometry);
  return out;
}

}  // namespace

double TensorSignals::share_of_spans_from(int binades) const {
  if (n_blocks == 0) return 0.0;
  int64_t over = 0;
  for (size_t span = static_cast<size_t>(binades); span < block_spans.size(); ++span) {
    over += block_spans[span];
  }
  return static_cast<double>(over) / static_cast<double>(n_blocks);
}

Result<TensorSignals> probe_tensor(const ProbedTensor& tensor, std::span<const Recipe> recipes) {
  const Geometry geometry(tensor.shape);
  TensorSignals signals;
  // A hostile shape may have no elements and any number of rows.
  if (geometry.rows == 0 || geometry.columns == 0) return signals;
  FirstPass pass = BALLAST_TRY(first_pass(tensor, geometry, signals));
  if (recipes.empty() || signals.values.n_nonzero() == 0) return signals;

  const float largest = source_max(tensor.dtype);
  std::vector<Tally> tallies(recipes.size());
  for (size_t i = 0; i < recipes.size(); ++i) tallies[i].recipe = recipes[i];
  PieceStream stream(tensor, geometry);
  Piece piece;
  while (BALLAST_TRY(stream.next(piece))) {
    for_each_chunk(piece, geometry, [&](int64_t row, int64_t column, const float* chunk) {
      if (chunk_amax_bits(chunk) == 0) return;
      for (Tally& tally : tallies) {
        const uint32_t bits =
            amax_bits_for(tally.recipe, pass.ranges, geometry, row, column, chunk);
        const float scale = scale_of(tally.recipe, std::bit_cast<float>(bits), largest);
        const ChunkError block = chunk_error(chunk, scale, tally.recipe.format);
        tally.scale_min = std::min(tally.scale_min, scale);
        tally.scale_max = std::max(tally.scale_max, scale);
        if (block.yy > 0.0 || block.underflow > 0) {
          tally.block_db.push_back(block_decibels(block));
        }
        add_scaled(tally.sums, block, scale);
      }
    });
  }
  for (Tally& tally : tallies) {
    if (pass.histogram && tally.recipe.granularity == Granularity::tensor) {
      tally.sums = error_of_codes(pass.histogram->counts(),
                                  std::span<const float, kHalfCodes>(pass.code_values),
                                  tally.scale_max, tally.recipe.format);
    }
    signals.recipes.push_back(conclude(tally, signals.values, geometry));
  }
  return signals;
}

}  // namespace ballast
