// What only the wgmma kernels of attention have: rings that go round, and a portable twin.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "kernels/ref/attention.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

class CudaAttentionHopper : public DeviceOps {
 protected:
  struct Results {
    std::vector<double> o, lse, max_logit, dqkv;
  };
  // Both passes on `backend`.
  static Results run(Backend& backend, const AttentionShape& s, const ScorePolicy& policy) {
    const int64_t n = s.batch * s.seq;
    const auto values = [&](int64_t rows, int64_t cols, Dtype type, uint64_t seed) {
      OpValues made(backend, type, Rows::whole, rows, cols);
      if (seed != 0) {
        made.fill([&](int64_t i) { return random_normal(seed, 1, static_cast<uint64_t>(i)); });
      }
      return made;
    };
    const Integers starts = documents(s.batch, s.seq);
    OpValues doc_start(backend, Dtype::i32, Rows::whole, s.batch, s.seq);
    doc_start.fill([&](int64_t i) { return starts.data[static_cast<size_t>(i)]; });
    const OpValues qkv = values(n, s.qkv_cols(), Dtype::bf16, 1);
    const OpValues dout = values(n, s.q_cols(), Dtype::bf16, 2);
    const OpValues o = values(n, s.q_cols(), Dtype::bf16, 0);
    const OpValues dqkv = values(n, s.qkv_cols(), Dtype::bf16, 0);
    const OpValues lse = values(n, s.heads, Dtype::f32, 0);
    const OpValues max_logit = values(1, s.heads, Dtype::f32, 0);
    backend.attention(o.tensor(), lse.tensor(), max_logit.tensor(), qkv.tensor(),
                      doc_start.tensor(), s, policy);
    backend.attention_bwd(dqkv.tensor(), dout.tensor(), o.tensor(), lse.tensor(), qkv.tensor(),
                          doc_start.tensor(), s, policy);
    return {o.download(), lse.download(), max_logit.download(), dqkv.download()};
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, CudaAttentionHopper, testing::ValuesIn(attention_cases("hopper")),
                         name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaAttentionHopper);

TEST_P(CudaAttentionHopper, IsNamedAndDiffersFromThePortableOneInRoundingOnly) {
  EXPECT_NE(device().description().find("hopper attention"), std::string::npos);
  Backend& portable = device("portable");
  EXPECT_NE(portable.description().find("portable attention"), std::string::npos);
  const AttentionShape s{2, 200, 4, 2, 64};
  for (const float cap : {0.0f, 4.0f}) {
    const ScorePolicy policy{0.125f, cap};
    const Results here = run(device(), s, policy), there = run(portable, s, policy);
    const auto near = [](const std::vector<double>& a, const std::vector<double>& b, double bound) {
      ASSERT_EQ(a.size(), b.size());
      double difference = 0, norm = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
      }
      EXPECT_LE(std::sqrt(difference), bound * std::sqrt(norm));
    };
    // Each is within two roundings to bf16 of the truth; lse within the sums' rounding in f32.
    near(here.o, there.o, 4 * 0x1p-8);
    near(here.dqkv, there.dqkv, 4 * 0x1p-8);
    near(here.lse, there.lse, 16 * kUnitRoundoff * std::sqrt(200.0));
    near(here.max_logit, there.max_logit, 16 * kUnitRoundoff * 8);
    EXPECT_NE(here.o, there.o) << "one kernel ran twice";
  }
}

TEST_P(CudaAttentionHopper, OtherKindsAreRefused) {
  ::setenv("BALLAST_ATTENTION", "fast", 1);
  const auto backend = open_backend(GetParam().device, {.threads = 1, .compute = Dtype::bf16});
  ::unsetenv("BALLAST_ATTENTION");
  ASSERT_FALSE(backend.ok());
  EXPECT_NE(backend.error().message().find(
                "BALLAST_ATTENTION is \"fast\": use \"hopper\" or \"portable\""),
            std::string::npos)
      << backend.error().message();
}

// More tiles than stages, one document or several.
TEST_P(CudaAttentionHopper, RingsGoRound) {
  const AttentionShape shapes[] = {{1, 600, 1, 1, 64}, {1, 400, 1, 1, 128}};
  for (const AttentionShape& s : shapes) {
    for (const int64_t length : {int64_t{1000}, int64_t{150}}) {
      Integers starts{1, s.seq, std::vector<int32_t>(static_cast<size_t>(s.seq))};
      for (int64_t t = 0; t < s.seq; ++t)
        starts.data[static_cast<size_t>(t)] = static_cast<int32_t>(t / length * length);
      const ScorePolicy policy{1 / std::sqrt(static_cast<float>(s.head_dim)), 0};
      everywhere([&] {
        if (layout() == Rows::odd) return;  // of the plain kernels
        OpValues doc_start = integers(starts), qkv = random(s.seq, s.qkv_cols(), 1);
        OpValues o = empty(s.seq, s.q_cols()), lse = empty(s.seq, s.heads, Dtype::f32);
        OpValues max_logit = empty(1, s.heads, Dtype::f32);
        device().attention(o.tensor(), lse.tensor(), max_logit.tensor(), qkv.tensor(),
                           doc_start.tensor(), s, policy);
        ref::attention<double>(o.matrix(), lse.matrix(), max_logit.matrix(), qkv.matrix(),
                               starts.matrix(), s, policy);
        check(o, s.seq, 2, 1);  // see kRoundings in cuda_attention_test.cpp
        check(lse, s.seq, 1, 1);
        check(max_logit, s.head_dim, 1, 1);
        o.fill([&](int64_t i) { return o.wanted()[static_cast<size_t>(i)]; });
        lse.fill([&](int64_t i) { return lse.wanted()[static_cast<size_t>(i)]; });
        OpValues dout = random(s.seq, s.q_cols(), 2), dqkv = empty(s.seq, s.qkv_cols());
        device().attention_bwd(dqkv.tensor(), dout.tensor(), o.tensor(), lse.tensor(), qkv.tensor(),
                               doc_start.tensor(), s, policy);
        ref::attention_bwd<double>(dqkv.matrix(), dout.matrix(), o.matrix(), lse.matrix(),
                                   qkv.matrix(), starts.matrix(), s, policy);
        check(dqkv, s.seq, 2, 1);
      });
    }
  }
}

}  // namespace
}  // namespace ballast
