// Every backward of kernels/ref against a complex step through its forward: L = sum of outputs
// times fixed cotangents, dL/dx = Im L(x + ih) / h. No cancellation, so 1e-10 is demanded.
#include <gtest/gtest.h>

#include <complex>
#include <functional>
#include <vector>

#include "kernels/ref/activation.h"
#include "kernels/ref/clipped_attention.h"
#include "kernels/ref/embed.h"
#include "kernels/ref/gemm.h"
#include "kernels/ref/norm.h"
#include "kernels/ref/qk_norm_rope.h"
#include "kernels/ref/scale_channels.h"
#include "kernels/ref/spectral.h"
#include "kernels/ref/xent.h"
#include "kernels/ref/xielu.h"
#include "libcore/base/rng.h"
#include "tests/kernels/values.h"

namespace ballast {
namespace {

using Complex = std::complex<double>;

// Dense values of one type; its matrix is a view.
template <class T>
struct Array {
  int64_t rows, cols;
  std::vector<T> data;

  Array(int64_t r, int64_t c) : rows(r), cols(c), data(static_cast<size_t>(r * c)) {}
  ref::Matrix<T> matrix() { return {data.data(), rows, cols, cols}; }
  operator ref::Matrix<T>() { return matrix(); }  // NOLINT: a view of itself
};

Array<double> random(int64_t rows, int64_t cols, uint64_t seed) {
  Array<double> array(rows, cols);
  for (size_t i = 0; i < array.data.size(); ++i) array.data[i] = random_normal(seed, 2, i);
  return array;
}

Array<Complex> complex_of(const Array<double>& real) {
  Array<Complex> array(real.rows, real.cols);
  for (size_t i = 0; i < real.data.size(); ++i) array.data[i] = real.data[i];
  return array;
}

Complex dot(const Array<Complex>& out, const Array<double>& cotangent) {
  Complex sum = 0;
  for (size_t i = 0; i < out.data.size(); ++i) sum += out.data[i] * cotangent.data[i];
  return sum;
}

// loss(x) is the complex scalar; `gradient` what the backward says of it.
void check_gradient(const Array<double>& at, const Array<double>& gradient,
                    const std::function<Complex(Array<Complex>&)>& loss) {
  constexpr double kStep = 1e-30;
  Array<Complex> x = complex_of(at);
  double difference = 0, norm = 0;
  for (size_t i = 0; i < x.data.size(); ++i) {
    x.data[i] += Complex(0, kStep);
    const double slope = loss(x).imag() / kStep;
    x.data[i] = at.data[i];
    difference += (slope - gradient.data[i]) * (slope - gradient.data[i]);
    norm += slope * slope;
  }
  EXPECT_GT(norm, 0);
  EXPECT_LE(std::sqrt(difference), 1e-10 * std::sqrt(norm));
}

TEST(RefGradient, GemmOfBothOperandsInAllLayouts) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const int64_t m = 3, n = 4, k = 5;
      Array<double> a = ta ? random(k, m, 1) : random(m, k, 1);
      Array<double> b = tb ? random(n, k, 2) : random(k, n, 2);
      Array<double> c = random(m, n, 3), dd = random(m, n, 4);
      const auto loss = [&](Array<Complex> a_in, Array<Complex> b_in) {
        Array<Complex> d(m, n), c_in = complex_of(c);
        ref::gemm<Complex>(d, a_in, b_in, ta, tb, 0.5, 2.0, c_in);
        return dot(d, dd);
      };
      // The products that the model's backward makes: dA = alpha dD B^T, dB = alpha A^T dD.
      Array<double> da(a.rows, a.cols), db(b.rows, b.cols), none(1, 1);
      if (ta) {
        ref::gemm<double>(da, b, dd, tb, true, 0.5, 0, none);
      } else {
        ref::gemm<double>(da, dd, b, false, !tb, 0.5, 0, none);
      }
      if (tb) {
        ref::gemm<double>(db, dd, a, true, ta, 0.5, 0, none);
      } else {
        ref::gemm<double>(db, a, dd, !ta, false, 0.5, 0, none);
      }
      check_gradient(a, da, [&](Array<Complex>& x) { return loss(x, complex_of(b)); });
      check_gradient(b, db, [&](Array<Complex>& x) { return loss(complex_of(a), x); });
    }
  }
}

