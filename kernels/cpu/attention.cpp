// Causal attention, one task per sequence and key-value head. Queries go in blocks of kBlock rows
// whose scores against all keys of the block fit in a near cache, so the softmax sees whole rows:
//   S = Q K^T,  P = softmax(S),  O = P V;
//   dP = dO V^T,  dS = P (dP - delta),  dQ = dS K,  dK += dS^T Q,  dV += P^T dO.
// Clipped attention differs in what stands between the products only: probabilities are clipped
// before P V, and sum p dp takes a pass of its own. Masked places hold exact zeros. A zero times
// NaN is NaN, so a sequence with a non-finite input takes the reference's path, where a query never
// touches what it cannot see.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cpp"  // NOLINT
#include "kernels/cpu/targets.h"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/attention_task.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/small_gemm-inl.h"
#include "kernels/ref/attention.h"
#include "kernels/ref/clipped_attention.h"

HWY_BEFORE_NAMESPACE();
namespace ballast {
namespace HWY_NAMESPACE {

constexpr int64_t kBlock = 32;

// Four independent sums of 0 * x, each 0 while all x are finite: 0 * inf and 0 * NaN are NaN.
bool row_is_finite(const float* x, int64_t n) {
  const Floats d;
  const Vector zero = hn::Zero(d);
  Vector sum[4] = {zero, zero, zero, zero};
  int64_t i = 0;
  for (; i + 4 * lanes() <= n; i += 4 * lanes()) {
    for (int v = 0; v < 4; ++v) {
      sum[v] = hn::MulAdd(zero, hn::LoadU(d, x + i + v * lanes()), sum[v]);
    }
  }
  for (; i < n; i += lanes()) sum[0] = hn::MulAdd(zero, load_up_to(x + i, n - i), sum[0]);
  return sum_of(hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))) == 0;
}

// Sizes padded to whole vectors.
struct Padded {
  int64_t seq, dim;
  explicit Padded(const AttentionShape& s) : seq(round_up(s.seq)), dim(round_up(s.head_dim)) {}
  static int64_t round_up(int64_t n) { return (n + lanes() - 1) / lanes() * lanes(); }
};

// kQuad rows of `from` over whole vectors of columns: `quads` gets the kQuad values of each column
// side by side.
constexpr int64_t kQuad = 4;

HWY_INLINE void interleave_quad(float* quads, const float* from, int64_t stride, int64_t cols) {
  const Floats d;
  for (int64_t i = 0; i < cols; i += lanes()) {
    const float* x = from + i;
    hn::StoreInterleaved4(hn::LoadU(d, x), hn::LoadU(d, x + stride), hn::LoadU(d, x + 2 * stride),
                          hn::LoadU(d, x + 3 * stride), d, quads + kQuad * i);
  }
}

// (seq, head_dim) columns to (head_dim, padded seq), kRows rows at a time: a line of `to` is
// written at once.
void pack_transposed(float* to, const float* from, int64_t stride, const AttentionShape& s,
                     int64_t padded_seq) {
  constexpr int64_t kRows = 16, kCols = 64;  // kCols: of an interleaved part, whole vectors
  const hn::CappedTag<float, kQuad> quad;
  HWY_ALIGN float quads[kRows / kQuad][kQuad * kCols];
  const int64_t fast_cols = s.head_dim / lanes() * lanes(), fast_rows = s.seq / kRows * kRows;
  for (int64_t t = 0; t < fast_rows; t += kRows) {
    for (int64_t i = 0; i < fast_cols; i += kCols) {
      const int64_t cols = std::min(kCols, fast_cols - i);
      for (int64_t g = 0; g < kRows / kQuad; ++g) {
        interleave_quad(quads[g], from + (t + g * kQuad) * stride + i, stride, cols);
      }
      for (int64_t c = 0; c < cols; ++c) {
        for (int64_t g = 0; g < kRows / kQuad; ++g) {
          hn::StoreU(hn::LoadU(quad, quads[g] + kQuad * c), quad,
                     to + (i + c) * padded_seq + t + g * kQuad);
        }
      }
    }
  }
  for (int64_t i = 0; i < s.head_dim; ++i) {
    for (int64_t r = i < fast_cols ? fast_rows : 0; r < s.seq; ++r) {
      to[i * padded_seq + r] = from[r * stride + i];
    }
    std::fill(to + i * padded_seq + s.seq, to + (i + 1) * padded_seq, 0.0f);
  }
}

