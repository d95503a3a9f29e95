// The coordinate check of muP (Yang et al. 2022): a model is trained for a few steps at several
// widths, and the size of its activations is compared. Under muP no module's mean |x| depends on
// the width at any step (logits may fall at the first); under the standard parametrisation slopes
// rise with the steps. Widths change the hidden size, the MLP and the number of heads in
// proportion; head_dim and depth stay. Deterministic in the seeds. Errors: kind usage for a width
// that the model's shape does not divide.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/model/config.h"
#include "libcore/tensor/backend.h"

namespace ballast {

struct CoordSettings {
  std::vector<int64_t> widths = {64, 128, 256};
  int64_t steps = 4, seeds = 3;
  double lr = 3e-3;  // larger than one would train with: what grows should show
  int64_t sequences = 4, seq_len = 64;
};

// Mean |x| over all elements of a module's output, in front of update `step` (from 1).
struct CoordPoint {
  int64_t width = 0, seed = 0, step = 0;
  int64_t layer = -1;  // -1: outside the blocks
  std::string module;  // qkv, attention, mid, fc1, mlp, out, logits
  double mean_abs = 0;
};

// Slope of log2 mean |x| over log2 width by least squares, x being the mean over seeds and layers.
struct CoordSlope {
  std::string module;
  int64_t step = 0;
  std::vector<double> mean_abs;  // per width
  double slope = 0;
  bool judged = true;  // logits of the first step are not: they may fall
};

// `model` at another width.
Result<ModelConfig> at_width(const ModelConfig& model, int64_t width);

Result<std::vector<CoordPoint>> measure_coordinates(Backend& backend, const ModelConfig& model,
                                                    const CoordSettings& settings);

std::vector<CoordSlope> coordinate_slopes(const std::vector<CoordPoint>& points,
                                          const CoordSettings& settings);

// What a person sees: a table of sizes and slopes; a gnuplot script with one panel per step.
std::string coordinate_table(const std::vector<CoordSlope>& slopes, const CoordSettings& settings);
std::string coordinate_chart(const std::vector<CoordSlope>& slopes, const CoordSettings& settings,
                             int columns);
std::string coordinate_script(const std::vector<CoordSlope>& slopes, const CoordSettings& settings,
                              const std::string& title, bool png);

}  // namespace ballast