TEST(RefGradient, EmbedAddsRepeatedTokens) {
  Array<double> table = random(5, 3, 1), dy = random(4, 3, 2), dtable(5, 3);
  Integers tokens{1, 4, {2, 0, 2, 4}};
  ref::embed_bwd<double>(dtable, dy, tokens.matrix());
  check_gradient(table, dtable, [&](Array<Complex>& x) {
    Array<Complex> y(4, 3);
    ref::embed<Complex>(y, x, tokens.matrix());
    return dot(y, dy);
  });
}

TEST(RefGradient, Norm) {
  const int64_t rows = 3, cols = 7;
  const double eps = 1e-3;
  Array<double> x = random(rows, cols, 1), w = random(1, cols, 2), dy = random(rows, cols, 3);
  Array<double> y(rows, cols), rstd(1, rows), dx(rows, cols), dw(1, cols);
  ref::norm<double>(y, rstd, x, w, eps);
  ref::norm_bwd<double>(dx, dw, dy, x, w, rstd);
  const auto loss = [&](Array<Complex> x_in, Array<Complex> w_in) {
    Array<Complex> out(rows, cols), r(1, rows);
    ref::norm<Complex>(out, r, x_in, w_in, eps);
    return dot(out, dy);
  };
  check_gradient(x, dx, [&](Array<Complex>& v) { return loss(v, complex_of(w)); });
  check_gradient(w, dw, [&](Array<Complex>& v) { return loss(complex_of(x), v); });
}

// Three runs of four columns share one gain.
TEST(RefGradient, NormOfSeveralRunsPerRow) {
  Array<double> x = random(2, 12, 1), w = random(1, 4, 2), dy = random(2, 12, 3);
  Array<double> y(2, 12), rstd(1, 6), dx(2, 12), dw(1, 4);
  ref::norm<double>(y, rstd, x, w, 1e-3);
  ref::norm_bwd<double>(dx, dw, dy, x, w, rstd);
  const auto loss = [&](Array<Complex> x_in, Array<Complex> w_in) {
    Array<Complex> out(2, 12), r(1, 6);
    ref::norm<Complex>(out, r, x_in, w_in, 1e-3);
    return dot(out, dy);
  };
  check_gradient(x, dx, [&](Array<Complex>& v) { return loss(v, complex_of(w)); });
  check_gradient(w, dw, [&](Array<Complex>& v) { return loss(complex_of(x), v); });
}

TEST(RefGradient, LayerNorm) {
  for (const int64_t d : {6, 3, 2}) {
    Array<double> x = random(3, 6, 1), w = random(1, d, 2), bias = random(1, d, 4);
    Array<double> dy = random(3, 6, 3), y(3, 6), mean(1, 18 / d), rstd(1, 18 / d);
    Array<double> dx(3, 6), dw(1, d), dbias(1, d);
    ref::layer_norm<double>(y, mean, rstd, x, w, bias, 1e-3);
    ref::layer_norm_bwd<double>(dx, dw, dbias, dy, x, w, mean, rstd);
    const auto loss = [&](Array<Complex> x_in, Array<Complex> w_in, Array<Complex> b_in) {
      Array<Complex> out(3, 6), m(1, 18 / d), r(1, 18 / d);
      ref::layer_norm<Complex>(out, m, r, x_in, w_in, b_in, 1e-3);
      return dot(out, dy);
    };
    const Array<Complex> cx = complex_of(x), cw = complex_of(w), cb = complex_of(bias);
    check_gradient(x, dx, [&](Array<Complex>& v) { return loss(v, cw, cb); });
    check_gradient(w, dw, [&](Array<Complex>& v) { return loss(cx, v, cb); });
    check_gradient(bias, dbias, [&](Array<Complex>& v) { return loss(cx, cw, v); });
  }
}

TEST(RefGradient, Xielu) {
  Array<double> x = random(3, 7, 1), alpha = random(1, 2, 2), dy = random(3, 7, 3);
  Array<double> dx(3, 7), dalpha(1, 2);
  ref::xielu_bwd<double>(dx, dalpha, dy, x, alpha);
  const auto loss = [&](Array<Complex> x_in, Array<Complex> alpha_in) {
    Array<Complex> y(3, 7);
    ref::xielu<Complex>(y, x_in, alpha_in);
    return dot(y, dy);
  };
  check_gradient(x, dx, [&](Array<Complex>& v) { return loss(v, complex_of(alpha)); });
  check_gradient(alpha, dalpha, [&](Array<Complex>& v) { return loss(complex_of(x), v); });
}

