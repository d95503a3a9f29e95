// What must hold of the CPU ops whatever the numbers: the same bits from any number of threads, and
// the symmetries, blindnesses and special values of each op.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "tests/kernels/values.h"

namespace ballast {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

Backend& cpu() {
  static const std::unique_ptr<Backend> backend = open_cpu(2);
  return *backend;
}

// `op` on backends with 1 to 5 threads; the outputs it returns must have the same bits each time.
void expect_thread_independent(const std::function<std::vector<Values>(Backend&)>& op) {
  static std::vector<std::unique_ptr<Backend>> backends;
  while (backends.size() < 5) backends.push_back(open_cpu(static_cast<int>(backends.size()) + 1));
  const std::vector<Values> first = op(*backends[0]);
  for (size_t b = 1; b < backends.size(); ++b) {
    const std::vector<Values> other = op(*backends[b]);
    ASSERT_EQ(other.size(), first.size());
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_TRUE(same_bits(first[i], other[i])) << b + 1 << " threads, output " << i;
    }
  }
}

constexpr int64_t kRows = 530, kCols = 390;

TEST(ThreadCount, Gemm) {
  for (const int layout : {0, 1, 2, 3}) {
    expect_thread_independent([&](Backend& b) {
      const bool ta = (layout & 1) != 0, tb = (layout & 2) != 0;
      Values x = Values::random(kRows, kRows, 1), w = Values::random(kRows, kRows, 2);
      Values y = Values::random(kRows, kRows, 3);
      b.prepare(w.tensor());
      b.gemm(y.tensor(), x.tensor(), w.tensor(),
             {.transpose_a = ta, .transpose_b = tb, .beta = 1, .c = nullptr, .b_is_weight = tb});
      return std::vector<Values>{y};
    });
  }
}

TEST(ThreadCount, GemvAndNormsAndScaleChannels) {
  expect_thread_independent([](Backend& b) {
    Values x = Values::random(kRows, kCols, 1), w = Values::random(1, kCols, 2);
    Values dy = Values::random(kRows, kCols, 3), y(kRows, kCols), rstd(1, kRows), dx(kRows, kCols);
    Values dw(1, kCols), sum(kRows, kCols), product(1, kRows), dgain(1, kCols),
        dscaled(kRows, kCols);
    b.add_norm(y.tensor(), rstd.tensor(), sum.tensor(), x.tensor(), dy.tensor(), w.tensor(), 1e-5f);
    b.norm(y.tensor(), rstd.tensor(), x.tensor(), w.tensor(), 1e-5f);
    b.norm_bwd(dx.tensor(), dw.tensor(), dy.tensor(), x.tensor(), w.tensor(), rstd.tensor());
    b.scale_channels_bwd(dscaled.tensor(), dgain.tensor(), dy.tensor(), x.tensor(), w.tensor());
    b.gemv(product.tensor(), x.tensor(), w.tensor(), false);
    return std::vector<Values>{y, rstd, sum, dx, dw, dscaled, dgain, product};
  });
}

TEST(ThreadCount, Attention) {
  expect_thread_independent([](Backend& b) {
    const AttentionShape s{3, 70, 6, 3, 10};
    Integers starts = documents(3, 70);
    Values qkv = Values::random(210, s.qkv_cols(), 1), cos = Values::random(70, 5, 2);
    Values sin = Values::random(70, 5, 3), q_gain = Values::random(1, 10, 4), k_gain = q_gain;
    Values q_rstd(210, 6), k_rstd(210, 3), turned(210, s.qkv_cols()), o(210, 60), lse(210, 6);
    Values top(1, 6), dout = Values::random(210, 60, 5), dturned = turned, dqkv = turned;
    Values dq_gain(1, 10), dk_gain(1, 10);
    b.qk_norm_rope(turned.tensor(), q_rstd.tensor(), k_rstd.tensor(), qkv.tensor(), q_gain.tensor(),
                   k_gain.tensor(), cos.tensor(), sin.tensor(), starts.tensor(), s, 1e-5f);
    b.attention(o.tensor(), lse.tensor(), top.tensor(), turned.tensor(), starts.tensor(), s,
                {0.3f, 0});
    b.attention_bwd(dturned.tensor(), dout.tensor(), o.tensor(), lse.tensor(), turned.tensor(),
                    starts.tensor(), s, {0.3f, 0});
    b.qk_norm_rope_bwd(dqkv.tensor(), dq_gain.tensor(), dk_gain.tensor(), dturned.tensor(),
                       q_rstd.tensor(), k_rstd.tensor(), qkv.tensor(), q_gain.tensor(),
                       k_gain.tensor(), cos.tensor(), sin.tensor(), starts.tensor(), s);
    return std::vector<Values>{turned, o, lse, top, dturned, dqkv, dq_gain, dk_gain};
  });
}