// (seq, head_dim) columns to (seq, padded head_dim).
void pack_rows(float* to, const float* from, int64_t stride, const AttentionShape& s,
               int64_t padded_dim) {
  for (int64_t t = 0; t < s.seq; ++t) {
    float* row = to + t * padded_dim;
    std::copy_n(from + t * stride, s.head_dim, row);
    std::fill(row + s.head_dim, row + padded_dim, 0.0f);
  }
}

// The rows of queries [begin, end) and the padded range of keys that any of them sees.
struct Block {
  int64_t begin, end, key_begin, key_end;
  int64_t rows() const { return end - begin; }
  int64_t keys() const { return key_end - key_begin; }
};

Block block_at(int64_t begin, const AttentionTask& t) {
  const int64_t end = std::min(begin + kBlock, t.shape.seq);
  const int32_t first = *std::min_element(t.doc_start + begin, t.doc_start + end);
  return {begin, end, first / lanes() * lanes(), Padded::round_up(end)};
}

// One row of scores through the policy, in place over [0, n); returns the largest one.
HWY_INLINE float scale_scores(float* s, int64_t n, const ScorePolicy& policy) {
  const Floats d;
  const Vector scale = hn::Set(d, policy.scale), cap = hn::Set(d, policy.cap);
  const Vector over_cap = hn::Set(d, policy.cap > 0 ? 1 / policy.cap : 0);
  Vector top = hn::Set(d, -std::numeric_limits<float>::infinity());
  for (int64_t j = 0; j < n; j += lanes()) {
    Vector v = hn::Mul(scale, hn::LoadU(d, s + j));
    if (policy.cap > 0) v = hn::Mul(cap, tanh_of(hn::Mul(v, over_cap)));
    top = hn::Max(top, v);
    hn::StoreU(v, d, s + j);
  }
  return max_of(top);
}

// s = exp(s - shift) over [0, n); returns the sum.
HWY_INLINE float exp_scores(float* s, int64_t n, float shift) {
  const Floats d;
  const Vector m = hn::Set(d, shift);
  Vector sum = hn::Zero(d);
  for (int64_t j = 0; j < n; j += lanes()) {
    const Vector p = exp_of(hn::Sub(hn::LoadU(d, s + j), m));
    sum = hn::Add(sum, p);
    hn::StoreU(p, d, s + j);
  }
  return sum_of(sum);
}

// s = clip((zeta - gamma) factor s + gamma, 0, 1) over [0, n).
HWY_INLINE void clip_probabilities(float* s, int64_t n, float factor, const SoftClip& clip) {
  const Floats d;
  const Vector slope = hn::Set(d, (clip.zeta - clip.gamma) * factor);
  const Vector gamma = hn::Set(d, clip.gamma), zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  for (int64_t j = 0; j < n; j += lanes()) {
    const Vector value = hn::MulAdd(slope, hn::LoadU(d, s + j), gamma);
    hn::StoreU(hn::Min(one, hn::Max(zero, value)), d, s + j);
  }
}

// The scores of query `row` outside its document or behind it become `value`.
HWY_INLINE void mask_row(float* s, const Block& block, const AttentionTask& t, int64_t row,
                         float value) {
  std::fill(s, s + (t.doc_start[row] - block.key_begin), value);
  std::fill(s + (row + 1 - block.key_begin), s + block.keys(), value);
}

