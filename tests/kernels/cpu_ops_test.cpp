// Every op of the CPU backend against kernels/ref in double, over shapes of one element, odd ones
// and ones around the kernels' tiles and vectors.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/ref/activation.h"
#include "kernels/ref/attention.h"
#include "kernels/ref/elementwise.h"
#include "kernels/ref/embed.h"
#include "kernels/ref/gemm.h"
#include "kernels/ref/norm.h"
#include "kernels/ref/optimizer.h"
#include "kernels/ref/qk_norm_rope.h"
#include "kernels/ref/scale_channels.h"
#include "kernels/ref/stats.h"
#include "kernels/ref/xent.h"
#include "tests/kernels/values.h"

namespace ballast {
namespace {

struct Shape {
  int64_t rows, cols;
};

class CpuOps : public testing::Test {
 protected:
  static Backend& cpu() {
    static const std::unique_ptr<Backend> backend = open_cpu(2);
    return *backend;
  }
  const std::vector<Shape> shapes{{1, 1}, {3, 5}, {2, 16}, {7, 17}, {65, 31}, {40, 384}, {9, 1023}};
};

TEST_F(CpuOps, Norm) {
  for (const Shape& s : shapes) {
    Values x = Values::random(s.rows, s.cols, 1), w = Values::random(1, s.cols, 2);
    Values y(s.rows, s.cols), rstd(1, s.rows);
    cpu().norm(y.tensor(), rstd.tensor(), x.tensor(), w.tensor(), 1e-5f);
    ref::norm<double>(y.matrix(), rstd.matrix(), x.matrix(), w.matrix(), 1e-5f);
    EXPECT_TRUE(close(y, s.cols)) << s.rows << " x " << s.cols;
    EXPECT_TRUE(close(rstd, s.cols));
  }
}

TEST_F(CpuOps, AddNormInPlace) {
  for (const Shape& s : shapes) {
    Values x = Values::random(s.rows, s.cols, 1), branch = Values::random(s.rows, s.cols, 2);
    Values w = Values::random(1, s.cols, 3), y(s.rows, s.cols), rstd(1, s.rows);
    cpu().add_norm(y.tensor(), rstd.tensor(), x.tensor(), x.tensor(), branch.tensor(), w.tensor(),
                   1e-5f);
    ref::add_norm<double>(y.matrix(), rstd.matrix(), x.matrix(), x.matrix(), branch.matrix(),
                          w.matrix(), 1e-5f);
    EXPECT_TRUE(close(x, 1));
    EXPECT_TRUE(close(y, s.cols));
    EXPECT_TRUE(close(rstd, s.cols));
  }
}

TEST_F(CpuOps, NormBackwardInPlace) {
  for (const Shape& s : shapes) {
    Values x = Values::random(s.rows, s.cols, 1), w = Values::random(1, s.cols, 2);
    Values dx = Values::random(s.rows, s.cols, 3), dw = Values::random(1, s.cols, 4);
    Values rstd(1, s.rows), y(s.rows, s.cols);
    cpu().norm(y.tensor(), rstd.tensor(), x.tensor(), w.tensor(), 1e-5f);
    cpu().norm_bwd(dx.tensor(), dw.tensor(), dx.tensor(), x.tensor(), w.tensor(), rstd.tensor());
    for (int64_t n = 0; n < s.rows; ++n) rstd.matrix()(0, n) = rstd.got(0, n);
    ref::norm_bwd<double>(dx.matrix(), dw.matrix(), dx.matrix(), x.matrix(), w.matrix(),
                          rstd.matrix());
    EXPECT_TRUE(close(dx, s.cols, 8, 0.1)) << s.rows << " x " << s.cols;
    EXPECT_TRUE(close(dw, s.rows)) << s.rows << " x " << s.cols;
  }
}

TEST_F(CpuOps, EmbedAndItsBackward) {
  for (const Shape& s : shapes) {
    Integers tokens{1, s.rows, std::vector<int32_t>(static_cast<size_t>(s.rows))};
    for (size_t i = 0; i < tokens.data.size(); ++i)
      tokens.data[i] = static_cast<int32_t>(i * i % 5);
    Values table = Values::random(5, s.cols, 1), y(s.rows, s.cols);
    Values dy = Values::random(s.rows, s.cols, 2), dtable = Values::random(5, s.cols, 3);
    cpu().embed(y.tensor(), table.tensor(), tokens.tensor());
    ref::embed<double>(y.matrix(), table.matrix(), tokens.matrix());
    EXPECT_TRUE(close(y, 1, 0));
    cpu().embed_bwd(dtable.tensor(), dy.tensor(), tokens.tensor());
    ref::embed_bwd<double>(dtable.matrix(), dy.matrix(), tokens.matrix());
    EXPECT_TRUE(close(dtable, s.rows));
  }
}

TEST_F(CpuOps, GemmInAllLayoutsAndFactors) {
  struct Case {
    int64_t m, n, k;
  };
  for (const Case& s :
       {Case{1, 1, 1}, Case{3, 5, 7}, Case{17, 33, 65}, Case{255, 129, 16}, Case{257, 513, 31},
        Case{700, 40, 19}, Case{1100, 8, 3}, Case{64, 48, 2000}}) {
    for (const int layout : {0, 1, 2, 3}) {
      for (const float beta : {0.0f, 1.0f, 0.5f}) {
        const bool ta = (layout & 1) != 0, tb = (layout & 2) != 0;
        Values a = ta ? Values::random(s.k, s.m, 1) : Values::random(s.m, s.k, 1);
        Values b = tb ? Values::random(s.n, s.k, 2) : Values::random(s.k, s.n, 2);
        Values c = Values::random(s.m, s.n, 3), d(s.m, s.n, beta == 0 ? std::nan("") : 1);
        const Tensor c_tensor = c.tensor();
        const GemmOptions options{.transpose_a = ta,
                                  .transpose_b = tb,
                                  .alpha = 0.5f,
                                  .beta = beta,
                                  .c = layout == 3 ? nullptr : &c_tensor,
                                  .b_is_weight = layout == 2};
        if (options.b_is_weight) cpu().prepare(b.tensor());
        cpu().gemm(d.tensor(), a.tensor(), b.tensor(), options);
        ref::gemm<double>(d.matrix(), a.matrix(), b.matrix(), ta, tb, 0.5, beta,
                          layout == 3 ? d.matrix() : c.matrix());
        EXPECT_TRUE(close(d, s.k))
            << s.m << " x " << s.n << " x " << s.k << " layout " << layout << " beta " << beta;
      }
    }
  }
}

TEST_F(CpuOps, GemmSeesNewWeightsAfterPrepare) {
  Values a = Values::random(8, 16, 1), w = Values::random(24, 16, 2), d(8, 24);
  const GemmOptions options{.transpose_b = true, .b_is_weight = true};
  cpu().prepare(w.tensor());
  cpu().gemm(d.tensor(), a.tensor(), w.tensor(), options);
  w.fill([](int64_t i) { return random_normal(9, 9, static_cast<uint64_t>(i)); });
  cpu().prepare(w.tensor());
  cpu().gemm(d.tensor(), a.tensor(), w.tensor(), options);
  ref::gemm<double>(d.matrix(), a.matrix(), w.matrix(), false, true, 1, 0, d.matrix());
  EXPECT_TRUE(close(d, 16));
}

TEST_F(CpuOps, Gemv) {
  for (const Shape& s : shapes) {
    for (const bool transpose : {false, true}) {
      Values a = Values::random(s.rows, s.cols, 1);
      Values x = Values::random(1, transpose ? s.rows : s.cols, 2);
      Values y(1, transpose ? s.cols : s.rows);
      cpu().gemv(y.tensor(), a.tensor(), x.tensor(), transpose);
      ref::gemv<double>(y.matrix(), a.matrix(), x.matrix(), transpose);
      EXPECT_TRUE(close(y, x.cols()));
    }
  }
}

struct AttentionCase {
  AttentionShape shape;
  ScorePolicy policy;
};

const std::vector<AttentionCase>& attention_cases() {
  static const std::vector<AttentionCase> cases{
      {{1, 1, 1, 1, 2}, {0.7f, 0}},     {{2, 5, 2, 1, 6}, {0.4f, 0}},
      {{3, 33, 4, 2, 10}, {0.3f, 5}},   {{1, 64, 2, 2, 32}, {0.18f, 0}},
      {{2, 65, 6, 2, 64}, {0.125f, 0}}, {{1, 200, 3, 1, 34}, {0.17f, 50}}};
  return cases;
}

TEST_F(CpuOps, QkNormRopeAndItsBackward) {
  for (const AttentionCase& c : attention_cases()) {
    for (const bool with_norm : {false, true}) {
      const AttentionShape& s = c.shape;
      const int64_t n = s.batch * s.seq;
      Integers starts = documents(s.batch, s.seq);
      Values qkv = Values::random(n, s.qkv_cols(), 1), out(n, s.qkv_cols());
      Values cos(s.seq, s.head_dim / 2), sin(s.seq, s.head_dim / 2);
      cos.fill([](int64_t i) { return std::cos(0.1 * static_cast<double>(i)); });
      sin.fill([](int64_t i) { return std::sin(0.1 * static_cast<double>(i)); });
      Values q_gain = Values::random(1, s.head_dim, 2), k_gain = Values::random(1, s.head_dim, 3);
      Values q_rstd(n, s.heads), k_rstd(n, s.kv_heads);
      Values dq_gain = Values::random(1, s.head_dim, 4), dk_gain = Values::random(1, s.head_dim, 5);
      Values dout = Values::random(n, s.qkv_cols(), 6), dqkv(n, s.qkv_cols());
      const auto tensor = [&](Values& v) { return with_norm ? v.tensor() : Tensor{}; };
      const auto matrix = [&](Values& v) { return with_norm ? v.matrix() : ref::Matrix<double>{}; };
      cpu().qk_norm_rope(out.tensor(), tensor(q_rstd), tensor(k_rstd), qkv.tensor(), tensor(q_gain),
                         tensor(k_gain), cos.tensor(), sin.tensor(), starts.tensor(), s, 1e-5f);
      ref::qk_norm_rope<double>(out.matrix(), matrix(q_rstd), matrix(k_rstd), qkv.matrix(),
                                matrix(q_gain), matrix(k_gain), cos.matrix(), sin.matrix(),
                                starts.matrix(), s, 1e-5f);
      EXPECT_TRUE(close(out, s.head_dim));
      EXPECT_TRUE(!with_norm || (close(q_rstd, s.head_dim) && close(k_rstd, s.head_dim)));
      cpu().qk_norm_rope_bwd(dqkv.tensor(), tensor(dq_gain), tensor(dk_gain), dout.tensor(),
                             tensor(q_rstd), tensor(k_rstd), qkv.tensor(), tensor(q_gain),
                             tensor(k_gain), cos.tensor(), sin.tensor(), starts.tensor(), s);
      ref::qk_norm_rope_bwd<double>(dqkv.matrix(), matrix(dq_gain), matrix(dk_gain), dout.matrix(),
                                    matrix(q_rstd), matrix(k_rstd), qkv.matrix(), matrix(q_gain),
                                    matrix(k_gain), cos.matrix(), sin.matrix(), starts.matrix(), s);
      EXPECT_TRUE(close(dqkv, s.head_dim));
      EXPECT_TRUE(!with_norm || (close(dq_gain, n * s.heads) && close(dk_gain, n * s.kv_heads)));
    }
  }
}

TEST_F(CpuOps, RopeInPlace) {
  const AttentionShape s{2, 9, 4, 2, 10};
  Integers starts = documents(2, 9);
  Values qkv = Values::random(18, s.qkv_cols(), 1), cos(9, 5), sin(9, 5);
  cos.fill([](int64_t i) { return std::cos(0.1 * static_cast<double>(i)); });
  sin.fill([](int64_t i) { return std::sin(0.1 * static_cast<double>(i)); });
  Values copy = qkv, out(18, s.qkv_cols());
  cpu().qk_norm_rope(out.tensor(), {}, {}, copy.tensor(), {}, {}, cos.tensor(), sin.tensor(),
                     starts.tensor(), s, 0);
  cpu().qk_norm_rope(qkv.tensor(), {}, {}, qkv.tensor(), {}, {}, cos.tensor(), sin.tensor(),
                     starts.tensor(), s, 0);
  EXPECT_TRUE(same_bits(out, qkv));
  // Turning back gives the input again.
  cpu().qk_norm_rope_bwd(qkv.tensor(), {}, {}, qkv.tensor(), {}, {}, qkv.tensor(), {}, {},
                         cos.tensor(), sin.tensor(), starts.tensor(), s);
  EXPECT_TRUE(close(qkv, 2));
}

TEST_F(CpuOps, AttentionAndItsBackward) {
  for (const AttentionCase& c : attention_cases()) {
    const AttentionShape& s = c.shape;
    const int64_t n = s.batch * s.seq;
    Integers starts = documents(s.batch, s.seq);
    Values qkv = Values::random(n, s.qkv_cols(), 1), o(n, s.q_cols()), lse(n, s.heads);
    Values max_logit(1, s.heads), dout = Values::random(n, s.q_cols(), 2), dqkv(n, s.qkv_cols());
    cpu().attention(o.tensor(), lse.tensor(), max_logit.tensor(), qkv.tensor(), starts.tensor(), s,
                    c.policy);
    ref::attention<double>(o.matrix(), lse.matrix(), max_logit.matrix(), qkv.matrix(),
                           starts.matrix(), s, c.policy);
    const int64_t longest = std::max(s.seq, s.head_dim);
    EXPECT_TRUE(close(o, longest)) << s.seq << " x " << s.head_dim;
    EXPECT_TRUE(close(lse, longest));
    EXPECT_TRUE(close(max_logit, s.head_dim));
    cpu().attention_bwd(dqkv.tensor(), dout.tensor(), o.tensor(), lse.tensor(), qkv.tensor(),
                        starts.tensor(), s, c.policy);
    ref::attention_bwd<double>(dqkv.matrix(), dout.matrix(), o.matrix(), lse.matrix(), qkv.matrix(),
                               starts.matrix(), s, c.policy);
    EXPECT_TRUE(close(dqkv, longest)) << s.seq << " x " << s.head_dim;
  }
}

TEST_F(CpuOps, ActivationsAndTheirBackwards) {
  for (const Activation kind : {Activation::swiglu, Activation::gelu, Activation::squared_relu}) {
    for (const Shape& s : shapes) {
      const int64_t in = s.cols * (kind == Activation::swiglu ? 2 : 1);
      Values x = Values::random(s.rows, in, 1, 3), y(s.rows, s.cols), dx(s.rows, in);
      Values dy = Values::random(s.rows, s.cols, 2);
      cpu().activation(y.tensor(), x.tensor(), kind);
      ref::activation<double>(y.matrix(), x.matrix(), kind);
      EXPECT_TRUE(close(y, 1, 8, 0.1));
      cpu().activation_bwd(dx.tensor(), dy.tensor(), x.tensor(), kind);
      ref::activation_bwd<double>(dx.matrix(), dy.matrix(), x.matrix(), kind);
      EXPECT_TRUE(close(dx, 1, 8, 0.1));
    }
  }
}

TEST_F(CpuOps, ScaleChannelsInPlace) {
  for (const Shape& s : shapes) {
    Values x = Values::random(s.rows, s.cols, 1), gain = Values::random(1, s.cols, 2);
    Values dy = Values::random(s.rows, s.cols, 3), dgain = Values::random(1, s.cols, 4);
    cpu().scale_channels_bwd(dy.tensor(), dgain.tensor(), dy.tensor(), x.tensor(), gain.tensor());
    ref::scale_channels_bwd<double>(dy.matrix(), dgain.matrix(), dy.matrix(), x.matrix(),
                                    gain.matrix());
    EXPECT_TRUE(close(dy, 1));
    EXPECT_TRUE(close(dgain, s.rows));
    cpu().scale_channels(x.tensor(), x.tensor(), gain.tensor());
    ref::scale_channels<double>(x.matrix(), x.matrix(), gain.matrix());
    EXPECT_TRUE(close(x, 1));
  }
}

TEST_F(CpuOps, CrossEntropy) {
  for (const Shape& s : shapes) {
    for (const bool gradient : {false, true}) {
      const int64_t vocab = std::max<int64_t>(1, s.cols - 2);
      Values logits = Values::random(s.rows, s.cols, 1, 4), loss(1, s.rows), lse(1, s.rows);
      Values weight = Values::random(1, s.rows, 2);
      Integers labels{1, s.rows, std::vector<int32_t>(static_cast<size_t>(s.rows))};
      for (int64_t n = 0; n < s.rows; ++n) {
        labels.data[static_cast<size_t>(n)] = static_cast<int32_t>(n * 7 % vocab);
        for (int64_t v = vocab; v < s.cols; ++v) logits.set(n, v, std::nan(""));
        if (n % 3 != 2) continue;
        weight.set(0, n, 0);
        labels.data[static_cast<size_t>(n)] = -1;
        logits.set(n, 0, std::nan(""));
      }
      cpu().xent_chunk(loss.tensor(), lse.tensor(), logits.tensor(), labels.tensor(),
                       weight.tensor(), vocab, 1e-2f, gradient);
      ref::xent_chunk<double>(loss.matrix(), lse.matrix(), logits.matrix(), labels.matrix(),
                              weight.matrix(), vocab, 1e-2f, gradient);
      EXPECT_TRUE(close(loss, s.cols));
      EXPECT_TRUE(close(lse, s.cols));
      EXPECT_TRUE(close(logits, s.cols)) << s.rows << " x " << s.cols;
    }
  }
}

TEST_F(CpuOps, AddAndScaleInPlace) {
  for (const Shape& s : shapes) {
    Values a = Values::random(s.rows, s.cols, 1), b = Values::random(s.rows, s.cols, 2);
    cpu().add(a.tensor(), a.tensor(), b.tensor());
    ref::add<double>(a.matrix(), a.matrix(), b.matrix());
    EXPECT_TRUE(close(a, 1));
    cpu().scale(b.tensor(), b.tensor(), 3.5f);
    ref::scale<double>(b.matrix(), b.matrix(), 3.5);
    EXPECT_TRUE(close(b, 1));
  }
}

TEST_F(CpuOps, StatsSkipNonFiniteValues) {
  for (const Shape& s : shapes) {
    Values x = Values::random(s.rows, s.cols, 1);
    x.set(0, 0, 0);
    if (s.cols > 4) {
      x.set(s.rows - 1, 1, std::numeric_limits<double>::infinity());
      x.set(0, 2, std::nan(""));
      x.set(0, 3, -0.0);
    }
    std::vector<double> got(kStatsCols), wanted(kStatsCols);
    cpu().stats(make_tensor(got.data(), Dtype::f64, 1, kStatsCols), x.tensor());
    ref::stats(wanted.data(), x.matrix());
    EXPECT_NEAR(got[0], wanted[0], 1e-12 * wanted[0]);
    EXPECT_NEAR(got[1], wanted[1], 1e-12 * wanted[1]);
    for (const size_t column : {2, 3, 4}) EXPECT_EQ(got[column], wanted[column]);
  }
}

TEST_F(CpuOps, NormBlocks) {
  for (const int64_t n : {int64_t{1}, int64_t{1000}, kFlatBlock, 2 * kFlatBlock + 77}) {
    Values x = Values::random(1, n, 1);
    const int64_t blocks = (n + kFlatBlock - 1) / kFlatBlock;
    std::vector<double> got(static_cast<size_t>(blocks)), wanted(got);
    cpu().norm_blocks(make_tensor(got.data(), Dtype::f64, 1, blocks), x.tensor());
    ref::norm_blocks(wanted.data(), x.matrix());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-12 * wanted[i]);
  }
}

// p, m and v of an AdamW test, and the block sums.
struct AdamWCase {
  int64_t n;
  Values p, g, m, v;
  std::vector<double> sums;
  explicit AdamWCase(int64_t count)
      : n(count),
        p(Values::random(1, count, 1)),
        g(Values::random(1, count, 2)),
        m(Values::random(1, count, 3)),
        v(1, count),
        sums(static_cast<size_t>((count + kFlatBlock - 1) / kFlatBlock * 3)) {
    v.fill([](int64_t i) { return random_uniform(4, 4, static_cast<uint64_t>(i)); });
  }
  OptimizerStep step(std::span<const OptimizerRange> ranges) {
    return {.param = p.tensor(),
            .grad = g.tensor(),
            .m = m.tensor(),
            .v = v.tensor(),
            .ranges = ranges,
            .lr = 1e-2,
            .t = 3,
            .grad_factor = 0.5,
            .block_sums =
                make_tensor(sums.data(), Dtype::f64, static_cast<int64_t>(sums.size()) / 3, 3)};
  }
};

TEST_F(CpuOps, AdamWAgreesWithTheReference) {
  for (const int64_t n : {int64_t{1}, int64_t{37}, kFlatBlock + 5, 3 * kFlatBlock - 9}) {
    AdamWCase c(n);
    const std::vector<OptimizerRange> ranges{{0, n / 2, true, 1.0f}, {n / 2, n, false, 0.25f}};
    const OptimizerStep step = c.step(ranges);
    cpu().optimizer_step(step);
    std::vector<double> wanted(c.sums.size());
    ref::optimizer_step<double>(c.p.matrix().data, c.g.matrix().data, c.m.matrix().data,
                                c.v.matrix().data, static_cast<double*>(nullptr), n, step,
                                wanted.data());
    EXPECT_TRUE(close(c.p, 1) && close(c.m, 1) && close(c.v, 1)) << n;
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(c.sums[i], wanted[i], 1e-5 * wanted[i]) << i;
    }
  }
}