// Published values for both slopes at 0.8; the slope at 0 is exact, unlike the reference's.
TEST(RefVectors, Xielu) {
  Array<double> alpha(1, 2), x(1, 6), y(1, 6), dx(1, 6), ones(1, 6), dalpha(1, 2);
  alpha.data = {std::log(std::expm1(0.8)), std::log(std::expm1(0.3))};
  EXPECT_NEAR(alpha.data[0], 0.2033823208, 0.5001e-10);
  EXPECT_NEAR(alpha.data[1], -1.0502256128, 0.5001e-10);
  x.data = {-3, -1, -0.1, 0, 0.1, 1};
  ones.data.assign(6, 1);
  ref::xielu<double>(y, x, alpha);
  ref::xielu_bwd<double>(dx, dalpha, ones, x, alpha);
  const double values[] = {0.13982965, -0.20569645, -0.04613007, 0, 0.058, 1.3};
  const double slopes[] = {-0.26017035, -0.00569645, 0.42386993, 0.5, 0.66, 2.1};
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(y.data[i], values[i], 0.5001e-8) << x.data[i];
    EXPECT_NEAR(dx.data[i], slopes[i], 0.5001e-8) << x.data[i];
  }
  // The minimum at ln 0.375, and the slope far to the left, beta - an.
  x.data = {std::log(0.375), -50, -80, 0, 0, 0};
  ref::xielu<double>(y, x, alpha);
  ref::xielu_bwd<double>(dx, dalpha, ones, x, alpha);
  EXPECT_NEAR(x.data[0], -0.98082925, 0.5001e-8);
  EXPECT_NEAR(y.data[0], -0.20575122, 0.5001e-8);
  EXPECT_NEAR(dx.data[0], 0, 1e-15);
  EXPECT_NEAR(dx.data[1], -0.3, 1e-15);
}

// The gradient passes sigma and not u and v: they are constants of the loss.
TEST(RefGradient, SpectralScale) {
  Array<double> w = random(3, 4, 1), gain = random(1, 1, 2), u = random(1, 4, 3);
  Array<double> v = random(1, 3, 4), dhat = random(3, 4, 5);
  Array<double> hat(3, 4), sigma(1, 1), dw(3, 4), dgain(1, 1);
  ref::spectral_scale<double>(hat, sigma, w, gain, u, v);
  ref::spectral_scale_bwd<double>(dw, dgain, dhat, w, gain, sigma, u, v);
  const auto loss = [&](Array<Complex> w_in, Array<Complex> gain_in) {
    Array<Complex> out(3, 4), s(1, 1), u_in = complex_of(u), v_in = complex_of(v);
    ref::spectral_scale<Complex>(out, s, w_in, gain_in, u_in, v_in);
    return dot(out, dhat);
  };
  check_gradient(w, dw, [&](Array<Complex>& x) { return loss(x, complex_of(gain)); });
  check_gradient(gain, dgain, [&](Array<Complex>& x) { return loss(complex_of(w), x); });
}

TEST(RefVectors, SigmaReparametrisation) {
  Array<double> w(2, 2), u(1, 2), v(1, 2), gain(1, 1), hat(2, 2), sigma(1, 1);
  w.data = {1, 2, 3, 4};
  u.data = {1, 0};
  gain.data = {1};
  for (const double wanted : {5.440588203, 5.464985210, 5.464985704}) {
    ref::power_iteration<double>(u, v, w);
    ref::spectral_scale<double>(hat, sigma, w, gain, u, v);
    EXPECT_NEAR(sigma.data[0], wanted, 0.5001e-9);
  }
  for (int k = 0; k < 30; ++k) ref::power_iteration<double>(u, v, w);
  ref::spectral_scale<double>(hat, sigma, w, gain, u, v);
  Array<double> dhat(2, 2), dw(2, 2), dgain(1, 1);
  dhat.data = {0.1, -0.2, 0.3, 0.05};
  ref::spectral_scale_bwd<double>(dw, dgain, dhat, w, gain, sigma, u, v);
  EXPECT_NEAR(sigma.data[0], 5.4649857042, 0.5001e-10);
  EXPECT_NEAR(dgain.data[0], 0.1463864763, 0.5001e-10);
  const double wanted[] = {0.01205598, -0.04545452, 0.04078381, -0.01087459};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(dw.data[i], wanted[i], 0.5001e-8);
}

