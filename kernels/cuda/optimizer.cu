// The optimizers in one pass over the flat buffers, element for element the arithmetic of
// kernels/cpu/optimizer.cpp: products are fused where that fuses them, so bits are equal. A block
// of threads takes a piece of a block of the flat index; its thread t takes the groups t,
// t + kThreads, ... of the piece whatever ranges lie there, so sums do not depend on how the ranges
// are cut.
#include <algorithm>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/flat_group.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/optimizer_ranges.h"
#include "kernels/cuda/rounding.h"
#include "kernels/ref/optimizer.h"

namespace ballast {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kPiece = 8192;
constexpr int64_t kPiecesPerBlock = kFlatBlock / kPiece;

// first[p]: the first range that ends behind the begin of piece p.
__global__ void __launch_bounds__(kThreads)
    first_range_kernel(int32_t* first, int64_t pieces, const DeviceRange* ranges, int32_t count) {
  const int64_t piece = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (piece >= pieces) return;
  int32_t low = 0, high = count;
  while (low < high) {
    const int32_t middle = (low + high) / 2;
    const bool behind = ranges[middle].end > piece * kPiece;
    low = behind ? low : middle + 1;
    high = behind ? middle : high;
  }
  first[piece] = low;
}

template <class P, class S>
struct Buffers {
  P* param;
  const float* grad;
  S *m, *v, *m2;
  int64_t n;
  bool aligned;
};

struct Rounding {
  uint64_t seed;
  int64_t t, flat_begin;
};

struct SquareSums {
  double update = 0, param = 0, v = 0;
};

__device__ __forceinline__ double square(float x) {
  return static_cast<double>(x) * static_cast<double>(x);
}

// One element; returns the update that was subtracted. kernels/ref/optimizer.h has the formulas.
template <bool kSlow>
__device__ __forceinline__ float update_element(float& p, float grad, float& m, float& v, float& m2,
                                                const ref::OptimizerScalars<float>& s) {
  const float g = s.grad_factor * grad;
  m = fmaf(s.one_minus_beta1, g, s.beta1 * m);
  v = fmaf(s.one_minus_beta2, g * g, s.beta2 * v);
  float numerator = s.m_factor * m;
  if constexpr (kSlow) {
    m2 = fmaf(s.one_minus_beta3, g, s.beta3 * m2);
    numerator = fmaf(s.m2_factor, m2, numerator);
  }
  const float update = fmaf(s.decay, p, numerator / (sqrtf(s.v_factor * v) + s.eps));
  p = p - update;
  return update;
}

// As T stores it: bf16 always rounds, a float that does has a value of bf16.
template <class T, bool kRound>
__device__ __forceinline__ T stored(float x, uint32_t noise) {
  if constexpr (!kRound) {
    return x;
  } else if constexpr (std::is_same_v<T, bf16>) {
    return bf16_stochastic(x, noise);
  } else {
    return to_float(bf16_stochastic(x, noise));
  }
}

// Types of weights and states, whether the weights are rounded, whether there is a slow moment.
template <class P_, class S_, bool kRound_, bool kSlow_>
struct Variant {
  using P = P_;
  using S = S_;
  static constexpr bool kSlow = kSlow_;
  static constexpr bool kRoundState = sizeof(S) < sizeof(float);
  static constexpr bool kRoundParam = kRound_;
};

// The group at `at`; without `apply` it only adds up what there is, and reads no gradient.
template <class V, class Part>
__device__ __forceinline__ void update_group(const Buffers<typename V::P, typename V::S>& b,
                                             int64_t at, Part part,
                                             const ref::OptimizerScalars<float>& scalars,
                                             const Rounding& rounding, bool apply,
                                             SquareSums& sums) {
  using P = typename V::P;
  using S = typename V::S;
  float p[kGroup], v[kGroup];
  load_group(p, b.param + at, part);
  load_group(v, b.v + at, part);
  if (apply) {
    float g[kGroup], m[kGroup], m2[kGroup] = {};
    load_group(g, b.grad + at, part);
    load_group(m, b.m + at, part);
    if constexpr (V::kSlow) load_group(m2, b.m2 + at, part);
    Vec<P, kGroup> new_p;
    Vec<S, kGroup> new_m, new_v, new_m2;
    RoundingNoises noises(rounding.seed, rounding.t);
    for (int i = 0; i < kGroup; ++i) {
      const float update = update_element<V::kSlow>(p[i], g[i], m[i], v[i], m2[i], scalars);
      sums.update += part.has(i) ? square(update) : 0;  // 0 / 0 outside, where eps is 0
      RoundingNoise noise = {};
      if constexpr (V::kRoundState || V::kRoundParam)
        noise = noises.of(rounding.flat_begin + at + i, i == 0);
      new_p.at[i] = stored<P, V::kRoundParam>(p[i], noise.param);
      p[i] = to_float(new_p.at[i]);
      new_m.at[i] = stored<S, V::kRoundState>(m[i], noise.m);
      new_v.at[i] = stored<S, V::kRoundState>(v[i], noise.v);
      new_m2.at[i] = stored<S, V::kRoundState>(m2[i], noise.m2);
    }
    store_group(b.param + at, new_p, part);
    store_group(b.m + at, new_m, part);
    store_group(b.v + at, new_v, part);
    if constexpr (V::kSlow) store_group(b.m2 + at, new_m2, part);
  }
  for (int i = 0; i < kGroup; ++i) {
    sums.param += part.has(i) ? square(p[i]) : 0;
    sums.v += part.has(i) ? square(v[i]) : 0;
  }
}

// One piece. `partials`: three sums per piece, or null.
template <class V>
__global__ void __launch_bounds__(kThreads)
    optimizer_kernel(Buffers<typename V::P, typename V::S> b, const DeviceRange* ranges,
                     int32_t count, const int32_t* first, ref::OptimizerScalars<float> scalars,
                     Rounding rounding, bool apply, double* partials) {
  BALLAST_SHARED(double, scratch, kWarps);
  const int64_t begin = int64_t{blockIdx.x} * kPiece;
  const int64_t end = begin + kPiece < b.n ? begin + kPiece : b.n;
  SquareSums sums;
  for (int32_t r = first[blockIdx.x]; r < count && ranges[r].begin < end; ++r) {
    const DeviceRange range = ranges[r];
    scalars.m_factor = range.m_factor;
    scalars.m2_factor = range.m2_factor;
    scalars.decay = range.decay;
    const int64_t low = range.begin > begin ? range.begin : begin;
    const int64_t high = range.end < end ? range.end : end;
    for (int64_t at = begin + int64_t{threadIdx.x} * kGroup; at < high; at += kThreads * kGroup) {
      if (at + kGroup <= low) continue;
      with_group(at, low, high, b.aligned,
                 [&](auto part) { update_group<V>(b, at, part, scalars, rounding, apply, sums); });
    }
  }
  if (partials == nullptr) return;
  double* const out = partials + blockIdx.x * 3;
  sums.update = block_sum<kThreads>(sums.update, scratch);
  sums.param = block_sum<kThreads>(sums.param, scratch);
  sums.v = block_sum<kThreads>(sums.v, scratch);
  if (threadIdx.x == 0) out[0] = sums.update, out[1] = sums.param, out[2] = sums.v;
}

// The sums of a block: those of its pieces, in order.
__global__ void __launch_bounds__(kThreads)
    block_sums_kernel(DeviceMatrix<double> out, const double* partials, int64_t pieces) {
  const int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x, block = at / 3, column = at % 3;
  if (block >= out.rows) return;
  double sum = 0;
  for (int64_t p = block * kPiecesPerBlock; p < (block + 1) * kPiecesPerBlock && p < pieces; ++p)
    sum += partials[p * 3 + column];
  out.row(block)[column] = sum;
}

// g^2 / max(v', eps^2) summed over one range.
template <class S>
__global__ void __launch_bounds__(kThreads)
    update_ratio_kernel(double* out, Buffers<float, S> b, const DeviceRange* ranges,
                        ref::OptimizerScalars<float> s) {
  BALLAST_SHARED(double, scratch, kWarps);
  const DeviceRange range = ranges[blockIdx.x];
  const float least = s.eps * s.eps;
  const int64_t from = range.begin / kGroup * kGroup + int64_t{threadIdx.x} * kGroup;
  double sum = 0;
  for (int64_t at = from; at < range.end; at += kThreads * kGroup) {
    with_group(at, range.begin, range.end, b.aligned, [&](auto part) {
      float grad[kGroup], v[kGroup];
      load_group(grad, b.grad + at, part);
      load_group(v, b.v + at, part);
      for (int i = 0; i < kGroup; ++i) {
        const float g = s.grad_factor * grad[i], g2 = g * g;
        const float next = fmaf(s.one_minus_beta2, g2, s.beta2 * v[i]);
        const float ratio = g2 / (next < least ? least : next);
        sum += part.has(i) ? static_cast<double>(ratio) : 0;  // 0 / 0 outside, where eps is 0
      }
    });
  }
  sum = block_sum<kThreads>(sum, scratch);
  if (threadIdx.x == 0) out[range.entry] = sum;
}

void check(const OptimizerStep& step) {
  const int64_t n = step.param.cols;
  BALLAST_CHECK(step.grad.cols == n && step.m.cols == n && step.v.cols == n);
  BALLAST_CHECK(step.grad.dtype == Dtype::f32);
  BALLAST_CHECK(step.param.dtype == Dtype::f32 || step.param.dtype == Dtype::bf16);
  BALLAST_CHECK(step.m.dtype == step.v.dtype &&
                (step.m.dtype == Dtype::f32 || step.m.dtype == Dtype::bf16));
  const bool slow = step.kind == OptimizerKind::ademamix;
  BALLAST_CHECK(!slow || (step.m2.cols == n && step.m2.dtype == step.m.dtype));
  BALLAST_CHECK(step.ranges.empty() ||
                (step.ranges.front().begin >= 0 && step.ranges.back().end <= n));
}

template <class P, class S>
Buffers<P, S> buffers_of(const OptimizerStep& step) {
  const auto fits = [](const Tensor& t) {
    const auto bytes = static_cast<size_t>(kGroup * bytes_of(t.dtype));
    return reinterpret_cast<uintptr_t>(t.data) % bytes == 0;
  };
  return {step.param.as<P>(),
          step.grad.as<float>(),
          step.m.as<S>(),
          step.v.as<S>(),
          step.m2.as<S>(),
          step.param.cols,
          fits(step.param) && fits(step.grad) && fits(step.m) && fits(step.v) && fits(step.m2)};
}

// function(Variant()) of the step.
template <class Function>
void with_variant(const OptimizerStep& step, const Function& function) {
  const auto with_moments = [&](auto param, auto state, auto round) {
    using P = decltype(param);
    using S = decltype(state);
    if (step.kind == OptimizerKind::ademamix) {
      function(Variant<P, S, round(), true>());
    } else {
      function(Variant<P, S, round(), false>());
    }
  };
  with_activation_type(step.m.dtype, [&](auto state) {
    if (step.param.dtype == Dtype::bf16) {
      with_moments(bf16(), state, std::true_type());
    } else if (step.round_param) {
      with_moments(float(), state, std::true_type());
    } else {
      with_moments(float(), state, std::false_type());
    }
  });
}

}  // namespace

