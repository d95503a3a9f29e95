// Per-head RMSNorm of q and k and rotary positions, forward and backward, in one pass. A warp
// treats a row, several heads at once (head_lanes.h), and reads the angles of the row's position
// once for all of them. kernels/ref/qk_norm_rope.h has the formulas.
#include "kernels/cuda/head_lanes.h"
#include "kernels/cuda/row_vectors.h"

namespace ballast {

namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpSize;

// The q or the k heads of a row.
struct Part {
  int heads, col;     // how many; column of the first
  const float* gain;  // null without a norm
  DeviceMatrix<float> rstd;
};

struct Turn {
  Part q, k;
  DeviceMatrix<const float> cos, sin;
  DeviceMatrix<const int32_t> doc_start;
  int64_t seq;
  int dim, lanes;   // size of a head; lanes that share one, a power of two
  float direction;  // 1, or -1 for the backward
};

template <int N, int kSlots>
struct Angles {
  Held<N, kSlots> cos, sin;

  // Of row n of the batch; sin has the sign of the direction.
  __device__ Angles(const Turn& t, const LanePlace<N, kSlots>& place, int64_t n) {
    constexpr int kAccess = N < kLanes<float> ? N : kLanes<float>;
    const int64_t b = n / t.seq, at = n - b * t.seq, position = at - t.doc_start.row(b)[at];
    cos = place.template load<kAccess>(t.cos.row(position));
    sin = place.template load<kAccess>(t.sin.row(position));
    BALLAST_UNROLL
    for (int i = 0; i < N * kSlots; ++i) sin.at[i] *= t.direction;
  }
  __device__ __forceinline__ void turn(HeldHead<N, kSlots>& x) const {
    BALLAST_UNROLL
    for (int i = 0; i < N * kSlots; ++i) {
      const float low = x.low.at[i], high = x.high.at[i];
      x.low.at[i] = low * cos.at[i] - high * sin.at[i];
      x.high.at[i] = high * cos.at[i] + low * sin.at[i];
    }
  }
};

// The columns behind q and k, by one warp.
template <class T, int N>
__device__ __forceinline__ void copy_v(T* out, const T* in, const Turn& t) {
  const int begin = t.k.col + t.k.heads * t.dim, end = begin + t.k.heads * t.dim;
  for (int c = begin + lane_of_warp() * N; c < end; c += kWarpSize * N)
    store_vec<N>(out + c, load_vec<N>(in + c));
}

template <class T, int N, int kSlots, bool kNorm>
__device__ __forceinline__ void turn_heads(T* out, const T* in, const Turn& t, const Part& part,
                                           const LanePlace<N, kSlots>& place,
                                           const Angles<N, kSlots>& angles, int64_t n, float eps) {
  HeldHead<N, kSlots> gain;
  if constexpr (kNorm) gain = place.template load_head<1>(part.gain);
  for (int first = 0; first < part.heads; first += place.heads_at_once()) {
    const int head = first + place.group, col = part.col + head * t.dim;
    const bool inside = head < part.heads;
    auto x = place.template load_head<N>(in + col, inside);
    if constexpr (kNorm) {
      const float r = rsqrtf(place.sum(dot(x, x)) / static_cast<float>(t.dim) + eps);
      if (inside && place.lane == 0) part.rstd.row(n)[head] = r;
      BALLAST_UNROLL
      for (int i = 0; i < N * kSlots; ++i) {
        x.low.at[i] *= r * gain.low.at[i];
        x.high.at[i] *= r * gain.high.at[i];
      }
    }
    angles.turn(x);
    if (inside) place.store_head(out + col, x);
  }
}

// A warp a row. Without a norm, out may be in.
template <class T, int N, int kSlots, bool kNorm>
__global__ void __launch_bounds__(kThreads)
    qk_norm_rope_kernel(DeviceMatrix<T> out, DeviceMatrix<const T> in, Turn t, float eps) {
  const int64_t n = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarpSize;
  if (n >= in.rows) return;
  const LanePlace<N, kSlots> place(t.dim, t.lanes);
  const Angles<N, kSlots> angles(t, place, n);
  turn_heads<T, N, kSlots, kNorm>(out.row(n), in.row(n), t, t.q, place, angles, n, eps);
  turn_heads<T, N, kSlots, kNorm>(out.row(n), in.row(n), t, t.k, place, angles, n, eps);
  if (out.data != in.data) copy_v<T, N>(out.row(n), in.row(n), t);
}

// The gradients of the q or of the k heads in the rows [begin, end), every kRangeWarps-th of which
// is this warp's; to `dgain`, the block's sums.
template <class T, int N, int kSlots>
__device__ __forceinline__ void norm_turn_bwd(DeviceMatrix<T> dqkv, float* dgain, float* of_warps,
                                              DeviceMatrix<const T> dout, DeviceMatrix<const T> qkv,
                                              const Turn& t, const Part& part, int64_t begin,
                                              int64_t end) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const LanePlace<N, kSlots> place(t.dim, t.lanes);
  const HeldHead<N, kSlots> gain = place.template load_head<1>(part.gain);
  HeldHead<N, kSlots> sums = {};
  for (int64_t n = begin + warp; n < end; n += kRangeWarps) {
    const Angles<N, kSlots> angles(t, place, n);
    for (int first = 0; first < part.heads; first += place.heads_at_once()) {
      const int head = first + place.group, col = part.col + head * t.dim;
      const bool inside = head < part.heads;
      auto g = place.template load_head<N>(dout.row(n) + col, inside);
      auto x = place.template load_head<N>(qkv.row(n) + col, inside);
      const float r = inside ? part.rstd.row(n)[head] : 0.0f;
      angles.turn(g);
      const auto add_and_scale = [r](float& sum, float& gradient, float value, float w) {
        sum += gradient * value * r;
        gradient *= w;
      };
      BALLAST_UNROLL
      for (int i = 0; i < N * kSlots; ++i) {
        add_and_scale(sums.low.at[i], g.low.at[i], x.low.at[i], gain.low.at[i]);
        add_and_scale(sums.high.at[i], g.high.at[i], x.high.at[i], gain.high.at[i]);
      }
      const float slope = r * r * r * place.sum(dot(g, x)) / static_cast<float>(t.dim);
      BALLAST_UNROLL
      for (int i = 0; i < N * kSlots; ++i) {
        g.low.at[i] = r * g.low.at[i] - x.low.at[i] * slope;
        g.high.at[i] = r * g.high.at[i] - x.high.at[i] * slope;
      }
      if (inside) place.store_head(dqkv.row(n) + col, g);
    }
  }
  // The heads that a warp treats at once, then the warps in order.
  for (int offset = place.lanes; offset < kWarpSize; offset *= 2) {
    BALLAST_UNROLL
    for (int i = 0; i < N * kSlots; ++i) {
      sums.low.at[i] += shuffle_xor(sums.low.at[i], offset);
      sums.high.at[i] += shuffle_xor(sums.high.at[i], offset);
    }
  }
  block_sync();  // of_warps may still be read
  if (place.group == 0) {
    float* const mine = of_warps + warp * t.dim;
    BALLAST_UNROLL
    for (int s = 0; s < kSlots; ++s) {
      if (place.column(s) >= place.half) continue;
      BALLAST_UNROLL
      for (int i = 0; i < N; ++i) {
        mine[place.column(s) + i] = sums.low.at[s * N + i];
        mine[place.half + place.column(s) + i] = sums.high.at[s * N + i];
      }
    }
  }
  block_sync();
  for (int c = static_cast<int>(threadIdx.x); c < t.dim; c += kRangeThreads) {
    float total = of_warps[c];
    for (int w = 1; w < kRangeWarps; ++w) total += of_warps[w * t.dim + c];
    dgain[c] = total;
  }
}

