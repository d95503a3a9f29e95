// The laws that choose scales for FP8: pure functions of an amax, used alike by the trainer and the
// probe. `scale` multiplies before the cast. Three published rules, told apart by granularity:
//   tensor            Transformer Engine, current scaling: fp8_max / amax in fp32
//   row               torchao, row-wise: fp8_max / max(amax, 1e-12) in fp64, rounded down to a
//                     power of two
//   1x128, 128x128    Transformer Engine, block-wise: as tensor, rounded down to a power of two
// `ceil` is DeepGEMM's rule in any granularity: scale^-1 = max(amax, 1e-4) / fp8_max, rounded up to
// a power of two. An amax of 0 or a non-finite one gives scale 1, a quotient past fp32 the largest
// finite value of the type that is cast.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/precision/fp8.h"

namespace ballast {

enum class Granularity { tensor, row, block_1x128, block_128x128 };
enum class PowerOfTwo { off, floor, ceil };

struct Recipe {
  Granularity granularity = Granularity::tensor;
  Fp8Format format = Fp8Format::e4m3;
  PowerOfTwo power_of_two = PowerOfTwo::off;
  bool operator==(const Recipe&) const = default;
  std::string name() const;  // what parse_recipe() reads, shortest form
};

// "row", "1x128:e5m2", "tensor:floor", "128x128:e4m3:exact": granularity, then a format (e4m3 when
// absent) and a rounding of the scale (exact, floor, ceil; the rule's own when absent).
Result<Recipe> parse_recipe(std::string_view word, const std::string& flag);
// Words separated by commas, none twice.
Result<std::vector<Recipe>> parse_recipes(std::string_view list, const std::string& flag);

// `amax` of the finite values' magnitudes, or NaN/Inf when there was one; `source_max` is the
// largest finite value of the type that is cast.
float scale_of(const Recipe& recipe, float amax, float source_max);

}  // namespace ballast