void CudaBackend::optimizer_step(const OptimizerStep& step) {
  check(step);
  const int64_t n = step.param.cols, pieces = blocks_for(n, kPiece);
  const bool wants_sums = !step.block_sums.empty();
  BALLAST_CHECK(!wants_sums ||
                (step.block_sums.rows == blocks_for(n, kFlatBlock) && step.block_sums.cols == 3));
  const std::vector<OptimizerRange> ranges = joined_ranges(step);
  const auto count = static_cast<int32_t>(ranges.size());
  // Three arrays in one piece of memory, the one of the smallest elements last.
  auto* const sums = static_cast<double*>(workspace(pieces * 3 * int64_t{sizeof(double)} +
                                                    count * int64_t{sizeof(DeviceRange)} +
                                                    pieces * int64_t{sizeof(int32_t)}));
  auto* const device_ranges = reinterpret_cast<DeviceRange*>(sums + pieces * 3);
  auto* const first = reinterpret_cast<int32_t*>(device_ranges + count);
  upload_ranges(compute_stream(), device_ranges, ranges, step);
  launch(compute_stream(), "optimizer pieces", first_range_kernel,
         {.x = blocks_for(pieces, kThreads), .threads = kThreads}, first, pieces, device_ranges,
         count);
  with_variant(step, [&](auto variant) {
    using V = decltype(variant);
    launch(compute_stream(), "optimizer_step", optimizer_kernel<V>,
           {.x = pieces, .threads = kThreads}, buffers_of<typename V::P, typename V::S>(step),
           device_ranges, count, first, ref::optimizer_scalars<float>(step, OptimizerRange()),
           Rounding{step.rounding_seed, step.t, step.flat_begin}, step.apply,
           wants_sums ? sums : nullptr);
  });
  if (!wants_sums) return;
  launch(compute_stream(), "optimizer sums", block_sums_kernel,
         {.x = blocks_for(step.block_sums.rows * 3, kThreads), .threads = kThreads},
         device_matrix<double>(step.block_sums), sums, pieces);
}

void CudaBackend::update_ratio(const Tensor& out, const OptimizerStep& step) {
  check(step);
  BALLAST_CHECK(out.dtype == Dtype::f64);
  std::vector<OptimizerRange> ranges;
  for (const OptimizerRange& range : step.ranges) ranges.push_back(ref::without_ratio(range));
  const auto count = static_cast<int64_t>(ranges.size());
  auto* const device_ranges = workspace_of<DeviceRange>(count);
  upload_ranges(compute_stream(), device_ranges, ranges, step);
  with_activation_type(step.v.dtype, [&](auto zero) {
    using S = decltype(zero);
    launch(compute_stream(), "update_ratio", update_ratio_kernel<S>,
           {.x = count, .threads = kThreads}, out.as<double>(), buffers_of<float, S>(step),
           device_ranges, ref::optimizer_scalars<float>(step, OptimizerRange()));
  });
}

}  // namespace ballast