TEST_F(CpuOps, AdamWWithoutApplyKeepsEveryBitAndPaddingStays) {
  AdamWCase c(100), before(100);
  c.g.set(0, 50, std::nan(""));
  const std::vector<OptimizerRange> ranges{{10, 90, true, 1.0f}};
  OptimizerStep step = c.step(ranges);
  step.apply = false;
  cpu().optimizer_step(step);
  EXPECT_TRUE(same_bits(c.p, before.p) && same_bits(c.m, before.m) && same_bits(c.v, before.v));
  EXPECT_EQ(c.sums[0], 0);
  step.apply = true;
  cpu().optimizer_step(step);
  EXPECT_TRUE(std::isnan(c.p.got(0, 50)));
  EXPECT_EQ(c.p.got(0, 9), before.p.got(0, 9));
  EXPECT_EQ(c.p.got(0, 90), before.p.got(0, 90));
  EXPECT_NE(c.p.got(0, 10), before.p.got(0, 10));
}

// p0 = 1, lr 1e-3, decay 0.1, betas 0.9 and 0.95, gradients 1, -0.5, 2.
TEST_F(CpuOps, AdamWKnownVector) {
  Values p(1, 1, 1), g(1, 1), m(1, 1), v(1, 1);
  const std::vector<OptimizerRange> ranges{{0, 1, true, 1.0f}};
  const std::vector<double> gradients{1, -0.5, 2}, wanted{0.9989000000, 0.9985317406, 0.9977831425};
  for (int64_t t = 1; t <= 3; ++t) {
    g.set(0, 0, gradients[static_cast<size_t>(t - 1)]);
    cpu().optimizer_step({.param = p.tensor(),
                          .grad = g.tensor(),
                          .m = m.tensor(),
                          .v = v.tensor(),
                          .ranges = ranges,
                          .lr = 1e-3,
                          .t = t,
                          .block_sums = {}});
    EXPECT_NEAR(p.got(0, 0), wanted[static_cast<size_t>(t - 1)], 2e-7);
  }
}

