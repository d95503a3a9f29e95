#include "kernels/cuda/optimizer_ranges.h"

#include <algorithm>

#include "kernels/ref/optimizer.h"

namespace ballast {

namespace {

constexpr int kRangesPerLaunch = 256;  // what fits the arguments of a kernel

struct RangeList {
  OptimizerRange at[kRangesPerLaunch];
  int count;
};

// What a range's scalars are made of.
struct Rates {
  double lr, correction1, alpha, weight_decay;
  const double* ratio_sums;
};

// The factors of ref::optimizer_scalars(), in the same order of operations.
__global__ void __launch_bounds__(kWarpSize)
    range_kernel(DeviceRange* out, RangeList list, Rates rates) {
  const int i = static_cast<int>(blockIdx.x) * kWarpSize + lane_of_warp();
  if (i >= list.count) return;
  const OptimizerRange& range = list.at[i];
  double sum = 0;
  for (int64_t e = range.ratio.tensor_begin; e < range.ratio.tensor_end; ++e)
    sum += rates.ratio_sums[e];
  const double ratio = sqrt(sum / static_cast<double>(range.ratio.tensor_elements));
  const double lr = rates.lr / (ratio > 1 ? ratio : 1.0);
  const double scaled = lr * static_cast<double>(range.lr_scale);
  out[i] = {range.begin,
            range.end,
            range.ratio.entry,
            static_cast<float>(scaled / rates.correction1),
            static_cast<float>(scaled * rates.alpha),
            static_cast<float>(range.decay ? lr * rates.weight_decay : 0)};
}

bool same_scalars(const OptimizerRange& a, const OptimizerRange& b) {
  return a.decay == b.decay && a.lr_scale == b.lr_scale &&
         a.ratio.tensor_begin == b.ratio.tensor_begin && a.ratio.tensor_end == b.ratio.tensor_end &&
         a.ratio.tensor_elements == b.ratio.tensor_elements;
}

}  // namespace

std::vector<OptimizerRange> joined_ranges(const OptimizerStep& step) {
  std::vector<OptimizerRange> ranges;
  for (OptimizerRange range : step.ranges) {
    if (step.kind != OptimizerKind::stable_adamw) range.ratio = {};
    if (!ranges.empty() && ranges.back().end == range.begin && same_scalars(ranges.back(), range)) {
      ranges.back().end = range.end;
    } else {
      ranges.push_back(range);
    }
  }
  return ranges;
}

void upload_ranges(const Stream& stream, DeviceRange* out, std::span<const OptimizerRange> ranges,
                   const OptimizerStep& step) {
  const bool stable = step.kind == OptimizerKind::stable_adamw;
  const Rates rates{step.update_factor * step.lr,
                    stable ? 1 : ref::bias_correction(step.beta1, step.t), step.alpha,
                    step.weight_decay, step.ratio_sums.as<double>()};
  while (!ranges.empty()) {
    const size_t count = std::min<size_t>(ranges.size(), kRangesPerLaunch);
    RangeList list = {};
    list.count = static_cast<int>(count);
    std::ranges::copy(ranges.first(count), list.at);
    launch(stream, "optimizer ranges", range_kernel,
           {.x = blocks_for(list.count, kWarpSize), .threads = kWarpSize}, out, list, rates);
    out += count;
    ranges = ranges.subspan(count);
  }
}

}  // namespace ballast