TEST(RefVectors, SoftCap) {
  const ScorePolicy policy{1.0f, 50.0f};
  const double scores[] = {10, 50, 100}, capped[] = {9.8687660, 38.0797078, 48.2013790};
  const double slopes[] = {0.9610430, 0.4199743, 0.0706508};
  for (size_t i = 0; i < 3; ++i) {
    const Complex s = ref::apply_policy(Complex(scores[i], 1e-30), policy);
    EXPECT_NEAR(s.real(), capped[i], 0.5001e-7);
    EXPECT_NEAR(s.imag() / 1e-30, slopes[i], 0.5001e-7);
  }
}

// Logits 4, 1, 0, -1: the two small ones are clipped and pass nothing on; rows do not sum to 1.
TEST(RefVectors, SoftClip) {
  const SoftClip clip;
  const double logits[] = {4, 1, 0, -1}, wanted[] = {0.9561927, 0.0190996, 0, 0};
  double sum = 0, total = 0;
  for (const double x : logits) sum += std::exp(x);
  for (size_t i = 0; i < 4; ++i) {
    const double p = std::exp(logits[i]) / sum, c = ref::clip_probability(p, clip);
    EXPECT_NEAR(c, wanted[i], 1e-7);  // zeta and gamma are floats
    EXPECT_EQ(ref::clip_slope(p, clip) == 0, wanted[i] == 0);
    total += c;
  }
  EXPECT_NEAR(total, 0.9752923, 1e-7);
}

// c times the mean of squared log-sum-exps over the labels that count, and its gradient
// 2 c lse softmax / n, on top of the cross-entropy's; numbers from PyTorch's autograd.
TEST(RefVectors, ZLoss) {
  const double c = 0.01;
  Array<double> weight(1, 3), loss(1, 3), lse(1, 3), plain_loss(1, 3), plain_lse(1, 3);
  weight.data = {0.5, 0.5, 0};  // one over two labels; the third is masked
  Integers labels{1, 3, {1, 0, 2}};
  Array<double> logits(3, 3), plain(3, 3);
  logits.data = plain.data = {1, 2, 0.5, -1, 0, 3, 7, 8, 9};
  ref::xent_chunk<double>(loss, lse, logits, labels.matrix(), weight, 3, c, true);
  ref::xent_chunk<double>(plain_loss, plain_lse, plain, labels.matrix(), weight, 3, 0, true);
  EXPECT_EQ(loss.data, plain_loss.data);  // it is kept apart
  EXPECT_NEAR(lse.data[0], 2.464368784107945, 1e-14);
  EXPECT_NEAR(lse.data[1], 3.0658839037574293, 1e-14);
  EXPECT_EQ(lse.data[2], 0);
  double mean = 0;
  for (size_t i = 0; i < 3; ++i) mean += weight.data[i] * lse.data[i] * lse.data[i];
  EXPECT_NEAR(c * mean, 0.07736378807702284, 1e-15);
  const double wanted[] = {0.00569820955439794,
                           0.015489339486471632,
                           0.0034561388002098126,
                           0.000525732423244496,
                           0.0014290888927373027,
                           0.02870401772159248,
                           0,
                           0,
                           0};
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(logits.data[i] - plain.data[i], wanted[i], 1e-15) << i;
}

// Queries and keys of unit root mean square: no score exceeds the root of the head size.
TEST(RefVectors, QkNormBoundsTheScores) {
  const AttentionShape shape{1, 16, 2, 1, 8};
  Integers starts = documents(1, 16);
  Array<double> qkv = random(16, shape.qkv_cols(), 1), out(16, shape.qkv_cols());
  for (double& x : qkv.data) x *= 100;
  for (size_t i = 0; i < 8; ++i) qkv.data[16 + i] = qkv.data[i];  // a key like its query
  Array<double> gain(1, 8), cos(16, 4), sin(16, 4), q_rstd(16, 2), k_rstd(16, 1);
  gain.data.assign(8, 1);
  for (size_t i = 0; i < cos.data.size(); ++i) {
    cos.data[i] = std::cos(0.3 * static_cast<double>(i));
    sin.data[i] = std::sin(0.3 * static_cast<double>(i));
  }
  ref::qk_norm_rope<double>(out, q_rstd, k_rstd, qkv, gain, gain, cos, sin, starts.matrix(), shape,
                            1e-5);
  Array<double> o(16, shape.q_cols()), lse(16, 2), top(1, 2);
  ref::attention<double>(o, lse, top, out, starts.matrix(), shape,
                         {static_cast<float>(1 / std::sqrt(8.0)), 0});
  EXPECT_NEAR(top.data[0], std::sqrt(8.0), 1e-6);
  EXPECT_LE(top.data[1], std::sqrt(8.0) + 1e-6);
}