// p and lse of the rows of a block; o gets 1 / sum as a factor later.
void softmax_block(float* scores, float* inverse_sums, const Block& block, const AttentionTask& t,
                   int64_t head, int64_t stride) {
  constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
  for (int64_t r = 0; r < block.rows(); ++r) {
    float* s = scores + r * stride;
    const int64_t row = block.begin + r;
    // tanh and a negative scale would move an early mask: mask after the policy.
    scale_scores(s, block.keys(), t.policy);
    mask_row(s, block, t, row, kMinusInfinity);
    Vector tops = hn::Set(Floats(), kMinusInfinity);
    for (int64_t j = 0; j < block.keys(); j += lanes()) {
      tops = hn::Max(tops, hn::LoadU(Floats(), s + j));
    }
    float top = max_of(tops);
    // Max may lose a NaN score: finite inputs give one only by way of an infinite product.
    for (int64_t j = 0; !std::isfinite(top) && j < block.keys(); ++j) {
      if (std::isnan(s[j])) top = s[j];
    }
    if (t.tops != nullptr && (top > t.tops[head] || std::isnan(top))) t.tops[head] = top;
    const float sum = exp_scores(s, block.keys(), top);
    inverse_sums[r] = 1 / sum;
    if (t.clip != nullptr) {
      clip_probabilities(s, block.keys(), 1 / sum, *t.clip);
      inverse_sums[r] = 1;
    }
    t.lse[row * t.lse_stride + head] = top + std::log(sum);
  }
}

void attention_forward_task(const AttentionTask& t) {
  const AttentionShape& s = t.shape;
  const Padded padded(s);
  const int64_t group = s.heads / s.kv_heads, d = s.head_dim;
  const float* k = t.qkv + s.q_cols() + t.kv_head * d;
  const float* v = k + s.kv_cols();
  TaskScratch scratch(padded.seq * padded.dim * 2 + kBlock * (padded.seq + padded.dim + 1));
  float* const keys = scratch.take(d * padded.seq);
  float* const values = scratch.take(padded.seq * padded.dim);
  float* const scores = scratch.take(kBlock * padded.seq);
  float* const out = scratch.take(kBlock * padded.dim);
  float* const inverse_sums = scratch.take(kBlock);
  pack_transposed(keys, k, t.qkv_stride, s, padded.seq);
  pack_rows(values, v, t.qkv_stride, s, padded.dim);
  for (int64_t head = t.kv_head * group; head < (t.kv_head + 1) * group; ++head) {
    for (int64_t begin = 0; begin < s.seq; begin += kBlock) {
      const Block block = block_at(begin, t);
      const float* q = t.qkv + begin * t.qkv_stride + head * d;
      const int64_t visible = std::min(block.key_end, s.seq) - block.key_begin;
      small_gemm({scores, padded.seq, q, t.qkv_stride, 1, keys + block.key_begin, padded.seq,
                  block.rows(), block.keys(), d, false});
      softmax_block(scores, inverse_sums, block, t, head, padded.seq);
      small_gemm({out, padded.dim, scores, padded.seq, 1, values + block.key_begin * padded.dim,
                  padded.dim, block.rows(), padded.dim, visible, false});
      for (int64_t r = 0; r < block.rows(); ++r) {
        float* o = t.o + (begin + r) * t.o_stride + head * d;
        for (int64_t i = 0; i < d; ++i) o[i] = out[r * padded.dim + i] * inverse_sums[r];
      }
    }
  }
}

