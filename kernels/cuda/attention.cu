// Attention: which kernels a call gets, and what both passes share. kernels/ref/attention.h has the
// formulas.
#include "kernels/cuda/attention_backward.cuh"
#include "kernels/cuda/attention_forward.cuh"
#include "kernels/cuda/attention_hopper.h"
#include "kernels/cuda/attention_plain_backward.cuh"

namespace ballast {

namespace {

using attn::RowStats;

constexpr int kDeltaThreads = 128;

// lse (times `lse_factor`) and delta = dout.o, one warp for one row of one head. Rows behind the
// end of a sequence get what makes them count nothing.
template <class T, int N>
__global__ void __launch_bounds__(kDeltaThreads)
    delta_kernel(RowStats* stats, int64_t stats_rows, DeviceMatrix<const T> dout,
                 DeviceMatrix<const T> o, DeviceMatrix<const float> lse, float lse_factor,
                 int64_t batch, int64_t seq, int64_t heads, int64_t dim) {
  const int64_t warp = int64_t{blockIdx.x} * (kDeltaThreads / kWarpSize) + threadIdx.x / kWarpSize;
  const int64_t head = warp % heads, t = warp / heads % stats_rows, b = warp / heads / stats_rows;
  const int64_t row = b * seq + t;
  const bool inside = b < batch && t < seq;
  float delta = 0;
  if (inside) {
    const T* const g = dout.row(row) + head * dim;
    const T* const y = o.row(row) + head * dim;
    for (int64_t c = int64_t{lane_of_warp()} * N; c < dim; c += kWarpSize * N) {
      const auto left = load_vec<N>(g + c), right = load_vec<N>(y + c);
      for (int i = 0; i < N; ++i) delta += to_float(left.at[i]) * to_float(right.at[i]);
    }
  }
  delta = warp_sum(delta);
  if (lane_of_warp() == 0 && b < batch) {
    stats[(b * heads + head) * stats_rows + t] = {
        inside ? lse.row(row)[head] * lse_factor : INFINITY, delta};
  }
}

template <class T>
void launch_delta(const Stream& stream, RowStats* stats, const Tensor& dout, const Tensor& o,
                  const Tensor& lse, float lse_factor, const AttentionShape& s) {
  const int64_t rows = attn::padded_rows(s.seq), warps = s.batch * rows * s.heads;
  const auto run = [&](auto n) {
    launch(stream, "attention_bwd delta", delta_kernel<T, n()>,
           {.x = blocks_for(warps, kDeltaThreads / kWarpSize), .threads = kDeltaThreads}, stats,
           rows, device_matrix<const T>(dout), device_matrix<const T>(o),
           device_matrix<const float>(lse), lse_factor, s.batch, s.seq, s.heads, s.head_dim);
  };
  constexpr int kVector = 4;
  if (s.head_dim % kVector == 0 && fits_vectors(kVector, dout, o)) {
    run(std::integral_constant<int, kVector>());
  } else {
    run(std::integral_constant<int, 1>());
  }
}

template <class... Tensors>
bool takes_mma(const AttentionShape& shape, const ScorePolicy& policy, const Tensor& qkv,
               const Tensors&... others) {
  return qkv.dtype == Dtype::bf16 && attn::fits_mma(shape, policy) &&
         fits_vectors(attn::kChunk, qkv, others...);
}

}  // namespace

void CudaBackend::attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                            const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                            const ScorePolicy& policy) {
  attn::check_shapes(o, lse, qkv, doc_start, shape);
  const bool mma = takes_mma(shape, policy, qkv, o);
  const bool hopper = mma && hopper_attention_;
  const int64_t tile = hopper ? attn::kHopperTopRows : mma ? attn::kForwardRows : attn::kPlainTile;
  float* const tops =
      max_logit.empty()
          ? nullptr
          : workspace_of<float>(shape.heads * shape.batch * blocks_for(shape.seq, tile));
  if (hopper) {
    attn::hopper_forward(compute_stream(), o, lse, tops, qkv, doc_start, shape, policy);
  } else if (mma) {
    attn::mma_forward(compute_stream(), o, lse, tops, qkv, doc_start, shape, policy);
  } else {
    with_activation_type(qkv.dtype, [&](auto zero) {
      using T = decltype(zero);
      attn::plain_forward<T>(compute_stream(), o, lse, tops, qkv, doc_start, shape, policy,
                             attn::Clip<false>{});
    });
  }
  if (tops != nullptr) attn::reduce_tops(compute_stream(), max_logit, tops, shape, tile);
}

void CudaBackend::attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o,
                                const Tensor& lse, const Tensor& qkv, const Tensor& doc_start,
                                const AttentionShape& shape, const ScorePolicy& policy) {
  attn::check_shapes(o, lse, qkv, doc_start, shape);
  BALLAST_CHECK(dqkv.rows == qkv.rows && dqkv.cols == qkv.cols && dqkv.dtype == qkv.dtype);
  BALLAST_CHECK(dout.rows == o.rows && dout.cols == o.cols);
  auto* const stats =
      workspace_of<RowStats>(shape.batch * shape.heads * attn::padded_rows(shape.seq));
  with_activation_type(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (takes_mma(shape, policy, qkv, dout, dqkv)) {
      launch_delta<T>(compute_stream(), stats, dout, o, lse, attn::kLog2e, shape);
      if (hopper_attention_) {
        attn::hopper_backward(compute_stream(), dqkv, dout, stats, qkv, doc_start, shape, policy);
        return;
      }
      attn::mma_backward(compute_stream(), dqkv, dout, stats, qkv, doc_start, shape, policy);
      return;
    }
    launch_delta<T>(compute_stream(), stats, dout, o, lse, 1, shape);
    attn::plain_backward<T>(compute_stream(), dqkv, dout, stats, qkv, doc_start, shape, policy,
                            attn::Clip<false>{});
  });
}

}  // namespace ballast
