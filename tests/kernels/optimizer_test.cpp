// The optimizers on given gradients: kernels/ref in double and the CPU kernels against goldens of
// an independent implementation, published vectors, and bf16 states with stochastic rounding.
#include "libcore/optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "kernels/ref/optimizer.h"
#include "libcore/io/json.h"
#include "tests/kernels/values.h"

namespace ballast {
namespace {

constexpr int64_t kA = 12, kB = 5, kN = kA + kB;

Json golden() {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/optim/optimizers.json";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return parse_json(text.str(), path).take_value();
}

double initial(int64_t i) { return std::cos(0.9 * double(i < kA ? i : i - kA) + (i < kA ? 0 : 2)); }
double gradient(int64_t i, int64_t t) {
  const double wave =
      std::sin(0.7 * double(i < kA ? i : i - kA) + 1.3 * double(t) + (i < kA ? 0 : 1));
  return wave * (t == 4 ? 40 : 1);
}

std::vector<OptimizerRange> two_tensors() {
  return {{0, kA, true, 1.0f, {0, 0, 1, kA}}, {kA, kN, false, 0.5f, {1, 1, 2, kB}}};
}

// Buffers of one run in T, and one step on either implementation.
template <class T>
struct Course {
  std::vector<T> p, g, m, v, m2;
  std::vector<double> ratio_sums{0, 0};
  std::vector<OptimizerRange> ranges = two_tensors();

  Course() : p(kN), g(kN), m(kN), v(kN), m2(kN) {
    for (int64_t i = 0; i < kN; ++i) p[static_cast<size_t>(i)] = static_cast<T>(initial(i));
  }
  Tensor tensor(std::vector<T>& values) {
    return make_tensor(values.data(), sizeof(T) == 8 ? Dtype::f64 : Dtype::f32, 1, kN);
  }
  void step(const OptimizerConfig& config, int64_t t, Backend* backend) {
    for (int64_t i = 0; i < kN; ++i) g[static_cast<size_t>(i)] = static_cast<T>(gradient(i, t));
    OptimizerStep s = config.at(t);
    s.param = tensor(p);
    s.grad = tensor(g);
    s.m = tensor(m);
    s.v = tensor(v);
    if (config.has_slow_moment()) s.m2 = tensor(m2);
    s.ranges = ranges;
    s.lr = 1e-2 * std::min(1.0, double(t) / 3);
    s.ratio_sums = make_tensor(ratio_sums.data(), Dtype::f64, 1, 2);
    const bool stable = config.kind == OptimizerKind::stable_adamw;
    if (backend != nullptr) {
      if (stable) backend->update_ratio(s.ratio_sums, s);
      backend->optimizer_step(s);
      return;
    }
    if (stable) ref::update_ratio<T>(ratio_sums.data(), g.data(), v.data(), s);
    ref::optimizer_step<T>(p.data(), g.data(), m.data(), v.data(),
                           config.has_slow_moment() ? m2.data() : nullptr, kN, s, nullptr);
  }
};

// ||a - b|| / ||b|| of the tensors a and b of the golden's step.
template <class T>
double error(const Course<T>& run, const Json& wanted, size_t t) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < kN; ++i) {
    const Json& row = (i < kA ? wanted.at("a") : wanted.at("b")).at(t);
    const double value = row.at(static_cast<size_t>(i < kA ? i : i - kA)).template get<double>();
    difference += std::pow(static_cast<double>(run.p[static_cast<size_t>(i)]) - value, 2);
    size += value * value;
  }
  return std::sqrt(difference / size);
}