// From scores and dP to P (in place of the scores) and dS (in place of dP), one row.
HWY_INLINE void backward_row(float* s, float* dp, int64_t n, float lse, float delta,
                             const ScorePolicy& policy) {
  const Floats d;
  const Vector scale = hn::Set(d, policy.scale), one = hn::Set(d, 1.0f);
  const Vector cap = hn::Set(d, policy.cap);
  const Vector over_cap = hn::Set(d, policy.cap > 0 ? 1 / policy.cap : 0);
  for (int64_t j = 0; j < n; j += lanes()) {
    Vector score = hn::Mul(scale, hn::LoadU(d, s + j));
    Vector slope = scale;
    if (policy.cap > 0) {
      const Vector ratio = tanh_of(hn::Mul(score, over_cap));
      score = hn::Mul(cap, ratio);
      slope = hn::Mul(scale, hn::NegMulAdd(ratio, ratio, one));
    }
    const Vector p = exp_of(hn::Sub(score, hn::Set(d, lse)));
    const Vector ds = hn::Mul(p, hn::Sub(hn::LoadU(d, dp + j), hn::Set(d, delta)));
    hn::StoreU(p, d, s + j);
    hn::StoreU(hn::Mul(ds, slope), d, dp + j);
  }
}

// First pass over a row with clipped probabilities: s becomes p, dp the gradient of p, `slopes` the
// policy's derivative.
HWY_INLINE void clipped_row_first(float* s, float* dp, float* slopes, int64_t n, float lse,
                                  const ScorePolicy& policy, const SoftClip& clip) {
  const Floats d;
  const Vector scale = hn::Set(d, policy.scale), one = hn::Set(d, 1.0f), zero = hn::Zero(d);
  const Vector cap = hn::Set(d, policy.cap);
  const Vector over_cap = hn::Set(d, policy.cap > 0 ? 1 / policy.cap : 0);
  const Vector stretch = hn::Set(d, clip.zeta - clip.gamma), gamma = hn::Set(d, clip.gamma);
  for (int64_t j = 0; j < n; j += lanes()) {
    Vector score = hn::Mul(scale, hn::LoadU(d, s + j)), slope = scale;
    if (policy.cap > 0) {
      const Vector ratio = tanh_of(hn::Mul(score, over_cap));
      score = hn::Mul(cap, ratio);
      slope = hn::Mul(scale, hn::NegMulAdd(ratio, ratio, one));
    }
    const Vector p = exp_of(hn::Sub(score, hn::Set(d, lse)));
    const Vector value = hn::MulAdd(stretch, p, gamma);
    const auto inside = hn::And(hn::Gt(value, zero), hn::Lt(value, one));
    hn::StoreU(slope, d, slopes + j);
    hn::StoreU(hn::IfThenElseZero(inside, hn::Mul(stretch, hn::LoadU(d, dp + j))), d, dp + j);
    hn::StoreU(p, d, s + j);
  }
}

// Second pass, after masking p: dp becomes dS.
HWY_INLINE void clipped_row_second(const float* p, float* dp, const float* slopes, int64_t n) {
  const Floats d;
  Vector sum = hn::Zero(d);
  for (int64_t j = 0; j < n; j += lanes())
    sum = hn::MulAdd(hn::LoadU(d, p + j), hn::LoadU(d, dp + j), sum);
  const Vector delta = hn::Set(d, sum_of(sum));
  for (int64_t j = 0; j < n; j += lanes()) {
    const Vector ds = hn::Mul(hn::LoadU(d, p + j), hn::Sub(hn::LoadU(d, dp + j), delta));
    hn::StoreU(hn::Mul(ds, hn::LoadU(d, slopes + j)), d, dp + j);
  }
}

// Packed operands of one key-value head and of the query head at work.
struct BackwardScratch {
  float *keys_t, *values_t, *keys, *queries, *douts, *dkeys, *dvalues, *scores, *dscores, *dq;
  float* slopes;  // one row, for clipped probabilities
};

// One row of scores and dP to clipped probabilities and dS.
void clipped_backward_row(const BackwardScratch& w, float* s, float* ds, const Block& block,
                          const AttentionTask& t, int64_t row, float lse) {
  clipped_row_first(s, ds, w.slopes, block.keys(), lse, t.policy, *t.clip);
  mask_row(s, block, t, row, 0);
  clipped_row_second(s, ds, w.slopes, block.keys());
  clip_probabilities(s, block.keys(), 1, *t.clip);
}

