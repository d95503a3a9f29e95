// What a cast to FP8 would do to a tensor, recipe by recipe. Two streaming passes: the first
// collects the values' statistics and the amax of every row and 128x128 block, the second casts
// blocks of 1x128 with the scale that the recipe gives them. Tensors of 16-bit types are counted by
// bit pattern in the first pass, which makes the sums of tensor-wide recipes exact. Memory: one
// piece (4 MiB), an amax per row and block, and per recipe one float per 1x128 block. A tensor is
// one thread's work; the result does not depend on the vector unit.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/bytes.h"
#include "libcore/base/result.h"
#include "libcore/precision/recipe.h"
#include "libcore/precision/value_stats.h"

namespace ballast {

// A tensor to look at; its last dimension is the one that 1x128 blocks lie along. read() fills the
// whole span from a byte offset.
struct ProbedTensor {
  std::string dtype;  // names of ballast-safetensors(5)
  std::vector<int64_t> shape;
  std::function<Result<void>(int64_t offset, MutableBytes into)> read;
};

// F64 (rounded to fp32 first), F32, F16, BF16, F8_E4M3 and F8_E5M2 can be probed.
bool can_probe(std::string_view dtype);

// Fractions are of the finite non-zero values. Decibels compare with the unquantised tensor; an
// exact cast is Infinity. `bulk` is the lower median and `p01` the first percentile over the 1x128
// blocks that are not all zero: with outliers the SQNR of the whole tensor is blind (it even rises
// when most values are flushed to zero).
struct RecipeSignals {
  Recipe recipe;
  double underflow_frac = 0;  // x != 0 became 0
  double subnormal_frac = 0;
  double clip_frac = 0;     // past the last rounding tie, so that fp32 scales cannot raise it
  double top_bin_frac = 0;  // became +-max
  double sqnr_db = 0;
  double sqnr_bulk_db = 0;
  double sqnr_p01_db = 0;
  double gain = 0;  // <q,x> / <x,x>
  double cosine = 0;
  double baseline_db = 0;  // of the format
  double loss_db = 0;      // baseline_db - sqnr_bulk_db
  double log2_scale_min = 0;
  double log2_scale_max = 0;
  int64_t n_scales = 0;
};

struct TensorSignals {
  ValueStats values;
  int64_t n_blocks = 0;  // of 1x128, not all zero
  // Blocks by span in binades, floor(log2(amax / amin_nonzero)), the last entry for 63 and more.
  std::vector<int64_t> block_spans = std::vector<int64_t>(64);
  std::vector<RecipeSignals> recipes;  // as asked; empty when there is no finite non-zero value

  // Share of the blocks whose span is at least `binades`.
  double share_of_spans_from(int binades) const;
};

Result<TensorSignals> probe_tensor(const ProbedTensor& tensor, std::span<const Recipe> recipes);

}  // namespace ballast
