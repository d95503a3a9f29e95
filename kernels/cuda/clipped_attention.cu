// Attention with clipped probabilities: the plain kernels only. Clipping is decided on whole
// probabilities, so the forward pass needs a row's sum before its output, and the backward pass
// sum p dp before any gradient: each takes a pass of its own.
#include "kernels/cuda/attention_plain_backward.cuh"

namespace ballast {

namespace {

attn::Clip<true> clip_of(const SoftClip& clip) { return {clip.zeta - clip.gamma, clip.gamma}; }

}  // namespace

void CudaBackend::clipped_attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                                    const Tensor& qkv, const Tensor& doc_start,
                                    const AttentionShape& shape, const ScorePolicy& policy,
                                    const SoftClip& clip) {
  attn::check_shapes(o, lse, qkv, doc_start, shape);
  constexpr int64_t kTile = attn::kPlainTile;
  float* const tops =
      max_logit.empty()
          ? nullptr
          : workspace_of<float>(shape.heads * shape.batch * blocks_for(shape.seq, kTile));
  with_activation_type(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    attn::plain_forward<T>(compute_stream(), o, lse, tops, qkv, doc_start, shape, policy,
                           clip_of(clip));
  });
  if (tops != nullptr) attn::reduce_tops(compute_stream(), max_logit, tops, shape, kTile);
}

void CudaBackend::clipped_attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& lse,
                                        const Tensor& qkv, const Tensor& doc_start,
                                        const AttentionShape& shape, const ScorePolicy& policy,
                                        const SoftClip& clip) {
  attn::check_shapes(dout, lse, qkv, doc_start, shape);
  BALLAST_CHECK(dqkv.rows == qkv.rows && dqkv.cols == qkv.cols && dqkv.dtype == qkv.dtype);
  auto* const stats =
      workspace_of<attn::RowStats>(shape.batch * shape.heads * attn::padded_rows(shape.seq));
  with_activation_type(qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    attn::plain_delta<T>(compute_stream(), stats, dout, lse, qkv, doc_start, shape, policy,
                         clip_of(clip));
    attn::plain_backward<T>(compute_stream(), dqkv, dout, stats, qkv, doc_start, shape, policy,
                            clip_of(clip));
  });
}

}  // namespace ballast