TEST(RefGradient, ClippedAttention) {
  for (const float cap : {0.0f, 2.0f}) {
    const AttentionShape shape{2, 5, 4, 2, 3};
    const ScorePolicy policy{1.6f, cap};  // sharp enough that some probabilities are clipped
    const SoftClip clip{1.1f, -0.1f};
    Integers starts = documents(2, 5);
    Array<double> qkv = random(10, shape.qkv_cols(), 1), dout = random(10, shape.q_cols(), 2);
    Array<double> o(10, shape.q_cols()), lse(10, 4), dqkv(10, shape.qkv_cols());
    const ref::Matrix<double> none;
    ref::clipped_attention<double>(o, lse, none, qkv, starts.matrix(), shape, policy, clip);
    ref::clipped_attention_bwd<double>(dqkv, dout, lse, qkv, starts.matrix(), shape, policy, clip);
    check_gradient(qkv, dqkv, [&](Array<Complex>& x) {
      Array<Complex> out(10, shape.q_cols()), l(10, 4);
      const ref::Matrix<Complex> unwanted;
      ref::clipped_attention<Complex>(out, l, unwanted, x, starts.matrix(), shape, policy, clip);
      return dot(out, dout);
    });
  }
}

TEST(RefGradient, AddNormReachesBothAddends) {
  Array<double> x = random(2, 5, 1), branch = random(2, 5, 2), w = random(1, 5, 3);
  Array<double> dy = random(2, 5, 4), sum(2, 5), y(2, 5), rstd(1, 2), dx(2, 5), dw(1, 5);
  ref::add_norm<double>(y, rstd, sum, x, branch, w, 1e-5);
  ref::norm_bwd<double>(dx, dw, dy, sum, w, rstd);
  check_gradient(branch, dx, [&](Array<Complex>& v) {
    Array<Complex> out(2, 5), total(2, 5), r(1, 2), x_in = complex_of(x), w_in = complex_of(w);
    ref::add_norm<Complex>(out, r, total, x_in, v, w_in, 1e-5);
    return dot(out, dy);
  });
}

struct RopeCase {
  AttentionShape shape{2, 5, 4, 2, 6};  // head size 6: an odd half
  Integers starts = documents(2, 5);
  Array<double> qkv = random(10, shape.qkv_cols(), 1), dout = random(10, shape.qkv_cols(), 2);
  Array<double> cos{5, 3}, sin{5, 3}, q_rstd{10, 4}, k_rstd{10, 2}, out{10, shape.qkv_cols()};
  Array<double> dqkv{10, shape.qkv_cols()};
  RopeCase() {
    for (int64_t i = 0; i < 15; ++i) {
      cos.data[static_cast<size_t>(i)] = std::cos(0.3 * static_cast<double>(i));
      sin.data[static_cast<size_t>(i)] = std::sin(0.3 * static_cast<double>(i));
    }
  }
  Complex loss(Array<Complex> x, Array<Complex> q_gain, Array<Complex> k_gain, bool with_norm) {
    Array<Complex> y(10, shape.qkv_cols()), qr(10, 4), kr(10, 2);
    Array<Complex> c = complex_of(cos), s = complex_of(sin);
    const ref::Matrix<Complex> none;
    ref::qk_norm_rope<Complex>(y, qr, kr, x, with_norm ? q_gain.matrix() : none,
                               with_norm ? k_gain.matrix() : none, c, s, starts.matrix(), shape,
                               1e-3);
    return dot(y, dout);
  }
};

TEST(RefGradient, QkNormRopeWithNorm) {
  RopeCase c;
  Array<double> q_gain = random(1, 6, 3), k_gain = random(1, 6, 4), dq_gain(1, 6), dk_gain(1, 6);
  ref::qk_norm_rope<double>(c.out, c.q_rstd, c.k_rstd, c.qkv, q_gain, k_gain, c.cos, c.sin,
                            c.starts.matrix(), c.shape, 1e-3);
  ref::qk_norm_rope_bwd<double>(c.dqkv, dq_gain, dk_gain, c.dout, c.q_rstd, c.k_rstd, c.qkv, q_gain,
                                k_gain, c.cos, c.sin, c.starts.matrix(), c.shape);
  const Array<Complex> x = complex_of(c.qkv), q = complex_of(q_gain), k = complex_of(k_gain);
  check_gradient(c.qkv, c.dqkv, [&](Array<Complex>& v) { return c.loss(v, q, k, true); });
  check_gradient(q_gain, dq_gain, [&](Array<Complex>& v) { return c.loss(x, v, k, true); });
  check_gradient(k_gain, dk_gain, [&](Array<Complex>& v) { return c.loss(x, q, v, true); });
}

