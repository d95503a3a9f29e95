// CpuBackend: every op of Backend on host memory in f32, spread over one thread pool. Chunk borders
// depend on shapes only and every chunk writes its own outputs (or its own partial sums, which are
// then added in chunk order), so bits do not depend on the number of threads. Ops have run when the
// call returns: streams and events exist in name only. Each op's methods are defined in the op's
// own file.
#pragma once

#include <memory>
#include <vector>

#include "libcore/base/thread_pool.h"
#include "libcore/tensor/backend.h"

namespace ballast {

class GemmCache;
class GemmPrimitive;
struct GemmTiling;
struct PackedWeight;

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads);
  ~CpuBackend() override;

  std::string name() const override { return "cpu"; }
  std::string description() const override;
  Dtype compute_dtype() const override { return Dtype::f32; }
  ThreadPool& host_pool() override { return pool_; }
  bool host_memory() const override { return true; }

  void* allocate(int64_t bytes, bool registered) override;
  void release(void* data) override;
  void copy_in(void* device, const void* host, int64_t bytes, StreamId stream) override;
  void copy_out(void* host, const void* device, int64_t bytes, StreamId stream) override;
  void zero(void* device, int64_t bytes) override;
  EventId record(StreamId) override { return 0; }
  void wait(StreamId, EventId) override {}
  void synchronize(EventId) override {}

  void prepare(const Tensor& weight) override;
  void gemm(const Tensor& d, const Tensor& a, const Tensor& b, const GemmOptions& options) override;
  void gemv(const Tensor& y, const Tensor& a, const Tensor& x, bool transpose) override;
  void embed(const Tensor& y, const Tensor& table, const Tensor& tokens) override;
  void embed_bwd(const Tensor& dtable, const Tensor& dy, const Tensor& tokens) override;
  void norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
            float eps) override;
  void add_norm(const Tensor& y, const Tensor& rstd, const Tensor& sum, const Tensor& x,
                const Tensor& branch, const Tensor& w, float eps) override;
  void norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                const Tensor& w, const Tensor& rstd) override;
  void layer_norm(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x,
                  const Tensor& w, const Tensor& bias, float eps) override;
  void layer_norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dbias, const Tensor& dy,
                      const Tensor& x, const Tensor& w, const Tensor& mean,
                      const Tensor& rstd) override;
  void qk_norm_rope(const Tensor& out, const Tensor& q_rstd, const Tensor& k_rstd,
                    const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                    const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                    const AttentionShape& shape, float eps) override;
  void qk_norm_rope_bwd(const Tensor& dqkv, const Tensor& dq_gain, const Tensor& dk_gain,
                        const Tensor& dout, const Tensor& q_rstd, const Tensor& k_rstd,
                        const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                        const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                        const AttentionShape& shape) override;
  void attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit, const Tensor& qkv,
                 const Tensor& doc_start, const AttentionShape& shape,
                 const ScorePolicy& policy) override;
  void attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o, const Tensor& lse,
                     const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                     const ScorePolicy& policy) override;
  void clipped_attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                         const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                         const ScorePolicy& policy, const SoftClip& clip) override;
  void clipped_attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& lse,
                             const Tensor& qkv, const Tensor& doc_start,
                             const AttentionShape& shape, const ScorePolicy& policy,
                             const SoftClip& clip) override;
  void xielu(const Tensor& y, const Tensor& x, const Tensor& alpha) override;
  void xielu_bwd(const Tensor& dx, const Tensor& dalpha, const Tensor& dy, const Tensor& x,
                 const Tensor& alpha) override;
  void spectral_scale(const Tensor& hat, const Tensor& sigma, const Tensor& w, const Tensor& gain,
                      const Tensor& u, const Tensor& v) override;
  void spectral_scale_bwd(const Tensor& dw, const Tensor& dgain, const Tensor& dhat,
                          const Tensor& w, const Tensor& gain, const Tensor& sigma, const Tensor& u,
                          const Tensor& v) override;
  void power_iteration(const Tensor& u, const Tensor& v, const Tensor& w) override;
  void activation(const Tensor& y, const Tensor& x, Activation kind) override;
  void activation_bwd(const Tensor& dx, const Tensor& dy, const Tensor& x,
                      Activation kind) override;
  void scale_channels(const Tensor& y, const Tensor& x, const Tensor& gain) override;
  void scale_channels_bwd(const Tensor& dx, const Tensor& dgain, const Tensor& dy, const Tensor& x,
                          const Tensor& gain) override;
  void xent_chunk(const Tensor& loss_rows, const Tensor& lse_rows, const Tensor& logits,
                  const Tensor& labels, const Tensor& weight, int64_t vocab, float z_loss,
                  bool gradient) override;
  void add(const Tensor& y, const Tensor& a, const Tensor& b) override;
  void scale(const Tensor& y, const Tensor& x, float factor) override;
  void cast(const Tensor& y, const Tensor& x) override;
  void stats(const Tensor& out, const Tensor& x) override;
  void norm_blocks(const Tensor& out, const Tensor& x) override;
  void update_ratio(const Tensor& out, const OptimizerStep& step) override;
  void optimizer_step(const OptimizerStep& step) override;

 private:
  // `count` floats that stay valid until the next call; contents unspecified.
  float* scratch(int64_t count);

  void pack_weight(PackedWeight& packed, const Tensor& b, bool transpose_b, const GemmTiling& t,
                   const GemmPrimitive* const packers[2]);
  // Both kinds of attention; clip null: plain.
  void attend(const Tensor& o, const Tensor& lse, const Tensor& max_logit, const Tensor& qkv,
              const Tensor& doc_start, const AttentionShape& shape, const ScorePolicy& policy,
              const SoftClip* clip);
  void attend_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o, const Tensor& lse,
                  const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                  const ScorePolicy& policy, const SoftClip* clip);
  std::vector<char> finite_sequences(std::span<const Tensor> tensors, const AttentionShape& shape);

  // Runs body(begin, end, partial) over fixed chunks of [0, rows), each with its own zeroed row of
  // `cols` floats, then adds the rows to dw in chunk order.
  template <class Body>
  void accumulate_rows(float* dw, int64_t rows, int64_t cols, const Body& body);

  ThreadPool pool_;
  std::vector<float> scratch_;
  std::unique_ptr<GemmCache> gemm_cache_;
};

// Items per chunk so that a chunk touches about 16,384 elements and there are never more than 256
// chunks.
int64_t chunk_of(int64_t rows, int64_t cols);

template <class Body>
void CpuBackend::accumulate_rows(float* dw, int64_t rows, int64_t cols, const Body& body) {
  const int64_t grain = chunk_of(rows, cols), chunks = (rows + grain - 1) / grain;
  float* partials = scratch(chunks * cols);
  pool_.parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    float* partial = partials + begin / grain * cols;
    std::fill_n(partial, cols, 0.0f);
    body(begin, end, partial);
  });
  pool_.parallel_for(cols, 256, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      for (int64_t i = begin; i < end; ++i) dw[i] += partials[chunk * cols + i];
    }
  });
}

}  // namespace ballast