TEST(ThreadCount, EmbedActivationCrossEntropyAndSums) {
  expect_thread_independent([](Backend& b) {
    Integers tokens{1, kRows, std::vector<int32_t>(kRows)};
    for (size_t i = 0; i < tokens.data.size(); ++i)
      tokens.data[i] = static_cast<int32_t>(i * i % 11);
    Values dtable(11, kCols), table = Values::random(11, kCols, 1), y(kRows, kCols);
    Values x = Values::random(kRows, 2 * kCols, 2), act(kRows, kCols), dx(kRows, 2 * kCols);
    Values loss(1, kRows), lse(1, kRows), logits = Values::random(kRows, kCols, 3);
    Values weight(1, kRows, 0.5), sums(1, kStatsCols);
    b.embed(y.tensor(), table.tensor(), tokens.tensor());
    b.embed_bwd(dtable.tensor(), logits.tensor(), tokens.tensor());
    b.activation(act.tensor(), x.tensor(), Activation::swiglu);
    b.activation_bwd(dx.tensor(), logits.tensor(), x.tensor(), Activation::swiglu);
    b.xent_chunk(loss.tensor(), lse.tensor(), logits.tensor(), tokens.tensor(), weight.tensor(),
                 kCols - 3, 1e-4f, true);
    std::vector<double> stats(kStatsCols);
    b.stats(make_tensor(stats.data(), Dtype::f64, 1, kStatsCols), x.tensor());
    for (int64_t i = 0; i < kStatsCols; ++i) {
      sums.tensor().as<float>()[i] = static_cast<float>(stats[static_cast<size_t>(i)]);
    }
    b.add(y.tensor(), y.tensor(), act.tensor());
    b.scale(act.tensor(), act.tensor(), 0.3f);
    return std::vector<Values>{y, dtable, act, dx, loss, lse, logits, sums};
  });
}

TEST(ThreadCount, AdamWAndNormBlocks) {
  expect_thread_independent([](Backend& b) {
    const int64_t n = 5 * kFlatBlock + 11;
    Values p = Values::random(1, n, 1), g = Values::random(1, n, 2), m(1, n), v(1, n), sums(1, 24);
    std::vector<double> blocks(18), norms(6);
    const std::vector<OptimizerRange> ranges{{0, 70000, true, 1.0f}, {70000, n, false, 0.5f}};
    OptimizerStep step;
    step.param = p.tensor();
    step.grad = g.tensor();
    step.m = m.tensor();
    step.v = v.tensor();
    step.ranges = ranges;
    step.lr = 1e-3;
    step.block_sums = make_tensor(blocks.data(), Dtype::f64, 6, 3);
    b.optimizer_step(step);
    b.norm_blocks(make_tensor(norms.data(), Dtype::f64, 1, 6), p.tensor());
    for (size_t i = 0; i < 24; ++i) {
      sums.tensor().as<float>()[i] = static_cast<float>(i < 18 ? blocks[i] : norms[i - 18]);
    }
    return std::vector<Values>{p, m, v, sums};
  });
}

// One attention call's outputs.
struct Attended {
  AttentionShape shape{1, 75, 2, 1, 12};
  Integers starts{1, 75, std::vector<int32_t>(75)};
  Values qkv = Values::random(75, shape.qkv_cols(), 1);
  Values dout = Values::random(75, shape.q_cols(), 2);
  Values o{75, shape.q_cols()}, lse{75, 2}, top{1, 2}, dqkv{75, shape.qkv_cols()};

  Attended() {
    for (size_t t = 40; t < 75; ++t) starts.data[t] = 40;  // two documents
  }
  Attended& run() {
    const ScorePolicy policy{0.3f, 0};
    cpu().attention(o.tensor(), lse.tensor(), top.tensor(), qkv.tensor(), starts.tensor(), shape,
                    policy);
    cpu().attention_bwd(dqkv.tensor(), dout.tensor(), o.tensor(), lse.tensor(), qkv.tensor(),
                        starts.tensor(), shape, policy);
    return *this;
  }
};