TEST(Optimizer, ReferenceAndCpuFollowTheGoldens) {
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  const Json file = golden();
  const auto steps = file.at("steps").get<int64_t>();
  for (const Json& wanted : file.at("cases")) {
    const std::string spec = wanted.at("spec").get<std::string>();
    const OptimizerConfig config = parse_optimizer(spec, 1000).take_value();
    Course<double> reference;
    Course<float> fast;
    for (int64_t t = 1; t <= steps; ++t) {
      const auto row = static_cast<size_t>(t - 1);
      reference.step(config, t, nullptr);
      fast.step(config, t, cpu.get());
      EXPECT_LT(error(reference, wanted, row), 1e-10) << spec << " step " << t;
      EXPECT_LT(error(fast, wanted, row), 1e-5) << spec << " step " << t;
      if (!wanted.contains("ratio_a")) continue;
      EXPECT_NEAR(std::sqrt(reference.ratio_sums[0] / kA),
                  wanted.at("ratio_a").at(row).get<double>(), 1e-10);
      EXPECT_NEAR(std::sqrt(reference.ratio_sums[1] / kB),
                  wanted.at("ratio_b").at(row).get<double>(), 1e-10);
    }
  }
}

// One parameter of 1, decay 0.1, learning rate 1e-3.
struct Published {
  std::string spec;
  std::vector<std::vector<double>> gradients, params;  // by step, by element
};

void expect_published(const Published& c) {
  const OptimizerConfig config = parse_optimizer(c.spec, 10).take_value();
  const auto n = static_cast<int64_t>(c.gradients[0].size());
  std::vector<double> p(static_cast<size_t>(n), 1), m(p.size()), v(p.size()), m2(p.size());
  std::vector<double> sums(1);
  const std::vector<OptimizerRange> ranges{{0, n, true, 1.0f, {0, 0, 1, n}}};
  for (size_t t = 1; t <= c.gradients.size(); ++t) {
    OptimizerStep step = config.at(static_cast<int64_t>(t));
    step.ranges = ranges;
    step.lr = 1e-3;
    step.ratio_sums = make_tensor(sums.data(), Dtype::f64, 1, 1);
    ref::update_ratio<double>(sums.data(), c.gradients[t - 1].data(), v.data(), step);
    ref::optimizer_step<double>(p.data(), c.gradients[t - 1].data(), m.data(), v.data(),
                                config.has_slow_moment() ? m2.data() : nullptr, n, step, nullptr);
    if (c.params[t - 1].empty()) continue;
    for (size_t i = 0; i < p.size(); ++i) {
      // Decimals as published; 1e-6 relative at least.
      EXPECT_NEAR(p[i], c.params[t - 1][i], 6e-9) << c.spec << " step " << t;
    }
  }
}

TEST(Optimizer, FollowsPublishedVectors) {
  expect_published({"adamw", {{1}, {-0.5}, {2}}, {{0.9989000000}, {0.9985317406}, {0.9977831425}}});
  expect_published({"ademamix:alpha_warmup=10,beta3_warmup=10",
                    {{1}, {-0.5}, {2}},
                    {{.9988992072}, {.9985314793}, {.9977709639}}});
  expect_published({"stable_adamw", {{1, 1}, {1, 1}, {10, 1}}, {{}, {}, {.99720153, .99701382}}});
}

TEST(Optimizer, StableAdamWRatiosOfTheVector) {
  const OptimizerConfig config = parse_optimizer("stable_adamw", 10).take_value();
  std::vector<double> p{1, 1}, m(2), v(2), sums(1);
  const std::vector<std::vector<double>> gradients{{1, 1}, {1, 1}, {10, 1}};
  const std::vector<double> wanted{1, 1, 1.3986987830};
  const std::vector<OptimizerRange> ranges{{0, 2, true, 1.0f, {0, 0, 1, 2}}};
  for (size_t t = 0; t < 3; ++t) {
    OptimizerStep step = config.at(static_cast<int64_t>(t) + 1);
    step.ranges = ranges;
    step.lr = 1e-3;
    step.ratio_sums = make_tensor(sums.data(), Dtype::f64, 1, 1);
    ref::update_ratio<double>(sums.data(), gradients[t].data(), v.data(), step);
    EXPECT_NEAR(ref::update_ratio_of(step, ranges[0]), wanted[t], 1e-9);
    ref::optimizer_step<double>(p.data(), gradients[t].data(), m.data(), v.data(),
                                static_cast<double*>(nullptr), 2, step, nullptr);
  }
}

