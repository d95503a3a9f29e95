#include "kernels/ref/clipped_attention.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaAttention : public DeviceOps {
 protected:
  struct Case {
    AttentionShape shape;
    ScorePolicy policy;
  };

  // Fills with what the reference computes, so that a backward pass begins from the same inputs.
  static void fill_from(OpValues& values, const std::vector<double>& from) {
    values.fill([&](int64_t i) { return from[static_cast<size_t>(i)]; });
  }

  static int64_t longest_sum(const AttentionShape& s) {
    return std::max(s.seq * s.heads / s.kv_heads, s.head_dim);
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, CudaAttention, testing::ValuesIn(attention_cases("portable")),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Hopper, CudaAttention, testing::ValuesIn(attention_cases("hopper")),
                         name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaAttention);

std::string name_of_shape(const AttentionShape& s) {
  return (testing::Message() << s.batch << " x " << s.seq << ", " << s.heads << " / " << s.kv_heads
                             << " heads of " << s.head_dim)
      .GetString();
}

// Roundings. bf16 kernels round probabilities and ds to bf16 before the matrix instructions. Each
// moves a term by 2^-9 of itself, so a sum by at most 2^-9 of the sum of its terms' magnitudes: one
// unit roundoff of bf16 as check() counts them (2^-8) while those magnitudes sum to 2. They do:
// with unit normal inputs and scale 1 / sqrt(D), sum p |v| and scale sum |ds| |k| are averages of
// numbers of size 1, and the floor of 1 stands for them where their signs cancel. (dk and dv of a
// key that many queries see sum more, and are larger themselves.) The result's own rounding is the
// other one.
constexpr double kRoundings = 2, kFloor = 1;

TEST_P(CudaAttention, ForwardAndBackward) {
  // Of heads that divide by 8 with a positive scale, bf16 takes matrix instructions (compiled for
  // heads of 64 and of 128); everything else the plain kernels.
  const Case cases[] = {{{1, 1, 1, 1, 1}, {0.7f, 0}},     {{2, 17, 2, 1, 7}, {0.4f, 0}},
                        {{1, 64, 2, 2, 8}, {-0.35f, 0}},  {{1, 40, 1, 1, 160}, {0.08f, 0}},
                        {{1, 1, 1, 1, 8}, {0.35f, 0}},    {{2, 65, 3, 1, 16}, {0.25f, 5}},
                        {{3, 64, 2, 1, 40}, {0.16f, 0}},  {{2, 130, 2, 1, 64}, {0.125f, 0}},
                        {{1, 17, 2, 1, 128}, {0.09f, 3}}, {{2, 65, 1, 1, 128}, {0.09f, 0}},
                        {{2, 150, 2, 2, 72}, {0.12f, 0}}};
  everywhere([&] {
    for (const Case& c : cases) {
      const AttentionShape& s = c.shape;
      SCOPED_TRACE(name_of_shape(s));
      const int64_t n = s.batch * s.seq;
      Integers starts = documents(s.batch, s.seq);
      OpValues doc_start = integers(starts), qkv = random(n, s.qkv_cols(), 1);
      OpValues o = empty(n, s.q_cols()), lse = empty(n, s.heads, Dtype::f32);
      OpValues max_logit = empty(1, s.heads, Dtype::f32);
      device().attention(o.tensor(), lse.tensor(), max_logit.tensor(), qkv.tensor(),
                         doc_start.tensor(), s, c.policy);
      ref::attention<double>(o.matrix(), lse.matrix(), max_logit.matrix(), qkv.matrix(),
                             starts.matrix(), s, c.policy);
      check(o, longest_sum(s), kRoundings, kFloor);
      check(lse, longest_sum(s), 1, kFloor);
      check(max_logit, s.head_dim, 1, kFloor);
      // Without max_logit the rest is the same.
      const std::vector<double> with = o.download();
      device().attention(o.tensor(), lse.tensor(), {}, qkv.tensor(), doc_start.tensor(), s,
                         c.policy);
      EXPECT_TRUE(o.download() == with);

      fill_from(o, o.wanted());
      fill_from(lse, lse.wanted());
      OpValues dout = random(n, s.q_cols(), 2), dqkv = empty(n, s.qkv_cols());
      device().attention_bwd(dqkv.tensor(), dout.tensor(), o.tensor(), lse.tensor(), qkv.tensor(),
                             doc_start.tensor(), s, c.policy);
      ref::attention_bwd<double>(dqkv.matrix(), dout.matrix(), o.matrix(), lse.matrix(),
                                 qkv.matrix(), starts.matrix(), s, c.policy);
      check(dqkv, longest_sum(s), kRoundings, kFloor);
    }
  });
}