bool rows_equal(Values& a, Values& b, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t c = 0; c < a.cols(); ++c) {
      if (a.got(r, c) != b.got(r, c)) return false;
    }
  }
  return true;
}

TEST(Attention, IgnoresTheFutureAndOtherDocuments) {
  for (const double stranger : {1e3, kNan, kInfinity}) {
    Attended plain, changed;
    for (int64_t c = 0; c < changed.qkv.cols(); ++c) changed.qkv.set(30, c, stranger);
    for (int64_t c = 0; c < changed.dout.cols(); ++c) changed.dout.set(30, c, stranger);
    plain.run();
    changed.run();
    // A non-finite sequence goes another way, whose bits differ; its values may not.
    if (stranger == 1e3) {
      EXPECT_TRUE(rows_equal(plain.o, changed.o, 0, 30));
      EXPECT_TRUE(rows_equal(plain.o, changed.o, 40, 75));
      EXPECT_TRUE(rows_equal(plain.lse, changed.lse, 40, 75));
      EXPECT_TRUE(rows_equal(plain.dqkv, changed.dqkv, 40, 75));
      EXPECT_FALSE(rows_equal(plain.o, changed.o, 30, 40));
    }
    for (int64_t r = 0; r < 75; ++r) {
      if (r >= 30 && r < 40) continue;
      for (int64_t c = 0; c < plain.o.cols(); ++c) {
        ASSERT_NEAR(plain.o.got(r, c), changed.o.got(r, c), 1e-5) << stranger << " row " << r;
      }
      for (int64_t c = 0; r >= 40 && c < plain.dqkv.cols(); ++c) {
        ASSERT_NEAR(plain.dqkv.got(r, c), changed.dqkv.got(r, c), 1e-4) << stranger << " row " << r;
      }
    }
  }
}

TEST(Attention, ADocumentGivesTheSameAloneAndInCompany) {
  Attended both;
  both.run();
  const AttentionShape shape{1, 35, 2, 1, 12};
  Integers starts{1, 35, std::vector<int32_t>(35)};
  Values o(35, shape.q_cols()), lse(35, 2);
  const Tensor second = rows_of(both.qkv.tensor(), 40, 35);
  cpu().attention(o.tensor(), lse.tensor(), {}, second, starts.tensor(), shape, {0.3f, 0});
  for (int64_t r = 0; r < 35; ++r) {
    for (int64_t c = 0; c < o.cols(); ++c) {
      ASSERT_NEAR(o.got(r, c), both.o.got(40 + r, c), 1e-6);
    }
  }
}

TEST(Attention, RowsAreAverages) {
  Attended ones;
  for (int64_t r = 0; r < 75; ++r) {
    for (int64_t c = 36; c < 48; ++c) ones.qkv.set(r, c, 1);  // v
  }
  ones.run();
  for (int64_t r = 0; r < 75; ++r) {
    for (int64_t c = 0; c < ones.o.cols(); ++c) ASSERT_NEAR(ones.o.got(r, c), 1, 1e-6);
  }
}

TEST(Attention, HugeScoresOverflowOnlyWhereTheyAreSeen) {
  Attended huge;
  for (int64_t c = 0; c < 12; ++c) {
    huge.qkv.set(20, c, 1e30);       // q of head 0
    huge.qkv.set(20, 24 + c, 1e30);  // k
  }
  huge.run();
  EXPECT_FALSE(std::isfinite(huge.lse.got(20, 0)));
  EXPECT_FALSE(std::isfinite(huge.top.got(0, 0)));
  EXPECT_TRUE(std::isfinite(huge.lse.got(19, 0)));
  EXPECT_TRUE(std::isfinite(huge.lse.got(45, 0)));
}

TEST(Norm, ScaleOfTheInputCancels) {
  Values x = Values::random(5, 100, 1), w = Values::random(1, 100, 2), y(5, 100), z(5, 100);
  Values rstd(1, 5), larger(5, 100);
  larger.fill([&](int64_t i) { return 1024 * x.wanted(i / 100, i % 100); });
  cpu().norm(y.tensor(), rstd.tensor(), x.tensor(), w.tensor(), 0);
  cpu().norm(z.tensor(), rstd.tensor(), larger.tensor(), w.tensor(), 0);
  for (int64_t r = 0; r < 5; ++r) {
    for (int64_t c = 0; c < 100; ++c)
      ASSERT_NEAR(y.got(r, c), z.got(r, c), 1e-6 * std::abs(y.got(r, c)));
  }
}

