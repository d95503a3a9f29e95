#include "kernels/ref/qk_norm_rope.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

constexpr float kEps = 1e-5f;

// Heads of one pair, of several per warp, of one per warp, and of more than one vector per lane;
// halves that are no power of two and no whole vectors; numbers of heads that do not fill a warp.
const AttentionShape kShapes[] = {
    {.batch = 1, .seq = 1, .heads = 1, .kv_heads = 1, .head_dim = 2},
    {.batch = 2, .seq = 7, .heads = 3, .kv_heads = 1, .head_dim = 6},
    {.batch = 3, .seq = 9, .heads = 6, .kv_heads = 3, .head_dim = 16},
    {.batch = 2, .seq = 16, .heads = 4, .kv_heads = 2, .head_dim = 64},
    {.batch = 2, .seq = 5, .heads = 5, .kv_heads = 5, .head_dim = 96},
    {.batch = 1, .seq = 19, .heads = 3, .kv_heads = 1, .head_dim = 128},
    {.batch = 1, .seq = 3, .heads = 2, .kv_heads = 1, .head_dim = 300},
    {.batch = 1, .seq = 2, .heads = 1, .kv_heads = 1, .head_dim = 512},
};

class CudaQkNormRope : public DeviceOps {
 protected:
  // Tables longer than the sequence. Their values need not be angles.
  OpValues table(const AttentionShape& s, uint64_t seed) {
    return random_of(Dtype::f32, s.seq + 2, s.head_dim / 2, seed);
  }
  OpValues gain(const AttentionShape& s, uint64_t seed) {
    return random_of(Dtype::f32, 1, s.head_dim, seed);
  }
  static std::string text_of(const AttentionShape& s) {
    return std::to_string(s.batch) + " x " + std::to_string(s.seq) + ", heads " +
           std::to_string(s.heads) + "/" + std::to_string(s.kv_heads) + " x " +
           std::to_string(s.head_dim);
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, CudaQkNormRope, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaQkNormRope);

TEST_P(CudaQkNormRope, WithoutNormInPlaceAndNot) {
  everywhere([&] {
    for (const AttentionShape& s : kShapes) {
      const int64_t rows = s.batch * s.seq;
      Integers starts = documents(s.batch, s.seq);
      OpValues doc_start = integers(starts), cos = table(s, 1), sin = table(s, 2);
      OpValues qkv = random(rows, s.qkv_cols(), 3), out = empty(rows, s.qkv_cols());
      SCOPED_TRACE(text_of(s));
      device().qk_norm_rope(out.tensor(), {}, {}, qkv.tensor(), {}, {}, cos.tensor(), sin.tensor(),
                            doc_start.tensor(), s, kEps);
      ref::qk_norm_rope<double>(out.matrix(), {}, {}, qkv.matrix(), {}, {}, cos.matrix(),
                                sin.matrix(), starts.matrix(), s, kEps);
      check(out, 2, 1, 1);
      device().qk_norm_rope_bwd(qkv.tensor(), {}, {}, qkv.tensor(), {}, {}, {}, {}, {},
                                cos.tensor(), sin.tensor(), doc_start.tensor(), s);
      ref::qk_norm_rope_bwd<double>(qkv.matrix(), {}, {}, qkv.matrix(), {}, {}, {}, {}, {},
                                    cos.matrix(), sin.matrix(), starts.matrix(), s);
      check(qkv, 2, 1, 1);
    }
  });
}

TEST_P(CudaQkNormRope, WithNorm) {
  everywhere([&] {
    for (const AttentionShape& s : kShapes) {
      const int64_t rows = s.batch * s.seq;
      Integers starts = documents(s.batch, s.seq);
      OpValues doc_start = integers(starts), cos = table(s, 1), sin = table(s, 2);
      OpValues qkv = random(rows, s.qkv_cols(), 3), out = empty(rows, s.qkv_cols());
      OpValues q_gain = gain(s, 4), k_gain = gain(s, 5);
      OpValues q_rstd = empty(rows, s.heads, Dtype::f32),
               k_rstd = empty(rows, s.kv_heads, Dtype::f32);
      device().qk_norm_rope(out.tensor(), q_rstd.tensor(), k_rstd.tensor(), qkv.tensor(),
                            q_gain.tensor(), k_gain.tensor(), cos.tensor(), sin.tensor(),
                            doc_start.tensor(), s, kEps);
      ref::qk_norm_rope<double>(out.matrix(), q_rstd.matrix(), k_rstd.matrix(), qkv.matrix(),
                                q_gain.matrix(), k_gain.matrix(), cos.matrix(), sin.matrix(),
                                starts.matrix(), s, kEps);
      SCOPED_TRACE(text_of(s));
      check(out, s.head_dim, 1, 1);
      check(q_rstd, s.head_dim);
      check(k_rstd, s.head_dim);
    }
  });
}

TEST_P(CudaQkNormRope, BackwardWithNorm) {
  everywhere([&] {
    for (const AttentionShape& s : kShapes) {
      const int64_t rows = s.batch * s.seq;
      Integers starts = documents(s.batch, s.seq);
      OpValues doc_start = integers(starts), cos = table(s, 1), sin = table(s, 2);
      OpValues qkv = random(rows, s.qkv_cols(), 3), dout = random(rows, s.qkv_cols(), 4);
      OpValues dqkv = empty(rows, s.qkv_cols()), q_gain = gain(s, 5), k_gain = gain(s, 6);
      OpValues dq_gain = gain(s, 7), dk_gain = gain(s, 8);
      OpValues q_rstd = random_of(Dtype::f32, rows, s.heads, 9);
      OpValues k_rstd = random_of(Dtype::f32, rows, s.kv_heads, 10);
      device().qk_norm_rope_bwd(dqkv.tensor(), dq_gain.tensor(), dk_gain.tensor(), dout.tensor(),
                                q_rstd.tensor(), k_rstd.tensor(), qkv.tensor(), q_gain.tensor(),
                                k_gain.tensor(), cos.tensor(), sin.tensor(), doc_start.tensor(), s);
      ref::qk_norm_rope_bwd<double>(dqkv.matrix(), dq_gain.matrix(), dk_gain.matrix(),
                                    dout.matrix(), q_rstd.matrix(), k_rstd.matrix(), qkv.matrix(),
                                    q_gain.matrix(), k_gain.matrix(), cos.matrix(), sin.matrix(),
                                    starts.matrix(), s);
      SCOPED_TRACE(text_of(s));
      check(dqkv, s.head_dim, 1, 1);
      check(dq_gain, rows * s.heads, 1, 1);
      check(dk_gain, rows * s.kv_heads, 1, 1);
    }
  });
}

// A head that overflowed must show, and only in its own columns and in the gain's gradient.
TEST_P(CudaQkNormRope, NonFiniteHeadsStayAlone) {
  everywhere([&] {
    const AttentionShape s{.batch = 1, .seq = 6, .heads = 4, .kv_heads = 2, .head_dim = 32};
    Integers starts = documents(s.batch, s.seq);
    OpValues doc_start = integers(starts), cos = table(s, 1), sin = table(s, 2);
    OpValues qkv = empty(s.seq, s.qkv_cols()), out = empty(s.seq, s.qkv_cols());
    qkv.fill([&](int64_t i) {
      if (i == 3 * s.head_dim + 5) return std::nan("");  // row 0, the last q head
      if (i == 2 * s.qkv_cols() + 1) return HUGE_VAL;    // row 2, the first q head
      return random_normal(3, 1, static_cast<uint64_t>(i));
    });
    OpValues q_gain = gain(s, 4), k_gain = gain(s, 5), dout = random(s.seq, s.qkv_cols(), 6);
    OpValues q_rstd = empty(s.seq, s.heads, Dtype::f32),
             k_rstd = empty(s.seq, s.kv_heads, Dtype::f32);
    device().qk_norm_rope(out.tensor(), q_rstd.tensor(), k_rstd.tensor(), qkv.tensor(),
                          q_gain.tensor(), k_gain.tensor(), cos.tensor(), sin.tensor(),
                          doc_start.tensor(), s, kEps);
    ref::qk_norm_rope<double>(out.matrix(), q_rstd.matrix(), k_rstd.matrix(), qkv.matrix(),
                              q_gain.matrix(), k_gain.matrix(), cos.matrix(), sin.matrix(),
                              starts.matrix(), s, kEps);
    check(out, s.head_dim, 1, 1);
    check(q_rstd, s.head_dim);
    check(k_rstd, s.head_dim);
    OpValues dqkv = empty(s.seq, s.qkv_cols()), dq_gain = gain(s, 7), dk_gain = gain(s, 8);
    device().qk_norm_rope_bwd(dqkv.tensor(), dq_gain.tensor(), dk_gain.tensor(), dout.tensor(),
                              q_rstd.tensor(), k_rstd.tensor(), qkv.tensor(), q_gain.tensor(),
                              k_gain.tensor(), cos.tensor(), sin.tensor(), doc_start.tensor(), s);
    ref::qk_norm_rope_bwd<double>(dqkv.matrix(), dq_gain.matrix(), dk_gain.matrix(), dout.matrix(),
                                  q_rstd.matrix(), k_rstd.matrix(), qkv.matrix(), q_gain.matrix(),
                                  k_gain.matrix(), cos.matrix(), sin.matrix(), starts.matrix(), s);
    check(dqkv, s.head_dim, 1, 1);
    check(dq_gain, s.seq * s.heads, 1, 1);
    check(dk_gain, s.seq * s.kv_heads, 1, 1);
  });
}

// More rows than one range has warps, and than there are partial sums.
TEST_P(CudaQkNormRope, ManyRowsPerPartialSum) {
  everywhere([&] {
    const AttentionShape s{.batch = 3, .seq = 731, .heads = 1, .kv_heads = 1, .head_dim = 32};
    const int64_t rows = s.batch * s.seq;
    Integers starts = documents(s.batch, s.seq);
    OpValues doc_start = integers(starts), cos = table(s, 1), sin = table(s, 2);
    OpValues qkv = random(rows, s.qkv_cols(), 3), dout = random(rows, s.qkv_cols(), 4);
    OpValues dqkv = empty(rows, s.qkv_cols()), q_gain = gain(s, 5), k_gain = gain(s, 6);
    OpValues dq_gain = gain(s, 7), dk_gain = gain(s, 8);
    OpValues q_rstd = random_of(Dtype::f32, rows, s.heads, 9);
    OpValues k_rstd = random_of(Dtype::f32, rows, s.kv_heads, 10);
    device().qk_norm_rope_bwd(dqkv.tensor(), dq_gain.tensor(), dk_gain.tensor(), dout.tensor(),
                              q_rstd.tensor(), k_rstd.tensor(), qkv.tensor(), q_gain.tensor(),
                              k_gain.tensor(), cos.tensor(), sin.tensor(), doc_start.tensor(), s);
    ref::qk_norm_rope_bwd<double>(dqkv.matrix(), dq_gain.matrix(), dk_gain.matrix(), dout.matrix(),
                                  q_rstd.matrix(), k_rstd.matrix(), qkv.matrix(), q_gain.matrix(),
                                  k_gain.matrix(), cos.matrix(), sin.matrix(), starts.matrix(), s);
    check(dqkv, s.head_dim, 1, 1);
    check(dq_gain, rows * s.heads, 1, 1);
    check(dk_gain, rows * s.kv_heads, 1, 1);
  });
}

}  // namespace
}  // namespace ballast
