// Every backward of kernels/ref against a complex step through its forward: L = sum of outputs
// times fixed cotangents, dL/dx = Im L(x + ih) / h. No cancellation, so 1e-10 is demanded.
#include <gtest/gtest.h>

#include <complex>
#include <functional>
#include <vector>

#include "kernels/ref/activation.h"
#include "kernels/ref/attention.h"
#include "kernels/ref/embed.h"
#include "kernels/ref/gemm.h"
#include "kernels/ref/norm.h"
#include "kernels/ref/qk_norm_rope.h"
#include "kernels/ref/scale_channels.h"
#include "kernels/ref/xent.h"
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
