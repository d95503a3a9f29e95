#include "kernels/ref/adamw.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_backend.h"

namespace ballast {

namespace {

// The ranges of `step` inside [begin, end), counted from begin.
std::vector<OptimizerRange> ranges_inside(const AdamWStep& step, int64_t begin, int64_t end) {
  std::vector<OptimizerRange> inside;
  for (OptimizerRange range : step.ranges) {
    range.begin = std::max(range.begin, begin) - begin;
    range.end = std::min(range.end, end) - begin;
    if (range.begin < range.end) inside.push_back(range);
  }
  return inside;
}

}  // namespace

void CpuBackend::adamw_step(const AdamWStep& step) {
  const int64_t n = step.param.cols;
  BALLAST_CHECK(step.grad.cols == n && step.m.cols == n && step.v.cols == n);
  BALLAST_CHECK(step.ranges.empty() ||
                (step.ranges.front().begin >= 0 && step.ranges.back().end <= n));
  BALLAST_CHECK(step.block_sums.empty() ||
                (step.block_sums.rows == (n + kFlatBlock - 1) / kFlatBlock &&
                 step.block_sums.contiguous() && step.block_sums.cols == 3));
  pool_.parallel_for(n, kFlatBlock, [&](int64_t begin, int64_t end) {
    const std::vector<OptimizerRange> ranges = ranges_inside(step, begin, end);
    AdamWStep block = step;
    block.ranges = ranges;
    double* sums =
        step.block_sums.empty() ? nullptr : step.block_sums.row<double>(begin / kFlatBlock);
    ref::adamw_step(step.param.as<float>() + begin, step.grad.as<float>() + begin,
                    step.m.as<float>() + begin, step.v.as<float>() + begin, end - begin, block,
                    sums);
  });
}

}  // namespace ballast
