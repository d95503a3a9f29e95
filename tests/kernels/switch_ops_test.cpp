// The ops that only switched-on models use, on the CPU against kernels/ref in double.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/ref/clipped_attention.h"
#include "kernels/ref/norm.h"
#include "kernels/ref/spectral.h"
#include "kernels/ref/xielu.h"
#include "tests/kernels/values.h"

namespace ballast {
namespace {

class SwitchOps : public testing::Test {
 protected:
  static Backend& cpu() {
    static const std::unique_ptr<Backend> backend = open_cpu(2);
    return *backend;
  }
};

// What the backend wrote becomes the reference's input too.
void take_over(Values& values) {
  for (int64_t r = 0; r < values.rows(); ++r) {
    for (int64_t c = 0; c < values.cols(); ++c) values.matrix()(r, c) = values.got(r, c);
  }
}

struct Runs {
  int64_t rows, groups, cols;
};
const Runs kRuns[] = {{1, 1, 1}, {3, 2, 5}, {2, 4, 16}, {7, 3, 17}, {40, 6, 64}, {5, 1, 1023}};

TEST_F(SwitchOps, NormOfSeveralRunsPerRow) {
  for (const Runs& s : kRuns) {
    const int64_t width = s.groups * s.cols, runs = s.rows * s.groups;
    Values x = Values::random(s.rows, width, 1), w = Values::random(1, s.cols, 2);
    Values y(s.rows, width), rstd(1, runs), dw = Values::random(1, s.cols, 4);
    Values dx = Values::random(s.rows, width, 3);
    cpu().norm(y.tensor(), rstd.tensor(), x.tensor(), w.tensor(), 1e-5f);
    ref::norm<double>(y.matrix(), rstd.matrix(), x.matrix(), w.matrix(), 1e-5f);
    EXPECT_TRUE(close(y, s.cols)) << s.groups << " x " << s.cols;
    EXPECT_TRUE(close(rstd, s.cols));
    take_over(rstd);
    cpu().norm_bwd(dx.tensor(), dw.tensor(), dx.tensor(), x.tensor(), w.tensor(), rstd.tensor());
    ref::norm_bwd<double>(dx.matrix(), dw.matrix(), dx.matrix(), x.matrix(), w.matrix(),
                          rstd.matrix());
    EXPECT_TRUE(close(dx, s.cols, 8, 0.1));
    EXPECT_TRUE(close(dw, runs));
  }
}

TEST_F(SwitchOps, LayerNormAndItsBackwardInPlace) {
  for (const Runs& s : kRuns) {
    if (s.cols == 1) continue;  // a run of one is its own mean: all digits cancel
    const int64_t width = s.groups * s.cols, runs = s.rows * s.groups;
    Values x = Values::random(s.rows, width, 1), w = Values::random(1, s.cols, 2);
    Values bias = Values::random(1, s.cols, 5), y(s.rows, width), mean(1, runs), rstd(1, runs);
    Values dx = Values::random(s.rows, width, 3), dw = Values::random(1, s.cols, 4);
    Values dbias = Values::random(1, s.cols, 6);
    cpu().layer_norm(y.tensor(), mean.tensor(), rstd.tensor(), x.tensor(), w.tensor(),
                     bias.tensor(), 1e-5f);
    ref::layer_norm<double>(y.matrix(), mean.matrix(), rstd.matrix(), x.matrix(), w.matrix(),
                            bias.matrix(), 1e-5f);
    EXPECT_TRUE(close(y, s.cols)) << s.groups << " x " << s.cols;
    EXPECT_TRUE(close(mean, s.cols, 8, 1));
    EXPECT_TRUE(close(rstd, s.cols));
    take_over(mean);
    take_over(rstd);
    cpu().layer_norm_bwd(dx.tensor(), dw.tensor(), dbias.tensor(), dx.tensor(), x.tensor(),
                         w.tensor(), mean.tensor(), rstd.tensor());
    ref::layer_norm_bwd<double>(dx.matrix(), dw.matrix(), dbias.matrix(), dx.matrix(), x.matrix(),
                                w.matrix(), mean.matrix(), rstd.matrix());
    EXPECT_TRUE(close(dx, s.cols, 8, 0.1)) << s.groups << " x " << s.cols;
    EXPECT_TRUE(close(dw, runs));
    EXPECT_TRUE(close(dbias, runs));
  }
}

TEST_F(SwitchOps, XieluAndItsBackward) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {7, 17}, {65, 384}}) {
    for (const double deviation : {1e-4, 1.0, 8.0}) {
      Values x = Values::random(rows, cols, 1, deviation), y(rows, cols), dx(rows, cols);
      Values dy = Values::random(rows, cols, 2), alpha = Values::random(1, 2, 3);
      Values dalpha(1, 2);
      if (cols > 1) x.set(0, 0, 0);
      cpu().xielu(y.tensor(), x.tensor(), alpha.tensor());
      ref::xielu<double>(y.matrix(), x.matrix(), alpha.matrix());
      EXPECT_TRUE(close(y, 1)) << rows << " x " << cols << " of " << deviation;
      cpu().xielu_bwd(dx.tensor(), dalpha.tensor(), dy.tensor(), x.tensor(), alpha.tensor());
      ref::xielu_bwd<double>(dx.matrix(), dalpha.matrix(), dy.matrix(), x.matrix(), alpha.matrix());
      EXPECT_TRUE(close(dx, 1));
      // e^x - 1 - x loses the digits of x: an error of u |x| in a term of x^2 / 2.
      EXPECT_TRUE(close(dalpha, rows * cols, 8, deviation));
    }
  }
}

