// The float64 Backend: every op is its reference in kernels/ref. The model that trains in float32
// runs over it unchanged, so that loss and gradients can be compared with an independent
// implementation to 1e-10.
#pragma once

#include <cstdlib>
#include <cstring>

#include "kernels/ref/activation.h"
#include "kernels/ref/attention.h"
#include "kernels/ref/clipped_attention.h"
#include "kernels/ref/elementwise.h"
#include "kernels/ref/embed.h"
#include "kernels/ref/gemm.h"
#include "kernels/ref/norm.h"
#include "kernels/ref/optimizer.h"
#include "kernels/ref/qk_norm_rope.h"
#include "kernels/ref/scale_channels.h"
#include "kernels/ref/spectral.h"
#include "kernels/ref/stats.h"
#include "kernels/ref/xent.h"
#include "kernels/ref/xielu.h"
#include "libcore/base/thread_pool.h"
#include "libcore/tensor/backend.h"

namespace ballast {

class RefBackend final : public Backend {
 public:
  std::string name() const override { return "ref"; }
  std::string description() const override { return "float64 reference"; }
  Dtype compute_dtype() const override { return Dtype::f64; }
  ThreadPool& host_pool() override { return pool_; }

  void* allocate(int64_t bytes, bool) override {
    void* data = std::aligned_alloc(256, static_cast<size_t>((bytes + 255) / 256 * 256));
    std::memset(data, 0xFF, static_cast<size_t>(bytes));  // NaN: what is not written shows
    return data;
  }
  void release(void* data) override { std::free(data); }
  void copy_in(void* to, const void* from, int64_t bytes, StreamId) override {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
  void copy_out(void* to, const void* from, int64_t bytes, StreamId) override {
    std::memcpy(to, from, static_cast<size_t>(bytes));
  }
  void zero(void* data, int64_t bytes) override {
    std::memset(data, 0, static_cast<size_t>(bytes));
  }
  EventId record(StreamId) override { return 0; }
  void wait(StreamId, EventId) override {}
  void synchronize(EventId) override {}
  void prepare(const Tensor&) override {}

  void gemm(const Tensor& d, const Tensor& a, const Tensor& b, const GemmOptions& o) override {
    ref::gemm<double>(v(d), v(a), v(b), o.transpose_a, o.transpose_b, static_cast<double>(o.alpha),
                      static_cast<double>(o.beta), v(o.c == nullptr ? d : *o.c));
  }
  void gemv(const Tensor& y, const Tensor& a, const Tensor& x, bool transpose) override {
    ref::gemv<double>(v(y), v(a), v(x), transpose);
  }
  void embed(const Tensor& y, const Tensor& table, const Tensor& tokens) override {
    ref::embed<double>(v(y), v(table), i(tokens));
  }
  void embed_bwd(const Tensor& dtable, const Tensor& dy, const Tensor& tokens) override {
    ref::embed_bwd<double>(v(dtable), v(dy), i(tokens));
  }
  void norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
            float eps) override {
    ref::norm<double>(v(y), v(rstd), v(x), v(w), static_cast<double>(eps));
  }
  void add_norm(const Tensor& y, const Tensor& rstd, const Tensor& sum, const Tensor& x,
                const Tensor& branch, const Tensor& w, float eps) override {
    ref::add_norm<double>(v(y), v(rstd), v(sum), v(x), v(branch), v(w), static_cast<double>(eps));
  }
  void norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                const Tensor& w, const Tensor& rstd) override {
    ref::norm_bwd<double>(v(dx), v(dw), v(dy), v(x), v(w), v(rstd));
  }
  void layer_norm(const Tensor& y, const Tensor& mean, const Tensor& rstd, const Tensor& x,
                  const Tensor& w, const Tensor& bias, float eps) override {
    ref::layer_norm<double>(v(y), v(mean), v(rstd), v(x), v(w), v(bias), static_cast<double>(eps));
  }
  void layer_norm_bwd(const Tensor& dx, const Tensor& dw, const Tensor& dbias, const Tensor& dy,
                      const Tensor& x, const Tensor& w, const Tensor& mean,
                      const Tensor& rstd) override {
    ref::layer_norm_bwd<double>(v(dx), v(dw), v(dbias), v(dy), v(x), v(w), v(mean), v(rstd));
  }
  void qk_norm_rope(const Tensor& out, const Tensor& q_rstd, const Tensor& k_rstd,
                    const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                    const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                    const AttentionShape& shape, float eps) override {
    ref::qk_norm_rope<double>(v(out), v(q_rstd), v(k_rstd), v(qkv), v(q_gain), v(k_gain), v(cos),
                              v(sin), i(doc_start), shape, static_cast<double>(eps));
  }
  void qk_norm_rope_bwd(const Tensor& dqkv, const Tensor& dq_gain, const Tensor& dk_gain,
                        const Tensor& dout, const Tensor& q_rstd, const Tensor& k_rstd,
                        const Tensor& qkv, const Tensor& q_gain, const Tensor& k_gain,
                        const Tensor& cos, const Tensor& sin, const Tensor& doc_start,
                        const AttentionShape& shape) override {
    ref::qk_norm_rope_bwd<double>(v(dqkv), v(dq_gain), v(dk_gain), v(dout), v(q_rstd), v(k_rstd),
                                  v(qkv), v(q_gain), v(k_gain), v(cos), v(sin), i(doc_start),
                                  shape);
  }
  void attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit, const Tensor& qkv,
                 const Tensor& doc_start, const AttentionShape& shape,
                 const ScorePolicy& policy) override {
    ref::attention<double>(v(o), v(lse), v(max_logit), v(qkv), i(doc_start), shape, policy);
  }
  void attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o, const Tensor& lse,
                     const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                     const ScorePolicy& policy) override {
    ref::attention_bwd<double>(v(dqkv), v(dout), v(o), v(lse), v(qkv), i(doc_start), shape, policy);
  }
  void clipped_attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                         const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                         const ScorePolicy& policy, const SoftClip& clip) override {
    ref::clipped_attention<double>(v(o), v(lse), v(max_logit), v(qkv), i(doc_start), shape, policy,
                                   clip);
  }
  void clipped_attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& lse,
                             const Tensor& qkv, const Tensor& doc_start,
                             const AttentionShape& shape, const ScorePolicy& policy,
                             const SoftClip& clip) override {
    ref::clipped_attention_bwd<double>(v(dqkv), v(dout), v(lse), v(qkv), i(doc_start), shape,
                                       policy, clip);
  }
  void xielu(const Tensor& y, const Tensor& x, const Tensor& alpha) override {
    ref::xielu<double>(v(y), v(x), v(alpha));
  }
  void xielu_bwd(const Tensor& dx, const Tensor& dalpha, const Tensor& dy, const Tensor& x,
                 const Tensor& alpha) override {
    ref::xielu_bwd<double>(v(dx), v(dalpha), v(dy), v(x), v(alpha));
  }
  void spectral_scale(const Tensor& hat, const Tensor& sigma, const Tensor& w, const Tensor& gain,
                      const Tensor& u, const Tensor& left) override {
    ref::spectral_scale<double>(v(hat), v(sigma), v(w), v(gain), v(u), v(left));
  }
  void spectral_scale_bwd(const Tensor& dw, const Tensor& dgain, const Tensor& dhat,
                          const Tensor& w, const Tensor& gain, const Tensor& sigma, const Tensor& u,
                          const Tensor& left) override {
    ref::spectral_scale_bwd<double>(v(dw), v(dgain), v(dhat), v(w), v(gain), v(sigma), v(u),
                                    v(left));
  }
  void power_iteration(const Tensor& u, const Tensor& left, const Tensor& w) override {
    ref::power_iteration<double>(v(u), v(left), v(w));
  }
  void activation(const Tensor& y, const Tensor& x, Activation kind) override {
    ref::activation<double>(v(y), v(x), kind);
  }
  void activation_bwd(const Tensor& dx, const Tensor& dy, const Tensor& x,
                      Activation kind) override {
    ref::activation_bwd<double>(v(dx), v(dy), v(x), kind);
  }
  void scale_channels(const Tensor& y, const Tensor& x, const Tensor& gain) override {
    ref::scale_channels<double>(v(y), v(x), v(gain));
  }
  void scale_channels_bwd(const Tensor& dx, const Tensor& dgain, const Tensor& dy, const Tensor& x,
                          const Tensor& gain) override {
    ref::scale_channels_bwd<double>(v(dx), v(dgain), v(dy), v(x), v(gain));
  }
  void xent_chunk(const Tensor& loss_rows, const Tensor& lse_rows, const Tensor& logits,
                  const Tensor& labels, const Tensor& weight, int64_t vocab, float z_loss,
                  bool gradient) override {
    ref::xent_chunk<double>(v(loss_rows), v(lse_rows), v(logits), i(labels), v(weight), vocab,
                            static_cast<double>(z_loss), gradient);
  }
  void add(const Tensor& y, const Tensor& a, const Tensor& b) override {
    ref::add<double>(v(y), v(a), v(b));
  }
  void scale(const Tensor& y, const Tensor& x, float factor) override {
    ref::scale<double>(v(y), v(x), static_cast<double>(factor));
  }
  void cast(const Tensor& y, const Tensor& x) override {
    for (int64_t r = 0; r < y.rows; ++r) {
      for (int64_t c = 0; c < y.cols; ++c) y.row<double>(r)[c] = x.row<double>(r)[c];
    }
  }
  void stats(const Tensor& out, const Tensor& x) override {
    ref::stats<double>(out.as<double>(), v(x));
  }
  void norm_blocks(const Tensor& out, const Tensor& x) override {
    ref::norm_blocks<double>(out.as<double>(), v(x));
  }
  void update_ratio(const Tensor& out, const OptimizerStep& step) override {
    ref::update_ratio<double>(out.as<double>(), step.grad.as<double>(), step.v.as<double>(), step);
  }
  void optimizer_step(const OptimizerStep& step) override {
    double* slow = step.kind == OptimizerKind::ademamix ? step.m2.as<double>() : nullptr;
    ref::optimizer_step<double>(step.param.as<double>(), step.grad.as<double>(),
                                step.m.as<double>(), step.v.as<double>(), slow, step.param.cols,
                                step, step.block_sums.as<double>());
  }

 private:
  static ref::Matrix<double> v(const Tensor& t) { return ref::view<double>(t); }
  static ref::Matrix<int32_t> i(const Tensor& t) { return ref::view<int32_t>(t); }
  ThreadPool pool_{1};
};

}  // namespace ballast
