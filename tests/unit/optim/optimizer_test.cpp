#include "libcore/optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

constexpr double kHalfOfTenth = 0.5001e-10;  // of numbers with ten decimals

TEST(AdEMAMix, BetaThreeFollowsTheComputedVector) {
  const std::vector<std::pair<int64_t, double>> wanted = {
      {1, .9009883313},     {10, .9090765770},    {100, .9499662489},   {1000, .9909009906},
      {10000, .9990090103}, {50000, .9998002196}, {99999, .9999000090}, {100000, .9999}};
  for (const auto& [t, beta3] : wanted)
    EXPECT_NEAR(ademamix_beta3(0.9, 0.9999, t, 100000), beta3, kHalfOfTenth) << t;
  EXPECT_NEAR(ademamix_beta3(0.9, 0.9999, 1, 10), .9990090103, kHalfOfTenth);
  EXPECT_NEAR(ademamix_beta3(0.9, 0.9999, 2, 10), .9995020399, kHalfOfTenth);
  EXPECT_NEAR(ademamix_beta3(0.9, 0.9999, 3, 10), .9996674751, kHalfOfTenth);
}

// The half-life moves linearly: but for the authors' 1e-8 inside the logarithm, beta3 has this
// form.
TEST(AdEMAMix, BetaThreeAgreesWithItsClosedForm) {
  for (int64_t t = 1; t < 100000; t += 7) {
    const double share = static_cast<double>(t) / 100000;
    const double closed = std::exp(1 / ((1 - share) / std::log(0.9) + share / std::log(0.9999)));
    EXPECT_NEAR(ademamix_beta3(0.9, 0.9999, t, 100000), closed, 3e-6) << t;
  }
}

TEST(AdEMAMix, AlphaRisesLinearly) {
  EXPECT_NEAR(ademamix_alpha(8, 1, 10), .8, 1e-12);
  EXPECT_NEAR(ademamix_alpha(8, 2, 10), 1.6, 1e-12);
  EXPECT_NEAR(ademamix_alpha(8, 3, 10), 2.4, 1e-12);
  EXPECT_EQ(ademamix_alpha(8, 10, 10), 8);
  EXPECT_EQ(ademamix_alpha(8, 1, 0), 8);
}

TEST(OptimizerConfig, SpecReadsBack) {
  for (const std::string text :
       {"adamw", "adamw:beta2=0.999,state=bf16", "ademamix", "ademamix:alpha=5,alpha_warmup=7",
        "stable_adamw:eps=1e-7", "ademamix:state=bf16,decay=0"}) {
    const OptimizerConfig config = parse_optimizer(text, 1234).take_value();
    const std::string spec = config.spec();
    EXPECT_EQ(parse_optimizer(spec, 9)->spec(), spec) << text;
  }
  EXPECT_EQ(parse_optimizer("adamw", 1)->spec(), "adamw:beta1=0.9,beta2=0.95,eps=1e-08,decay=0.1");
  EXPECT_EQ(parse_optimizer("ademamix", 1234)->alpha_warmup, 1234);
  EXPECT_EQ(parse_optimizer("ademamix:state=bf16", 1)->state_bytes_per_parameter(), 6);
  EXPECT_EQ(parse_optimizer("adamw", 1)->state_bytes_per_parameter(), 8);
}

TEST(OptimizerConfig, RefusesWhatItDoesNotKnow) {
  for (const std::string text :
       {"sgd", "adamw:alpha=1", "stable_adamw:beta3=0.9", "ademamix:beta3=1", "adamw:state=fp16",
        "stable_adamw:eps=0", "ademamix:alpha_warmup=-1", "adamw:decay=nan"})
    EXPECT_FALSE(parse_optimizer(text, 10).ok()) << text;
}

ModelConfig small_model() {
  ModelConfig c;
  c.vocab_size = 300;
  c.hidden_size = 256;
  c.intermediate_size = 512;
  c.num_hidden_layers = 1;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 64;
  return c;
}

TEST(RatioRanges, CutAtParametersAndBlocksAndCoverEachElementOnce) {
  const ParamTable table = make_param_table(small_model());
  const std::vector<OptimizerRange> ranges = ratio_ranges(table);
  int64_t elements = 0, end = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const OptimizerRange& r = ranges[i];
    EXPECT_EQ(r.ratio.entry, static_cast<int64_t>(i));
    EXPECT_GE(r.begin, end);
    EXPECT_EQ(r.begin / kFlatBlock, (r.end - 1) / kFlatBlock);
    int64_t of_tensor = 0;
    for (int64_t k = r.ratio.tensor_begin; k < r.ratio.tensor_end; ++k)
      of_tensor += ranges[static_cast<size_t>(k)].end - ranges[static_cast<size_t>(k)].begin;
    EXPECT_EQ(of_tensor, r.ratio.tensor_elements);
    elements += r.end - r.begin;
    end = r.end;
  }
  EXPECT_EQ(elements, table.parameters);
  EXPECT_GT(ranges.size(), table.specs.size());  // some tensor spans blocks
}

}  // namespace
}  // namespace ballast
