// CudaBackend: every op of Backend as CUDA kernels on one device, queued on the compute stream.
// Activations are bf16 (or f32), statistics, parameters, gradients and moments f32. Every result
// depends on shapes only: sums over rows go through partial sums of fixed ranges, added in order.
// Each op's kernels and its methods stand in the op's own file, named as in kernels/cpu. The same
// files make ballast_cuda.so with nvcc and ballast_emu.so with the host compiler.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "kernels/cuda/device_access.h"
#include "kernels/cuda/gemm_engine.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/staging.h"
#include "kernels/open_backend.h"
#include "libcore/base/thread_pool.h"
#include "libcore/tensor/backend.h"
#include "libcore/tensor/rehearsal.h"

namespace ballast {

class CudaBackend final : public Backend, public Rehearsal, public DeviceAccess {
 public:
  explicit CudaBackend(const BackendOptions& options);
  ~CudaBackend() override;

  std::string name() const override { return runtime_.name(); }
  std::string description() const override;
  Dtype compute_dtype() const override { return compute_; }
  ThreadPool& host_pool() override { return pool_; }

  void* allocate(int64_t bytes, bool registered) override;
  void release(void* data) override;
  void copy_in(void* device, const void* host, int64_t bytes, StreamId stream) override;
  void copy_out(void* host, const void* device, int64_t bytes, StreamId stream) override;
  void zero(void* device, int64_t bytes) override;
  EventId record(StreamId stream) override { return runtime_.record(stream); }
  void wait(StreamId stream, EventId event) override { runtime_.wait(stream, event); }
  void synchronize(EventId event) override;

  void begin_rehearsal(Kind kind) override;
  RehearsedMemory end_rehearsal() override;
  std::string product_choices() const override { return gemm_.choices(); }
  bool take_product_choices(const std::string& choices) override {
    return gemm_.take_choices(choices);
  }

  void* stream_handle(StreamId stream) const override { return runtime_.stream(stream).handle(); }
  bool emulated() const override { return runtime_.name() == "emu"; }
  std::string identity() const override { return runtime_.identity(); }
  bool reached(EventId event) const override { return runtime_.reached(event); }
  void use_registered_memory(std::shared_ptr<RegisteredMemory> memory) override {
    registered_ = std::move(memory);
  }

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
  const Stream& compute_stream() const { return runtime_.stream(StreamId::compute); }
  // Device memory that stays valid until the next call; contents unspecified. Grows only; after a
  // rehearsal it is as large as a step wants it.
  void* workspace(int64_t bytes);
  template <class T>
  T* workspace_of(int64_t count) {
    return static_cast<T*>(workspace(count * static_cast<int64_t>(sizeof(T))));
  }
  // sum (1, cols) += the rows of `partials` (count, cols), in order.
  void add_partials(const Tensor& sum, const float* partials, int64_t count);

  ThreadPool pool_;
  Runtime runtime_;
  Staging staging_;
  Dtype compute_;
  GemmEngine gemm_;
  bool hopper_attention_;                         // see attention_hopper.h
  std::shared_ptr<RegisteredMemory> registered_;  // of a transport; may be null
  void* workspace_ = nullptr;
  int64_t workspace_bytes_ = 0;
  std::optional<Kind> rehearsal_;
  int64_t rehearsed_workspace_ = 0;
  int64_t imagined_ = 0;  // bytes handed out without memory
};

// Rows of [0, rows) that one partial sum covers: at most kMaxPartials of them.
inline constexpr int64_t kMaxPartials = 256;
inline int64_t rows_per_partial(int64_t rows) { return (rows + kMaxPartials - 1) / kMaxPartials; }

}  // namespace ballast