TEST(Norm, NanStaysInItsRowAndZerosStayZero) {
  Values x = Values::random(3, 50, 1), w = Values::random(1, 50, 2), y(3, 50), rstd(1, 3);
  x.set(1, 7, kNan);
  for (int64_t c = 0; c < 50; ++c) x.set(2, c, 0);
  cpu().norm(y.tensor(), rstd.tensor(), x.tensor(), w.tensor(), 1e-5f);
  for (int64_t c = 0; c < 50; ++c) {
    EXPECT_TRUE(std::isfinite(y.got(0, c)));
    EXPECT_TRUE(std::isnan(y.got(1, c)));
    EXPECT_EQ(y.got(2, c), 0);
  }
}

TEST(Gemm, NanAndInfinityReachTheirRowsAndColumnsOnly) {
  Values a = Values::random(9, 20, 1), b = Values::random(20, 11, 2), d(9, 11);
  a.set(3, 5, kNan);
  b.set(6, 4, kInfinity);
  cpu().gemm(d.tensor(), a.tensor(), b.tensor(), {});
  for (int64_t r = 0; r < 9; ++r) {
    for (int64_t c = 0; c < 11; ++c) EXPECT_EQ(std::isfinite(d.got(r, c)), r != 3 && c != 4);
  }
}

// One row of cross-entropy with a gradient of weight 1.
struct Entropy {
  Values logits, loss{1, 1}, lse{1, 1};
  explicit Entropy(const Values& values, double weight = 1) : logits(values) {
    Integers label{1, 1, {2}};
    Values w(1, 1, weight);
    cpu().xent_chunk(loss.tensor(), lse.tensor(), logits.tensor(), label.tensor(), w.tensor(),
                     logits.cols(), 0, true);
  }
};

TEST(CrossEntropy, GradientSumsToZeroAndAShiftChangesOnlyLse) {
  const Values x = Values::random(1, 1000, 1);
  Values shifted = x;
  shifted.fill([&](int64_t i) { return x.wanted(0, i) + 64; });
  Entropy plain(x), moved(shifted);
  double sum = 0;
  for (int64_t c = 0; c < 1000; ++c) {
    sum += plain.logits.got(0, c);
    EXPECT_NEAR(plain.logits.got(0, c), moved.logits.got(0, c), 1e-5);
  }
  EXPECT_NEAR(sum, 0, 1e-6);
  EXPECT_NEAR(moved.lse.got(0, 0) - plain.lse.got(0, 0), 64, 1e-4);
  EXPECT_NEAR(moved.loss.got(0, 0), plain.loss.got(0, 0), 1e-4);
}

TEST(CrossEntropy, ExtremeAndSpecialLogits) {
  Values equal(1, 64, 1e30), nan(1, 64, 1), minus(1, 64, -kInfinity);
  EXPECT_NEAR(Entropy(equal).loss.got(0, 0), std::log(64.0), 1e-5);
  nan.set(0, 63, kNan);
  EXPECT_TRUE(std::isnan(Entropy(nan).loss.got(0, 0)));
  minus.set(0, 2, 5);
  EXPECT_EQ(Entropy(minus).loss.got(0, 0), 0);
  Entropy masked(nan, 0);
  EXPECT_EQ(masked.loss.got(0, 0), 0);
  for (int64_t c = 0; c < 64; ++c) EXPECT_EQ(masked.logits.got(0, c), 0);
}

TEST(Swiglu, EndsOfTheRange) {
  Values x(1, 6, 1), y(1, 3);
  x.set(0, 0, -1e30);
  x.set(0, 1, 1e30);
  x.set(0, 2, kNan);
  cpu().activation(y.tensor(), x.tensor(), Activation::swiglu);
  EXPECT_EQ(y.got(0, 0), 0);
  EXPECT_EQ(y.got(0, 1), static_cast<double>(1e30f));
  EXPECT_TRUE(std::isnan(y.got(0, 2)));
}

}  // namespace
}  // namespace ballast