void backward_block(const BackwardScratch& w, const Block& block, const AttentionTask& t,
                    int64_t head, const Padded& padded) {
  const int64_t d = t.shape.head_dim, rows = block.rows(), first = block.key_begin;
  const int64_t visible = std::min(block.key_end, t.shape.seq) - first;
  const float* q = w.queries + block.begin * padded.dim;
  const float* dout = w.douts + block.begin * padded.dim;
  small_gemm({w.scores, padded.seq, q, padded.dim, 1, w.keys_t + first, padded.seq, rows,
              block.keys(), d, false});
  small_gemm({w.dscores, padded.seq, dout, padded.dim, 1, w.values_t + first, padded.seq, rows,
              block.keys(), d, false});
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = block.begin + r;
    float *s = w.scores + r * padded.seq, *ds = w.dscores + r * padded.seq;
    if (t.clip != nullptr) {
      clipped_backward_row(w, s, ds, block, t, row, t.lse[row * t.lse_stride + head]);
      continue;
    }
    const float delta = ref::dot(dout + r * padded.dim, t.o + row * t.o_stride + head * d, d);
    backward_row(s, ds, block.keys(), t.lse[row * t.lse_stride + head], delta, t.policy);
    mask_row(s, block, t, row, 0);
    mask_row(ds, block, t, row, 0);
  }
  small_gemm({w.dq, padded.dim, w.dscores, padded.seq, 1, w.keys + first * padded.dim, padded.dim,
              rows, padded.dim, visible, false});
  small_gemm({w.dkeys + first * padded.dim, padded.dim, w.dscores, 1, padded.seq, q, padded.dim,
              visible, padded.dim, rows, true});
  small_gemm({w.dvalues + first * padded.dim, padded.dim, w.scores, 1, padded.seq, dout, padded.dim,
              visible, padded.dim, rows, true});
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(w.dq + r * padded.dim, d, t.dqkv + (block.begin + r) * t.dqkv_stride + head * d);
  }
}