TEST(Optimizer, WithoutApplyNoStateChangesABit) {
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  for (const std::string spec : {"ademamix", "stable_adamw", "ademamix:state=bf16"}) {
    const OptimizerConfig config = parse_optimizer(spec, 10).take_value();
    std::vector<float> p(kN, 1.5f), g(kN, std::nanf(""));
    std::vector<float> m(kN, 0.25f), v(kN, 0.5f), m2(kN, 2.0f);  // as bf16: any bits
    const auto before = std::tuple(p, m, v, m2);
    std::vector<double> sums(2), blocks(3);
    const std::vector<OptimizerRange> ranges = two_tensors();
    OptimizerStep step = config.at(3);
    step.apply = false;
    step.param = make_tensor(p.data(), Dtype::f32, 1, kN);
    step.grad = make_tensor(g.data(), Dtype::f32, 1, kN);
    step.m = make_tensor(m.data(), config.state, 1, kN);
    step.v = make_tensor(v.data(), config.state, 1, kN);
    step.m2 = make_tensor(m2.data(), config.state, 1, kN);
    step.ranges = ranges;
    step.ratio_sums = make_tensor(sums.data(), Dtype::f64, 1, 2);
    step.block_sums = make_tensor(blocks.data(), Dtype::f64, 1, 3);
    cpu->update_ratio(step.ratio_sums, step);
    cpu->optimizer_step(step);
    EXPECT_EQ(before, std::tuple(p, m, v, m2)) << spec;
    EXPECT_EQ(blocks[0], 0);
    EXPECT_NEAR(blocks[1], kN * 2.25, 1e-9);
  }
}

// Ratio entries of a tensor that spans blocks are summed over all of them, whichever range asks.
TEST(Optimizer, RatioOfATensorSpansItsBlocks) {
  const int64_t n = 2 * kFlatBlock + 100;
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  std::vector<float> p(static_cast<size_t>(n), 1), g(p.size()), m(p.size()), v(p.size(), 1e-4f);
  for (size_t i = 0; i < g.size(); ++i) g[i] = static_cast<float>(random_normal(1, 1, i));
  std::vector<OptimizerRange> ranges;
  for (int64_t k = 0; k < 3; ++k)
    ranges.push_back({k * kFlatBlock, std::min(n, (k + 1) * kFlatBlock), true, 1.0f, {k, 0, 3, n}});
  std::vector<double> sums(3), wanted(3);
  OptimizerStep step = parse_optimizer("stable_adamw", 1)->at(20);
  step.param = make_tensor(p.data(), Dtype::f32, 1, n);
  step.grad = make_tensor(g.data(), Dtype::f32, 1, n);
  step.m = make_tensor(m.data(), Dtype::f32, 1, n);
  step.v = make_tensor(v.data(), Dtype::f32, 1, n);
  step.ranges = ranges;
  step.ratio_sums = make_tensor(sums.data(), Dtype::f64, 1, 3);
  cpu->update_ratio(step.ratio_sums, step);
  ref::update_ratio<float>(wanted.data(), g.data(), v.data(), step);
  double total = 0;
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(sums[k], wanted[k], 1e-5 * wanted[k]);
    total += sums[k];
  }
  for (const OptimizerRange& range : ranges)
    EXPECT_DOUBLE_EQ(ref::update_ratio_of(step, range), std::sqrt(total / double(n)));
}