// A block a range of rows. Row p of dq_gain and dk_gain (ranges, D): the sums of range p.
template <class T, int N, int kSlots>
__global__ void __launch_bounds__(kRangeThreads)
    qk_norm_rope_bwd_kernel(DeviceMatrix<T> dqkv, float* dq_gain, float* dk_gain,
                            DeviceMatrix<const T> dout, DeviceMatrix<const T> qkv, Turn t,
                            int64_t per) {
  BALLAST_SHARED(float, of_warps, kRangeWarps* kMaxHeadDim);
  const int64_t range = blockIdx.x, begin = range * per;
  const int64_t end = begin + per < qkv.rows ? begin + per : qkv.rows;
  norm_turn_bwd<T, N, kSlots>(dqkv, dq_gain + range * t.dim, of_warps, dout, qkv, t, t.q, begin,
                              end);
  norm_turn_bwd<T, N, kSlots>(dqkv, dk_gain + range * t.dim, of_warps, dout, qkv, t, t.k, begin,
                              end);
  for (int64_t n = begin + threadIdx.x / kWarpSize; n < end; n += kRangeWarps)
    copy_v<T, N>(dqkv.row(n), dout.row(n), t);
}

// ---- Launchers ----

Turn turn_of(const Tensor& rows, const Tensor& q_rstd, const Tensor& k_rstd, const Tensor& q_gain,
             const Tensor& k_gain, const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
             const AttentionShape& s, float direction) {
  const int64_t d = s.head_dim;
  BALLAST_CHECK(rows.cols == s.qkv_cols() && rows.rows == s.batch * s.seq);
  BALLAST_CHECK(d > 0 && d % 2 == 0 && d <= kMaxHeadDim);
  BALLAST_CHECK(cos.cols == d / 2 && sin.cols == d / 2);
  BALLAST_CHECK(cos.rows >= s.seq && sin.rows >= s.seq);
  BALLAST_CHECK(doc_start.rows == s.batch && doc_start.cols == s.seq);
  BALLAST_CHECK(q_gain.empty() == k_gain.empty());
  if (!q_gain.empty()) {
    BALLAST_CHECK(q_gain.cols == d && k_gain.cols == d);
    BALLAST_CHECK(q_rstd.rows == rows.rows && q_rstd.cols == s.heads);
    BALLAST_CHECK(k_rstd.rows == rows.rows && k_rstd.cols == s.kv_heads);
  }
  const auto part = [](int64_t heads, int64_t col, const Tensor& gain, const Tensor& rstd) {
    return Part{static_cast<int>(heads), static_cast<int>(col), gain.as<const float>(),
                device_matrix<float>(rstd)};
  };
  return {part(s.heads, 0, q_gain, q_rstd),
          part(s.kv_heads, s.q_cols(), k_gain, k_rstd),
          device_matrix<const float>(cos),
          device_matrix<const float>(sin),
          device_matrix<const int32_t>(doc_start),
          s.seq,
          static_cast<int>(d),
          0,
          direction};
}