// Documents shorter than tiles, and ones that begin and end with them: whole tiles are skipped.
TEST_P(CudaAttention, ShortDocuments) {
  const AttentionShape s{1, 290, 2, 1, 64};
  const ScorePolicy policy{0.125f, 0};
  for (const int length : {1, 20, 63, 64, 127}) {
    Integers starts{1, s.seq, std::vector<int32_t>(static_cast<size_t>(s.seq))};
    for (int t = 0; t < s.seq; ++t) starts.data[static_cast<size_t>(t)] = t / length * length;
    SCOPED_TRACE(testing::Message() << "documents of " << length);
    everywhere([&] {
      OpValues doc_start = integers(starts), qkv = random(s.seq, s.qkv_cols(), 1);
      OpValues o = empty(s.seq, s.q_cols()), lse = empty(s.seq, s.heads, Dtype::f32);
      device().attention(o.tensor(), lse.tensor(), {}, qkv.tensor(), doc_start.tensor(), s, policy);
      ref::attention<double>(o.matrix(), lse.matrix(), {}, qkv.matrix(), starts.matrix(), s,
                             policy);
      check(o, longest_sum(s), kRoundings, kFloor);
      check(lse, longest_sum(s), 1, kFloor);
      fill_from(o, o.wanted());
      fill_from(lse, lse.wanted());
      OpValues dout = random(s.seq, s.q_cols(), 2), dqkv = empty(s.seq, s.qkv_cols());
      device().attention_bwd(dqkv.tensor(), dout.tensor(), o.tensor(), lse.tensor(), qkv.tensor(),
                             doc_start.tensor(), s, policy);
      ref::attention_bwd<double>(dqkv.matrix(), dout.matrix(), o.matrix(), lse.matrix(),
                                 qkv.matrix(), starts.matrix(), s, policy);
      check(dqkv, longest_sum(s), kRoundings, kFloor);
    });
  }
}

TEST_P(CudaAttention, ClippedForwardAndBackward) {
  const SoftClip clips[] = {{}, {1.2f, -0.1f}, {1.03f, -0.001f}};
  const Case cases[] = {{{1, 1, 1, 1, 2}, {0.7f, 0}},
                        {{2, 17, 2, 1, 6}, {0.4f, 0}},
                        {{2, 33, 4, 2, 16}, {0.25f, 5}},
                        {{2, 65, 3, 1, 64}, {0.125f, 0}}};
  everywhere([&] {
    for (size_t i = 0; i < std::size(cases); ++i) {
      const AttentionShape& s = cases[i].shape;
      const ScorePolicy& policy = cases[i].policy;
      const SoftClip& clip = clips[i % std::size(clips)];
      SCOPED_TRACE(name_of_shape(s));
      const int64_t n = s.batch * s.seq;
      Integers starts = documents(s.batch, s.seq);
      OpValues doc_start = integers(starts), qkv = random(n, s.qkv_cols(), 1);
      OpValues o = empty(n, s.q_cols()), lse = empty(n, s.heads, Dtype::f32);
      OpValues max_logit = empty(1, s.heads, Dtype::f32);
      device().clipped_attention(o.tensor(), lse.tensor(), max_logit.tensor(), qkv.tensor(),
                                 doc_start.tensor(), s, policy, clip);
      ref::clipped_attention<double>(o.matrix(), lse.matrix(), max_logit.matrix(), qkv.matrix(),
                                     starts.matrix(), s, policy, clip);
      check(o, longest_sum(s), 1, kFloor);
      check(lse, longest_sum(s), 1, kFloor);
      check(max_logit, s.head_dim, 1, kFloor);

      fill_from(lse, lse.wanted());
      OpValues dout = random(n, s.q_cols(), 2), dqkv = empty(n, s.qkv_cols());
      device().clipped_attention_bwd(dqkv.tensor(), dout.tensor(), lse.tensor(), qkv.tensor(),
                                     doc_start.tensor(), s, policy, clip);
      ref::clipped_attention_bwd<double>(dqkv.matrix(), dout.matrix(), lse.matrix(), qkv.matrix(),
                                         starts.matrix(), s, policy, clip);
      check(dqkv, longest_sum(s), 1, kFloor);
    }
  });
}

// A NaN key: every query that sees it gets NaN, in lse, o and max_logit, and no other does.
TEST_P(CudaAttention, NanScoresAreSeen) {
  for (const int64_t dim : {7, 64}) {
    const AttentionShape s{2, 70, 2, 2, dim};
    const ScorePolicy policy{0.1f, 0};
    Integers starts = documents(s.batch, s.seq);
    everywhere([&] {
      const int64_t n = s.batch * s.seq;
      OpValues doc_start = integers(starts), qkv = random(n, s.qkv_cols(), 1);
      // Row 5 of the second sequence, key head 1.
      const int64_t at = (s.seq + 5) * s.qkv_cols() + s.q_cols() + dim;
      std::vector<double> values = qkv.wanted();
      values[static_cast<size_t>(at)] = std::nan("");
      fill_from(qkv, values);
      OpValues o = empty(n, s.q_cols()), lse = empty(n, s.heads, Dtype::f32);
      OpValues max_logit = empty(1, s.heads, Dtype::f32);
      device().attention(o.tensor(), lse.tensor(), max_logit.tensor(), qkv.tensor(),
                         doc_start.tensor(), s, policy);
      ref::attention<double>(o.matrix(), lse.matrix(), max_logit.matrix(), qkv.matrix(),
                             starts.matrix(), s, policy);
      check(o, longest_sum(s), kRoundings, kFloor);
      check(lse, longest_sum(s), 1, kFloor);
      check(max_logit, dim, 1, kFloor);
      EXPECT_FALSE(std::isnan(max_logit.wanted()[0]));
      EXPECT_TRUE(std::isnan(max_logit.wanted()[1]));
    });
  }
}

}  // namespace
}  // namespace ballast