TEST_F(CpuOps, CastRoundsToNearestEvenBothWays) {
  const std::vector<double> values{0,     1,     -2.5,  1.00390625, 1.01171875, 3.4e38,
                                   1e-40, 65519, 65520, 6.1e-5,     5.96e-8,    -0.0};
  const int64_t n = static_cast<int64_t>(values.size());
  Values x(1, n), back(1, n);
  for (int64_t i = 0; i < n; ++i) x.set(0, i, values[static_cast<size_t>(i)]);
  std::vector<uint16_t> half(values.size());
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    const Tensor h = make_tensor(half.data(), dtype, 1, n);
    cpu().cast(h, x.tensor());
    cpu().cast(back.tensor(), h);
    if (dtype == Dtype::bf16) {
      EXPECT_EQ(half[3], 0x3F80);  // halfway between 1 and 1 + 2^-7: to even
      EXPECT_EQ(half[4], 0x3F82);  // halfway again, the even one lies above
      EXPECT_EQ(half[5], 0x7F80);
    } else {
      EXPECT_EQ(half[7], 0x7BFF);
      EXPECT_EQ(half[8], 0x7C00);
      EXPECT_EQ(half[10], 0x0001);
    }
    EXPECT_EQ(half[11], 0x8000);
    EXPECT_EQ(back.got(0, 2), -2.5);
    // A value that came out of the type goes back in unchanged.
    std::vector<uint16_t> again(values.size());
    cpu().cast(make_tensor(again.data(), dtype, 1, n), back.tensor());
    EXPECT_EQ(again, half);
  }
}

}  // namespace
}  // namespace ballast