TEST_F(SwitchOps, SpectralScaleAndItsBackward) {
  for (const auto& [rows, cols] :
       {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {17, 300}, {300, 64}}) {
    Values w = Values::random(rows, cols, 1), gain(1, 1, 1.5), u(1, cols), v(1, rows);
    u.fill([&](int64_t i) { return random_normal(7, 1, static_cast<uint64_t>(i)); });
    cpu().power_iteration(u.tensor(), v.tensor(), w.tensor());
    ref::power_iteration<double>(u.matrix(), v.matrix(), w.matrix());
    EXPECT_TRUE(close(u, rows + cols)) << rows << " x " << cols;
    EXPECT_TRUE(close(v, rows + cols)) << rows << " x " << cols;
    take_over(u);
    take_over(v);
    Values hat(rows, cols), sigma(1, 1), dhat = Values::random(rows, cols, 2);
    Values dw = Values::random(rows, cols, 3), dgain(1, 1, 0.25);
    cpu().spectral_scale(hat.tensor(), sigma.tensor(), w.tensor(), gain.tensor(), u.tensor(),
                         v.tensor());
    ref::spectral_scale<double>(hat.matrix(), sigma.matrix(), w.matrix(), gain.matrix(), u.matrix(),
                                v.matrix());
    EXPECT_TRUE(close(sigma, rows + cols));
    EXPECT_TRUE(close(hat, rows + cols));
    cpu().spectral_scale_bwd(dw.tensor(), dgain.tensor(), dhat.tensor(), w.tensor(), gain.tensor(),
                             sigma.tensor(), u.tensor(), v.tensor());
    ref::spectral_scale_bwd<double>(dw.matrix(), dgain.matrix(), dhat.matrix(), w.matrix(),
                                    gain.matrix(), sigma.matrix(), u.matrix(), v.matrix());
    EXPECT_TRUE(close(dw, rows * cols));
    EXPECT_TRUE(close(dgain, rows * cols, 8, 1));  // a sum of products that cancel
  }
}

TEST_F(SwitchOps, PowerIterationsHaveTheSameBitsOnAnyNumberOfThreads) {
  const std::unique_ptr<Backend> one = open_cpu(1);
  Values w = Values::random(301, 513, 1), u = Values::random(1, 513, 2), v(1, 301);
  Values u_one = u, v_one = v;
  cpu().power_iteration(u.tensor(), v.tensor(), w.tensor());
  one->power_iteration(u_one.tensor(), v_one.tensor(), w.tensor());
  EXPECT_TRUE(same_bits(u, u_one));
  EXPECT_TRUE(same_bits(v, v_one));
}

TEST_F(SwitchOps, ClippedAttentionAndItsBackward) {
  struct Case {
    AttentionShape shape;
    ScorePolicy policy;
    SoftClip clip;
  };
  const Case cases[] = {{{1, 1, 1, 1, 2}, {0.7f, 0}, {}},
                        {{2, 5, 2, 1, 6}, {0.4f, 0}, {1.2f, -0.1f}},
                        {{3, 33, 4, 2, 10}, {0.3f, 5}, {}},
                        {{2, 65, 6, 2, 64}, {0.125f, 0}, {}},
                        {{1, 200, 3, 1, 34}, {0.17f, 50}, {1.03f, -0.001f}}};
  for (const Case& c : cases) {
    const AttentionShape& s = c.shape;
    const int64_t n = s.batch * s.seq;
    Integers starts = documents(s.batch, s.seq);
    Values qkv = Values::random(n, s.qkv_cols(), 1), o(n, s.q_cols()), lse(n, s.heads);
    Values max_logit(1, s.heads), dout = Values::random(n, s.q_cols(), 2), dqkv(n, s.qkv_cols());
    cpu().clipped_attention(o.tensor(), lse.tensor(), max_logit.tensor(), qkv.tensor(),
                            starts.tensor(), s, c.policy, c.clip);
    ref::clipped_attention<double>(o.matrix(), lse.matrix(), max_logit.matrix(), qkv.matrix(),
                                   starts.matrix(), s, c.policy, c.clip);
    const int64_t longest = std::max(s.seq, s.head_dim);
    EXPECT_TRUE(close(o, longest)) << s.seq << " x " << s.head_dim;
    EXPECT_TRUE(close(lse, longest));
    EXPECT_TRUE(close(max_logit, s.head_dim));
    cpu().clipped_attention_bwd(dqkv.tensor(), dout.tensor(), lse.tensor(), qkv.tensor(),
                                starts.tensor(), s, c.policy, c.clip);
    ref::clipped_attention_bwd<double>(dqkv.matrix(), dout.matrix(), lse.matrix(), qkv.matrix(),
                                       starts.matrix(), s, c.policy, c.clip);
    EXPECT_TRUE(close(dqkv, longest, 8, 0.01)) << s.seq << " x " << s.head_dim;
  }
}

// A NaN in one sequence stays there, and reaches no token in front of it.
TEST_F(SwitchOps, ClippedAttentionKeepsNanWhereItIsSeen) {
  const AttentionShape s{2, 6, 2, 1, 4};
  Integers starts{2, 6, std::vector<int32_t>(12, 0)};
  Values qkv = Values::random(12, s.qkv_cols(), 1), o(12, s.q_cols()), lse(12, 2);
  qkv.set(4, s.qkv_cols() - 1, std::nan(""));
  cpu().clipped_attention(o.tensor(), lse.tensor(), {}, qkv.tensor(), starts.tensor(), s, {0.5f, 0},
                          {});
  for (int64_t r = 0; r < 12; ++r) {
    EXPECT_EQ(std::isnan(o.got(r, s.q_cols() - 1)), r == 4 || r == 5) << r;
    EXPECT_FALSE(std::isnan(o.got(r, 0))) << r;
  }
}

}  // namespace
}  // namespace ballast