void attention_backward_task(const AttentionTask& t) {
  const AttentionShape& s = t.shape;
  const Padded padded(s);
  const int64_t group = s.heads / s.kv_heads, d = s.head_dim, square = padded.seq * padded.dim;
  const int64_t k_col = s.q_cols() + t.kv_head * d, v_col = k_col + s.kv_cols();
  TaskScratch scratch(7 * square + kBlock * (2 * padded.seq + padded.dim) + padded.seq);
  BackwardScratch w;
  for (float** part :
       {&w.keys_t, &w.values_t, &w.keys, &w.queries, &w.douts, &w.dkeys, &w.dvalues}) {
    *part = scratch.take(square);
  }
  for (float** part : {&w.scores, &w.dscores}) *part = scratch.take(kBlock * padded.seq);
  w.dq = scratch.take(kBlock * padded.dim);
  w.slopes = scratch.take(padded.seq);
  pack_transposed(w.keys_t, t.qkv + k_col, t.qkv_stride, s, padded.seq);
  pack_transposed(w.values_t, t.qkv + v_col, t.qkv_stride, s, padded.seq);
  pack_rows(w.keys, t.qkv + k_col, t.qkv_stride, s, padded.dim);
  std::fill_n(w.dkeys, square, 0.0f);
  std::fill_n(w.dvalues, square, 0.0f);
  for (int64_t head = t.kv_head * group; head < (t.kv_head + 1) * group; ++head) {
    pack_rows(w.queries, t.qkv + head * d, t.qkv_stride, s, padded.dim);
    pack_rows(w.douts, t.dout + head * d, t.dout_stride, s, padded.dim);
    for (int64_t begin = 0; begin < s.seq; begin += kBlock) {
      backward_block(w, block_at(begin, t), t, head, padded);
    }
  }
  for (int64_t row = 0; row < s.seq; ++row) {
    float* dqkv = t.dqkv + row * t.dqkv_stride;
    std::copy_n(w.dkeys + row * padded.dim, d, dqkv + k_col);
    std::copy_n(w.dvalues + row * padded.dim, d, dqkv + v_col);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ballast
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast {
HWY_EXPORT(attention_forward_task);
HWY_EXPORT(attention_backward_task);
HWY_EXPORT(row_is_finite);

namespace {

void check_shapes(const Tensor& o, const Tensor& lse, const Tensor& qkv, const Tensor& doc_start,
                  const AttentionShape& s) {
  BALLAST_CHECK(s.heads % s.kv_heads == 0 && qkv.cols == s.qkv_cols());
  BALLAST_CHECK(qkv.rows == s.batch * s.seq && o.rows == qkv.rows && lse.rows == qkv.rows);
  BALLAST_CHECK(o.cols == s.q_cols() && lse.cols == s.heads);
  BALLAST_CHECK(doc_start.rows == s.batch && doc_start.cols == s.seq);
}

// The task of key-value head `index % NKV` in sequence `index / NKV`.
AttentionTask task_of(int64_t index, const Tensor& o, const Tensor& lse, const Tensor& qkv,
                      const Tensor& doc_start, const AttentionShape& shape,
                      const ScorePolicy& policy) {
  const int64_t b = index / shape.kv_heads, row = b * shape.seq;
  AttentionTask task;
  task.shape = shape;
  task.policy = policy;
  task.kv_head = index % shape.kv_heads;
  task.qkv = qkv.row<float>(row);
  task.qkv_stride = qkv.stride;
  task.o = o.row<float>(row);
  task.o_stride = o.stride;
  task.lse = lse.row<float>(row);
  task.lse_stride = lse.stride;
  task.doc_start = doc_start.row<int32_t>(b);
  return task;
}

bool all_finite(const Tensor& t, int64_t begin, int64_t rows) {
  for (int64_t r = begin; r < begin + rows; ++r) {
    if (!HWY_DYNAMIC_DISPATCH(row_is_finite)(t.row<float>(r), t.cols)) return false;
  }
  return true;
}

}  // namespace

void CpuBackend::attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                           const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                           const ScorePolicy& policy) {
  attend(o, lse, max_logit, qkv, doc_start, shape, policy, nullptr);
}

void CpuBackend::clipped_attention(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                                   const Tensor& qkv, const Tensor& doc_start,
                                   const AttentionShape& shape, const ScorePolicy& policy,
                                   const SoftClip& clip) {
  attend(o, lse, max_logit, qkv, doc_start, shape, policy, &clip);
}

void CpuBackend::attend(const Tensor& o, const Tensor& lse, const Tensor& max_logit,
                        const Tensor& qkv, const Tensor& doc_start, const AttentionShape& shape,
                        const ScorePolicy& policy, const SoftClip* clip) {
  check_shapes(o, lse, qkv, doc_start, shape);
  std::vector<float> tops(static_cast<size_t>(shape.batch * shape.heads),
                          -std::numeric_limits<float>::infinity());
  AttentionShape one = shape;
  one.batch = 1;
  const std::vector<char> finite = finite_sequences(std::span(&qkv, 1), shape);
  pool_.parallel_for(shape.batch * shape.kv_heads, 1, [&](int64_t index, int64_t) {
    const int64_t b = index / shape.kv_heads;
    AttentionTask task = task_of(index, o, lse, qkv, doc_start, shape, policy);
    task.tops = tops.data() + b * shape.heads;
    task.clip = clip;
    if (finite[static_cast<size_t>(b)] != 0) {
      HWY_DYNAMIC_DISPATCH(attention_forward_task)(task);
    } else if (task.kv_head == 0) {
      const auto sequence = [&](const Tensor& t) {
        return ref::view<float>(rows_of(t, b * shape.seq, shape.seq));
      };
      const ref::Matrix<float> top = {task.tops, 1, shape.heads, shape.heads};
      const auto starts = ref::view<int32_t>(rows_of(doc_start, b, 1));
      if (clip == nullptr) {
        ref::attention(sequence(o), sequence(lse), top, sequence(qkv), starts, one, policy);
      } else {
        ref::clipped_attention(sequence(o), sequence(lse), top, sequence(qkv), starts, one, policy,
                               *clip);
      }
    }
  });
  if (max_logit.empty()) return;
  for (int64_t head = 0; head < shape.heads; ++head) {
    float top = tops[static_cast<size_t>(head)];
    for (int64_t b = 1; b < shape.batch; ++b) {
      const float other = tops[static_cast<size_t>(b * shape.heads + head)];
      if (other > top || std::isnan(other)) top = other;
    }
    max_logit.as<float>()[head] = top;
  }
}

void CpuBackend::attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o,
                               const Tensor& lse, const Tensor& qkv, const Tensor& doc_start,
                               const AttentionShape& shape, const ScorePolicy& policy) {
  attend_bwd(dqkv, dout, o, lse, qkv, doc_start, shape, policy, nullptr);
}

void CpuBackend::clipped_attention_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& lse,
                                       const Tensor& qkv, const Tensor& doc_start,
                                       const AttentionShape& shape, const ScorePolicy& policy,
                                       const SoftClip& clip) {
  attend_bwd(dqkv, dout, dout, lse, qkv, doc_start, shape, policy, &clip);
}