template <bool kNorm>
void turn_rows(const Stream& stream, const Tensor& out, const Tensor& in, Turn t, const Tensor& cos,
               const Tensor& sin, float eps) {
  with_activation_type(in.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_slots<T>(
        t.dim,
        [&](auto n, auto slots, int lanes) {
          t.lanes = lanes;
          launch(stream, "qk_norm_rope", qk_norm_rope_kernel<T, n(), slots(), kNorm>,
                 {.x = blocks_for(in.rows, kWarps), .threads = kThreads}, device_matrix<T>(out),
                 device_matrix<const T>(in), t, eps);
        },
        out, in, cos, sin);
  });
}

}  // namespace

void CudaBackend::qk_norm_rope(const Tensor& out, const Tensor& q_rstd, const Tensor& k_rstd,
                               const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                               const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                               const AttentionShape& shape, float eps) {
  BALLAST_CHECK(out.rows == qkv.rows && out.cols == qkv.cols);
  const Turn t = turn_of(qkv, q_rstd, k_rstd, q_gain, k_gain, cos, sin, doc_start, shape, 1);
  if (q_gain.empty()) {
    turn_rows<false>(compute_stream(), out, qkv, t, cos, sin, eps);
  } else {
    turn_rows<true>(compute_stream(), out, qkv, t, cos, sin, eps);
  }
}

void CudaBackend::qk_norm_rope_bwd(const Tensor& dqkv, const Tensor& dq_gain, const Tensor& dk_gain,
                                   const Tensor& dout, const Tensor& q_rstd, const Tensor& k_rstd,
                                   const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                                   const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                                   const AttentionShape& shape) {
  BALLAST_CHECK(dout.rows == dqkv.rows && dout.cols == dqkv.cols);
  Turn t = turn_of(dqkv, q_rstd, k_rstd, q_gain, k_gain, cos, sin, doc_start, shape, -1);
  if (q_gain.empty()) {
    turn_rows<false>(compute_stream(), dqkv, dout, t, cos, sin, 0);
    return;
  }
  BALLAST_CHECK(qkv.rows == dqkv.rows && qkv.cols == dqkv.cols);
  BALLAST_CHECK(dq_gain.cols == t.dim && dk_gain.cols == t.dim);
  const int64_t per = rows_per_range(qkv.rows), ranges = blocks_for(qkv.rows, per);
  float* const sums = workspace_of<float>(2 * ranges * t.dim);
  with_activation_type(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_slots<T>(
        t.dim,
        [&](auto n, auto slots, int lanes) {
          t.lanes = lanes;
          launch(compute_stream(), "qk_norm_rope_bwd", qk_norm_rope_bwd_kernel<T, n(), slots()>,
                 {.x = ranges, .threads = kRangeThreads}, device_matrix<T>(dqkv), sums,
                 sums + ranges * t.dim, device_matrix<const T>(dout), device_matrix<const T>(qkv),
                 t, per);
        },
        dqkv, dout, qkv, cos, sin);
  });
  add_partials(dq_gain, sums, ranges);
  add_partials(dk_gain, sums + ranges * t.dim, ranges);
}

}  // namespace ballast