TEST(RefGradient, RopeWithoutNorm) {
  RopeCase c;
  const ref::Matrix<double> none;
  ref::qk_norm_rope_bwd<double>(c.dqkv, none, none, c.dout, none, none, c.qkv, none, none, c.cos,
                                c.sin, c.starts.matrix(), c.shape);
  const Array<Complex> gain = complex_of(random(1, 6, 3));
  check_gradient(c.qkv, c.dqkv, [&](Array<Complex>& v) { return c.loss(v, gain, gain, false); });
}

TEST(RefGradient, AttentionWithAndWithoutCap) {
  for (const float cap : {0.0f, 2.0f}) {
    const AttentionShape shape{2, 5, 4, 2, 3};
    const ScorePolicy policy{0.6f, cap};
    Integers starts = documents(2, 5);
    Array<double> qkv = random(10, shape.qkv_cols(), 1), dout = random(10, shape.q_cols(), 2);
    Array<double> o(10, shape.q_cols()), lse(10, 4), dqkv(10, shape.qkv_cols());
    const ref::Matrix<double> none;
    ref::attention<double>(o, lse, none, qkv, starts.matrix(), shape, policy);
    ref::attention_bwd<double>(dqkv, dout, o, lse, qkv, starts.matrix(), shape, policy);
    check_gradient(qkv, dqkv, [&](Array<Complex>& x) {
      Array<Complex> out(10, shape.q_cols()), l(10, 4);
      const ref::Matrix<Complex> unwanted;
      ref::attention<Complex>(out, l, unwanted, x, starts.matrix(), shape, policy);
      return dot(out, dout);
    });
  }
}

TEST(RefGradient, Activations) {
  for (const Activation kind : {Activation::swiglu, Activation::gelu, Activation::squared_relu}) {
    const int64_t cols = kind == Activation::swiglu ? 8 : 4;
    Array<double> x = random(3, cols, 1), dy = random(3, 4, 2), dx(3, cols);
    ref::activation_bwd<double>(dx, dy, x, kind);
    check_gradient(x, dx, [&](Array<Complex>& v) {
      Array<Complex> y(3, 4);
      ref::activation<Complex>(y, v, kind);
      return dot(y, dy);
    });
  }
}

TEST(RefGradient, ScaleChannels) {
  Array<double> x = random(3, 4, 1), gain = random(1, 4, 2), dy = random(3, 4, 3);
  Array<double> dx(3, 4), dgain(1, 4);
  ref::scale_channels_bwd<double>(dx, dgain, dy, x, gain);
  const auto loss = [&](Array<Complex> x_in, Array<Complex> gain_in) {
    Array<Complex> y(3, 4);
    ref::scale_channels<Complex>(y, x_in, gain_in);
    return dot(y, dy);
  };
  check_gradient(x, dx, [&](Array<Complex>& v) { return loss(v, complex_of(gain)); });
  check_gradient(gain, dgain, [&](Array<Complex>& v) { return loss(complex_of(x), v); });
}

TEST(RefGradient, CrossEntropyWithZLossAndMaskedRow) {
  const int64_t rows = 4, cols = 9, vocab = 7;
  const double z = 0.01;
  Array<double> logits = random(rows, cols, 1), loss(1, rows), lse(1, rows);
  Array<double> weight(1, rows);
  weight.data = {0.25, 0.5, 0, 0.125};
  Integers labels{1, rows, {3, 0, -1, 6}};
  Array<double> gradient = logits;
  ref::xent_chunk<double>(loss, lse, gradient, labels.matrix(), weight, vocab, z, true);
  check_gradient(logits, gradient, [&](Array<Complex>& x) {
    Array<Complex> rows_loss(1, rows), rows_lse(1, rows), w = complex_of(weight), copy = x;
    ref::xent_chunk<Complex>(rows_loss, rows_lse, copy, labels.matrix(), w, vocab, z, false);
    Complex sum = 0;
    for (size_t i = 0; i < static_cast<size_t>(rows); ++i) {
      sum += weight.data[i] * (rows_loss.data[i] + z * rows_lse.data[i] * rows_lse.data[i]);
    }
    return sum;
  });
}

}  // namespace
}  // namespace ballast