TEST(Optimizer, Bf16StatesAgreeWithTheReferenceToOneRounding) {
  const int64_t n = 5000;
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  const OptimizerConfig config = parse_optimizer("ademamix:state=bf16", 100).take_value();
  const auto size = static_cast<size_t>(n);
  std::vector<float> p(size, 1), q(size, 1), g(size);
  std::vector<uint16_t> states[2][3];
  for (auto& side : states)
    for (auto& state : side) state.assign(size, 0);
  const std::vector<OptimizerRange> ranges{{0, n, true, 1.0f}};
  for (int64_t t = 1; t <= 4; ++t) {
    for (size_t i = 0; i < size; ++i)
      g[i] = static_cast<float>(random_normal(7, static_cast<uint64_t>(t), i));
    OptimizerStep step = config.at(t);
    step.param = make_tensor(p.data(), Dtype::f32, 1, n);
    step.grad = make_tensor(g.data(), Dtype::f32, 1, n);
    step.m = make_tensor(states[0][0].data(), Dtype::bf16, 1, n);
    step.v = make_tensor(states[0][1].data(), Dtype::bf16, 1, n);
    step.m2 = make_tensor(states[0][2].data(), Dtype::bf16, 1, n);
    step.ranges = ranges;
    step.lr = 1e-3;
    step.rounding_seed = 11;
    cpu->optimizer_step(step);
    ref::optimizer_step<float, uint16_t>(q.data(), g.data(), states[1][0].data(),
                                         states[1][1].data(), states[1][2].data(), n, step,
                                         nullptr);
  }
  int64_t different = 0;
  for (size_t k = 0; k < 3; ++k) {
    for (size_t i = 0; i < size; ++i) {
      const float a = bf16_to_float(states[0][k][i]), b = bf16_to_float(states[1][k][i]);
      different += states[0][k][i] != states[1][k][i] ? 1 : 0;
      ASSERT_NEAR(a, b, std::abs(b) / 64 + 1e-6f) << k << " " << i;
    }
  }
  EXPECT_LT(different, 3 * n / 100);  // fused and separate multiplications round apart now and then
}

// A slice of the flat index, as a rank of a sharded optimizer holds it, gives the bits of the
// whole.
TEST(Optimizer, Bf16RoundingDependsOnTheFlatIndexAlone) {
  const int64_t n = 4096, cut = 1500;
  const std::unique_ptr<Backend> cpu = open_cpu(1);
  const OptimizerConfig config = parse_optimizer("adamw:state=bf16", 100).take_value();
  std::vector<float> g(static_cast<size_t>(n));
  for (size_t i = 0; i < g.size(); ++i) g[i] = static_cast<float>(random_normal(3, 1, i));
  const auto run = [&](int64_t pieces) {
    std::vector<float> p(g.size(), 1);
    std::vector<uint16_t> m(g.size()), v(g.size());
    for (int64_t k = 0; k < pieces; ++k) {
      const int64_t begin = k == 0 ? 0 : cut, end = k + 1 == pieces ? n : cut;
      const std::vector<OptimizerRange> ranges{{0, end - begin, true, 1.0f}};
      OptimizerStep step = config.at(5);
      step.param = cols_of(make_tensor(p.data(), Dtype::f32, 1, n), begin, end - begin);
      step.grad = cols_of(make_tensor(g.data(), Dtype::f32, 1, n), begin, end - begin);
      step.m = cols_of(make_tensor(m.data(), Dtype::bf16, 1, n), begin, end - begin);
      step.v = cols_of(make_tensor(v.data(), Dtype::bf16, 1, n), begin, end - begin);
      step.ranges = ranges;
      step.lr = 1e-3;
      step.flat_begin = begin;
      cpu->optimizer_step(step);
    }
    return std::pair(m, v);
  };
  EXPECT_EQ(run(1), run(2));
}

TEST(Bf16, StochasticRoundingIsUnbiasedAndKeepsWhatIsExact) {
  const float value = 1.0f + 0x1p-10f;  // an eighth of the way to the next bf16
  double sum = 0;
  for (uint32_t noise = 0; noise < 65536; ++noise)
    sum += static_cast<double>(bf16_to_float(float_to_bf16_stochastic(value, uint16_t(noise))));
  EXPECT_DOUBLE_EQ(sum / 65536, static_cast<double>(value));
  for (const float exact : {0.0f, -0.0f, 1.0f, -2.5f, 0x1p-130f}) {
    EXPECT_EQ(bf16_to_float(float_to_bf16_stochastic(exact, 65535)), exact);
  }
  EXPECT_TRUE(std::isinf(bf16_to_float(float_to_bf16_stochastic(INFINITY, 65535))));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16_stochastic(std::nanf(""), 65535))));
}

}  // namespace
}  // namespace ballast