// With `clip`, o is not looked at.
void CpuBackend::attend_bwd(const Tensor& dqkv, const Tensor& dout, const Tensor& o,
                            const Tensor& lse, const Tensor& qkv, const Tensor& doc_start,
                            const AttentionShape& shape, const ScorePolicy& policy,
                            const SoftClip* clip) {
  check_shapes(o, lse, qkv, doc_start, shape);
  BALLAST_CHECK(dqkv.rows == qkv.rows && dqkv.cols == qkv.cols && dout.rows == o.rows &&
                dout.cols == o.cols);
  AttentionShape one = shape;
  one.batch = 1;
  const Tensor inputs[] = {qkv, dout};
  const std::vector<char> finite = finite_sequences(inputs, shape);
  pool_.parallel_for(shape.batch * shape.kv_heads, 1, [&](int64_t index, int64_t) {
    const int64_t b = index / shape.kv_heads;
    AttentionTask task = task_of(index, o, lse, qkv, doc_start, shape, policy);
    task.dout = dout.row<float>(b * shape.seq);
    task.dout_stride = dout.stride;
    task.dqkv = dqkv.row<float>(b * shape.seq);
    task.dqkv_stride = dqkv.stride;
    task.clip = clip;
    if (finite[static_cast<size_t>(b)] != 0) {
      HWY_DYNAMIC_DISPATCH(attention_backward_task)(task);
    } else if (task.kv_head == 0) {
      const auto sequence = [&](const Tensor& t) {
        return ref::view<float>(rows_of(t, b * shape.seq, shape.seq));
      };
      const auto starts = ref::view<int32_t>(rows_of(doc_start, b, 1));
      if (clip == nullptr) {
        ref::attention_bwd(sequence(dqkv), sequence(dout), sequence(o), sequence(lse),
                           sequence(qkv), starts, one, policy);
      } else {
        ref::clipped_attention_bwd(sequence(dqkv), sequence(dout), sequence(lse), sequence(qkv),
                                   starts, one, policy, *clip);
      }
    }
  });
}

// For each sequence, whether all its rows of all tensors are finite.
std::vector<char> CpuBackend::finite_sequences(std::span<const Tensor> tensors,
                                               const AttentionShape& shape) {
  std::vector<char> finite(static_cast<size_t>(shape.batch));
  pool_.parallel_for(shape.batch, 1, [&](int64_t b, int64_t) {
    finite[static_cast<size_t>(b)] =
        std::all_of(tensors.begin(), tensors.end(),
                    [&](const Tensor& t) { return all_finite(t, b * shape.seq, shape.seq); });
  });
  return finite;
}

}  // namespace ballast
#endif  // HWY_ONCE
