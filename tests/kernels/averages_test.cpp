// Averages of weights against PyTorch's AveragedModel (tests/golden/optim/make_averages.py), also
// when the counts go through a checkpoint in the middle of a window.
#include "tools/pretrain/averages.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "tests/kernels/values.h"

namespace ballast {
namespace {

Json golden() {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/optim/averages.json";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return parse_json(text.str(), path).take_value();
}

ParamTable small_table(bool sigma) {
  ModelConfig c;
  c.vocab_size = 10;
  c.hidden_size = 8;
  c.intermediate_size = 8;
  c.num_hidden_layers = 1;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 1;
  c.head_dim = 4;
  c.switches.sigma_reparam = sigma;
  return make_param_table(c);
}

// The weight of element i after update t.
double weight(int64_t i, int64_t t) {
  return std::cos(0.3 * static_cast<double>(i) + 0.11 * static_cast<double>(t)) +
         0.02 * static_cast<double>(t);
}

struct Buffers {
  explicit Buffers(int64_t size)
      : weights(static_cast<size_t>(size)), swa(weights), ema(weights), scratch(weights) {}
  static Tensor view(std::vector<float>& values) {
    return make_tensor(values.data(), Dtype::f32, 1, std::ssize(values));
  }
  void update(WeightAverages& averages, Backend& backend, int64_t t) {
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = static_cast<float>(weight(static_cast<int64_t>(i % 1000), t));
    averages.update(backend, view(swa), view(ema), {view(weights)}, view(scratch), t);
  }
  std::vector<float> weights, swa, ema, scratch;
};

TEST(WeightAverages, FollowTheGoldensAndSurviveARestart) {
  const Json file = golden();
  const std::string swa = file.at("swa").get<std::string>(),
                    ema = file.at("ema").get<std::string>();
  const AverageConfig config = parse_averages(swa, ema).take_value();
  const ParamTable table = small_table(false);
  const std::unique_ptr<Backend> cpu = open_cpu(1);
  Buffers buffers(table.flat_size);
  WeightAverages averages(config, table);
  int64_t compared = 0;
  for (int64_t t = 1; t <= std::ssize(file.at("steps")); ++t) {
    WeightAverages resumed(config, table);
    ASSERT_TRUE(resumed.load(averages.state()).ok());
    averages = resumed;
    buffers.update(averages, *cpu, t);
    const Json& row = file.at("steps").at(static_cast<size_t>(t - 1));
    for (const auto& [name, values] :
         {std::pair("swa", &buffers.swa), std::pair("ema", &buffers.ema)}) {
      for (size_t i = 0; i < row.at(name).size(); ++i) {
        EXPECT_NEAR((*values)[i], row.at(name).at(i).get<double>(), 1e-6) << name << " " << t;
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, (53 + 48) * 6);
}

// Windows of 500 updates, every 5th; 0.95 at every 10th (arXiv 2405.18392, section 4).
TEST(WeightAverages, AreByDefaultThoseOfThePaper) {
  const AverageConfig config = parse_averages("every=5", "every=10").take_value();
  EXPECT_EQ(config.swa_spec(), "window=500,every=5");
  EXPECT_EQ(config.ema_spec(), "decay=0.95,every=10");
  EXPECT_FALSE(parse_averages("", "")->swa);
}

// u and v of a power iteration have no mean.
TEST(WeightAverages, HoldThePresentVectorsOfPowerIterations) {
  const ParamTable table = small_table(true);
  const std::unique_ptr<Backend> cpu = open_cpu(1);
  Buffers buffers(table.flat_size);
  const AverageConfig config = parse_averages("window=8,every=1", "decay=0.9,every=1").take_value();
  WeightAverages averages(config, table);
  for (int64_t t = 1; t <= 5; ++t) buffers.update(averages, *cpu, t);
  for (const ParamSpec& spec : table.specs) {
    const auto first = static_cast<size_t>(spec.flat_begin);
    const bool state = spec.role == ParamRole::state;
    EXPECT_EQ(buffers.swa[first] == buffers.weights[first], state) << spec.name;
    EXPECT_EQ(buffers.ema[first] == buffers.weights[first], state) << spec.name;
  }
}

}  // namespace
}  // namespace ballast
