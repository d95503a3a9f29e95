// The optimizers on given gradients: kernels/ref in double and the CPU kernels against goldens of
// an independent implementation, published vectors, and bf16 states with stochastic rounding.
#include "libcore/optim/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <sstream>

#include "kernels/ref/optimizer.h"
#include "libcore/io/json.h"
#include "tests/kernels/values.h"

namespace ballast {
namespace {

// The tensors of the goldens, one after another. "c" learns at a quarter of the rate and decays.
struct GoldenTensor {
  const char* name;
  int64_t begin, size;
  bool decay;
  float lr_scale;
};
constexpr GoldenTensor kTensors[] = {
    {"a", 0, 12, true, 1.0f}, {"b", 12, 5, false, 0.5f}, {"c", 17, 7, true, 0.25f}};
constexpr int64_t kN = 24;

Json golden() {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/optim/optimizers.json";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return parse_json(text.str(), path).take_value();
}

// f(index within its tensor, number of the tensor) of every element.
std::vector<double> all_of(const std::function<double(double, double)>& f) {
  std::vector<double> values;
  for (size_t k = 0; k < std::size(kTensors); ++k)
    for (int64_t i = 0; i < kTensors[k].size; ++i)
      values.push_back(f(static_cast<double>(i), static_cast<double>(k)));
  return values;
}
std::vector<double> initial() {
  return all_of([](double i, double k) { return std::cos(0.9 * i + 2 * k); });
}
std::vector<double> gradient(int64_t t) {
  return all_of([t](double i, double k) {
    return std::sin(0.7 * i + 1.3 * static_cast<double>(t) + k) * (t == 4 ? 40 : 1);
  });
}

std::vector<OptimizerRange> golden_ranges() {
  std::vector<OptimizerRange> ranges;
  for (const GoldenTensor& tensor : kTensors) {
    const auto k = static_cast<int64_t>(ranges.size());
    ranges.push_back({tensor.begin,
                      tensor.begin + tensor.size,
                      tensor.decay,
                      tensor.lr_scale,
                      {k, k, k + 1, tensor.size}});
  }
  return ranges;
}

// Buffers of one run in T, and one step on either implementation.
template <class T>
struct Course {
  std::vector<T> p, g, m, v, m2;
  std::vector<double> ratio_sums{0, 0, 0};
  std::vector<OptimizerRange> ranges = golden_ranges();

  Course() : p(kN), g(kN), m(kN), v(kN), m2(kN) { std::ranges::copy(initial(), p.begin()); }
  Tensor tensor(std::vector<T>& values) {
    return make_tensor(values.data(), sizeof(T) == 8 ? Dtype::f64 : Dtype::f32, 1, kN);
  }
  void step(const OptimizerConfig& config, int64_t t, Backend* backend) {
    std::ranges::copy(gradient(t), g.begin());
    OptimizerStep s = config.at(t);
    s.param = tensor(p);
    s.grad = tensor(g);
    s.m = tensor(m);
    s.v = tensor(v);
    if (config.has_slow_moment()) s.m2 = tensor(m2);
    s.ranges = ranges;
    s.lr = 1e-2 * std::min(1.0, double(t) / 3);
    s.ratio_sums = make_tensor(ratio_sums.data(), Dtype::f64, 1, 3);
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

// The worst ||a - b|| / ||b|| of the tensors of the golden's step.
template <class T>
double error(const Course<T>& run, const Json& wanted, size_t t) {
  double worst = 0;
  for (const GoldenTensor& tensor : kTensors) {
    double difference = 0, size = 0;
    for (int64_t i = 0; i < tensor.size; ++i) {
      const double value =
          wanted.at(tensor.name).at(t).at(static_cast<size_t>(i)).template get<double>();
      const auto got = static_cast<double>(run.p[static_cast<size_t>(tensor.begin + i)]);
      difference += (got - value) * (got - value);
      size += value * value;
    }
    worst = std::max(worst, std::sqrt(difference / size));
  }
  return worst;
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
      for (size_t k = 0; k < std::size(kTensors); ++k) {
        const double ratio =
            std::sqrt(reference.ratio_sums[k] / static_cast<double>(kTensors[k].size));
        EXPECT_NEAR(ratio,
                    wanted.at("ratio_" + std::string(kTensors[k].name)).at(row).get<double>(),
                    1e-10);
      }
    }
  }
}

// Parameters that begin as 1, decay 0.1, learning rate 1e-3. By step and by element; what is not
// published is left out. u is the update without rate and decay, R the ratio of StableAdamW.
struct Published {
  std::string spec;
  std::vector<std::vector<double>> gradients, params, updates, slow_moments;
  std::vector<double> ratios;
};

// Half a unit of the last of so many decimals, which is what a printed number can be off.
double half_unit(int decimals) { return 0.5001 * std::pow(10.0, -decimals); }

void expect_published(const Published& c, int decimals) {
  const OptimizerConfig config = parse_optimizer(c.spec, 10).take_value();
  const auto n = static_cast<int64_t>(c.gradients[0].size());
  std::vector<double> p(static_cast<size_t>(n), 1), m(p.size()), v(p.size()), m2(p.size());
  std::vector<double> sums(1);
  const std::vector<OptimizerRange> ranges{{0, n, true, 1.0f, {0, 0, 1, n}}};
  for (size_t t = 0; t < c.gradients.size(); ++t) {
    OptimizerStep step = config.at(static_cast<int64_t>(t) + 1);
    step.ranges = ranges;
    step.lr = 1e-3;
    step.ratio_sums = make_tensor(sums.data(), Dtype::f64, 1, 1);
    const std::vector<double> before = p;
    ref::update_ratio<double>(sums.data(), c.gradients[t].data(), v.data(), step);
    if (!c.ratios.empty()) {
      EXPECT_NEAR(ref::update_ratio_of(step, ranges[0]), c.ratios[t], half_unit(9));
    }
    ref::optimizer_step<double>(p.data(), c.gradients[t].data(), m.data(), v.data(),
                                config.has_slow_moment() ? m2.data() : nullptr, n, step, nullptr);
    for (size_t i = 0; i < p.size() && !c.params[t].empty(); ++i)
      EXPECT_NEAR(p[i], c.params[t][i], half_unit(decimals)) << c.spec << " step " << t + 1;
    for (size_t i = 0; i < p.size() && !c.updates.empty(); ++i)
      EXPECT_NEAR((before[i] * (1 - 1e-3 * 0.1) - p[i]) / 1e-3, c.updates[t][i], half_unit(8))
          << c.spec << " step " << t + 1;
    for (size_t i = 0; i < p.size() && !c.slow_moments.empty(); ++i)
      EXPECT_NEAR(m2[i], c.slow_moments[t][i], half_unit(10)) << c.spec << " step " << t + 1;
  }
}

TEST(Optimizer, FollowsPublishedVectors) {
  expect_published({"adamw",
                    {{1}, {-0.5}, {2}},
                    {{0.9989000000}, {0.9985317406}, {0.9977831425}},
                    {{.99999999}, {.26836944}, {.64874493}},
                    {},
                    {}},
                   10);
  expect_published({"ademamix:alpha_warmup=10,beta3_warmup=10",
                    {{1}, {-0.5}, {2}},
                    {{.9988992072}, {.9985314793}, {.9977709639}},
                    {{1.00079278}, {.26783798}, {.66066225}},
                    {{.0009909897}, {.0007415162}, {.0014063194}},
                    {}},
                   10);
  expect_published({"stable_adamw",
                    {{1, 1}, {1, 1}, {10, 1}},
                    {{}, {}, {.99720153, .99701382}},
                    {},
                    {},
                    {1, 1, 1.398698783}},
                   8);
}

TEST(Optimizer, WithoutApplyNoStateChangesABit) {
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  for (const std::string spec : {"ademamix", "stable_adamw", "ademamix:state=bf16"}) {
    const OptimizerConfig config = parse_optimizer(spec, 10).take_value();
    std::vector<float> p(kN, 1.5f), g(kN, std::nanf(""));
    std::vector<float> m(kN, 0.25f), v(kN, 0.5f), m2(kN, 2.0f);  // as bf16: any bits
    const auto before = std::tuple(p, m, v, m2);
    std::vector<double> sums(3), blocks(3);
    const std::vector<OptimizerRange> ranges = golden_ranges();
    OptimizerStep step = config.at(3);
    step.apply = false;
    step.param = make_tensor(p.data(), Dtype::f32, 1, kN);
    step.grad = make_tensor(g.data(), Dtype::f32, 1, kN);
    step.m = make_tensor(m.data(), config.state, 1, kN);
    step.v = make_tensor(v.data(), config.state, 1, kN);
    step.m2 = make_tensor(m2.data(), config.state, 1, kN);
    step.ranges = ranges;
    step.ratio_sums = make_tensor(sums.data(), Dtype::f64, 1, 3);
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

// Weights in f32 that hold values of bf16 only, as the CPU keeps --param-dtype bf16.
struct RoundedRun {
  std::vector<float> p, g, m, v, m2;
  std::vector<double> sums{0, 0, 0}, blocks{0, 0, 0};
  explicit RoundedRun(int64_t n)
      : p(static_cast<size_t>(n)), g(p.size()), m(p.size()), v(p.size()), m2(p.size()) {
    for (size_t i = 0; i < p.size(); ++i)
      p[i] = bf16_to_float(float_to_bf16(static_cast<float>(random_normal(2, 0, i))));
  }
  int64_t size() const { return std::ssize(p); }
  void gradients(int64_t t) {
    for (size_t i = 0; i < g.size(); ++i)
      g[i] = static_cast<float>(random_normal(7, static_cast<uint64_t>(t), i));
  }
  // Elements [begin, end) as a rank has them.
  OptimizerStep step(const OptimizerConfig& config, int64_t t, int64_t begin, int64_t end) {
    const auto part = [&](std::vector<float>& values) {
      return cols_of(make_tensor(values.data(), Dtype::f32, 1, size()), begin, end - begin);
    };
    OptimizerStep step = config.at(t);
    step.param = part(p);
    step.grad = part(g);
    step.m = part(m);
    step.v = part(v);
    if (config.has_slow_moment()) step.m2 = part(m2);
    step.ratio_sums = make_tensor(sums.data(), Dtype::f64, 1, 3);
    step.lr = 1e-3;
    step.round_param = true;
    step.rounding_seed = 11;
    step.flat_begin = begin;
    return step;
  }
};

// f32 with fused and with separate products falls on two sides of a value of bf16 now and then.
TEST(Optimizer, RoundedWeightsAgreeWithTheReferenceToOneRounding) {
  const int64_t n = 5000;
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  const std::vector<OptimizerRange> ranges{{0, n, true, 1.0f, {0, 0, 1, n}}};
  for (const char* spec : {"adamw", "ademamix", "stable_adamw"}) {
    const OptimizerConfig config = parse_optimizer(spec, 100).take_value();
    RoundedRun fast(n), reference(n);
    for (int64_t t = 1; t <= 4; ++t) {
      for (RoundedRun* run : {&fast, &reference}) run->gradients(t);
      OptimizerStep step = fast.step(config, t, 0, n), same = reference.step(config, t, 0, n);
      step.ranges = same.ranges = ranges;
      step.block_sums = make_tensor(fast.blocks.data(), Dtype::f64, 1, 3);
      if (config.kind == OptimizerKind::stable_adamw) {
        cpu->update_ratio(step.ratio_sums, step);
        ref::update_ratio<float>(reference.sums.data(), reference.g.data(), reference.v.data(),
                                 same);
      }
      cpu->optimizer_step(step);
      ref::optimizer_step<float>(reference.p.data(), reference.g.data(), reference.m.data(),
                                 reference.v.data(),
                                 config.has_slow_moment() ? reference.m2.data() : nullptr, n, same,
                                 reference.blocks.data());
    }
    int64_t apart = 0;
    double squares = 0;
    for (size_t i = 0; i < fast.p.size(); ++i) {
      ASSERT_EQ(fast.p[i], bf16_to_float(float_to_bf16(fast.p[i]))) << i;
      ASSERT_NEAR(fast.p[i], reference.p[i], std::abs(reference.p[i]) / 64) << i;
      apart += fast.p[i] != reference.p[i] ? 1 : 0;
      squares += static_cast<double>(fast.p[i]) * static_cast<double>(fast.p[i]);
    }
    EXPECT_LT(apart, n / 100) << spec;
    EXPECT_NEAR(fast.blocks[1], squares, 1e-12 * squares);  // of the weights as they are stored
    EXPECT_NEAR(fast.blocks[0], reference.blocks[0], 1e-2 * reference.blocks[0]);
  }
}

// The bits of the whole, however ranks and threads share it.
TEST(Optimizer, RoundedWeightsDependOnSeedStepAndFlatIndexAlone) {
  const int64_t n = kFlatBlock + 4096;
  const OptimizerConfig config = parse_optimizer("adamw", 100).take_value();
  const auto run = [&](const std::vector<int64_t>& borders, int threads, int64_t t, uint64_t seed) {
    const std::unique_ptr<Backend> cpu = open_cpu(threads);
    RoundedRun whole(n);
    whole.gradients(1);
    for (size_t k = 0; k + 1 < borders.size(); ++k) {
      OptimizerStep step = whole.step(config, t, borders[k], borders[k + 1]);
      const std::vector<OptimizerRange> ranges{{0, borders[k + 1] - borders[k], true, 1.0f}};
      step.ranges = ranges;
      step.rounding_seed = seed;
      cpu->optimizer_step(step);
    }
    return whole.p;
  };
  const std::vector<float> wanted = run({0, n}, 1, 5, 3);
  EXPECT_EQ(run({0, n}, 3, 5, 3), wanted);
  EXPECT_EQ(run({0, 1501, kFlatBlock, n}, 2, 5, 3), wanted);
  EXPECT_NE(run({0, n}, 1, 5, 4), wanted);
}

// Decay takes 1e-4 of a weight, 1/39 of what rounding to the nearest keeps to itself. The mean over
// many elements keeps it: one rounding has the variance f (1 - f) ulp^2, f being the part of an
// ulp, and a mean that is 6 of its deviations off would be no chance.
TEST(Optimizer, DecayIsNotLostToRounding) {
  const int64_t n = 2 * kFlatBlock;
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  const OptimizerConfig config = parse_optimizer("adamw:decay=0.1", 100).take_value();
  const std::vector<OptimizerRange> ranges{{0, n, true, 1.0f}};
  RoundedRun run(n);
  std::ranges::fill(run.p, 1.0f);
  std::ranges::fill(run.v, 1.0f);
  OptimizerStep step = run.step(config, 9, 0, n);
  step.ranges = ranges;
  ASSERT_EQ(float_to_bf16(1.0f - 1e-4f), float_to_bf16(1.0f));
  cpu->optimizer_step(step);
  double sum = 0;
  for (const float p : run.p) sum += static_cast<double>(p);
  const double ulp = 0x1p-8, f = 1e-4 / ulp;  // below 1
  const double deviation = ulp * std::sqrt(f * (1 - f) / static_cast<double>(n));
  EXPECT_NEAR(sum / static_cast<double>(n), 1 - 1e-4, 6 * deviation);
}

TEST(Optimizer, WithoutApplyRoundedWeightsKeepTheirBits) {
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  const OptimizerConfig config = parse_optimizer("adamw", 10).take_value();
  const std::vector<OptimizerRange> ranges{{0, 100, true, 1.0f}};
  RoundedRun run(100);
  run.p.assign(100, 1 + 0x1p-20f);  // no value of bf16: nothing touches it
  const std::vector<float> before = run.p;
  OptimizerStep step = run.step(config, 3, 0, 100);
  step.ranges = ranges;
  step.apply = false;
  cpu->optimizer_step(step);
  EXPECT_EQ(run.p, before);
}

// What is not finite stays visible, with the bits of float_to_bf16_stochastic().
TEST(Optimizer, RoundedWeightsShowWhatIsNotFinite) {
  const std::unique_ptr<Backend> cpu = open_cpu(1);
  const OptimizerConfig config = parse_optimizer("adamw", 10).take_value();
  const int64_t n = 37;
  const std::vector<OptimizerRange> ranges{{0, n, false, 1.0f}};
  RoundedRun run(n);
  run.v.assign(run.v.size(), 1);
  run.p[3] = INFINITY;
  run.p[36] = -INFINITY;
  run.g[5] = std::nanf("");
  OptimizerStep step = run.step(config, 3, 0, n);
  step.ranges = ranges;
  cpu->optimizer_step(step);
  // Decay takes a multiple of the weight from it, so an infinite one becomes NaN, without rounding
  // too.
  for (size_t i = 0; i < run.p.size(); ++i) {
    EXPECT_EQ(std::isnan(run.p[i]), i == 3 || i == 5 || i == 36) << i;
    EXPECT_EQ(std::bit_cast<uint32_t>(run.p[i]) & 0xFFFF, 0u) << i;
  }
}

TEST(Optimizer, ANanInTheSecondMomentReachesTheRatio) {
  const auto backend = open_cpu(1);
  OptimizerStep step = parse_optimizer("stable_adamw", 10).take_value().at(2);
  std::vector<float> param(40, 1.0f), grad(40, 0.5f), m(40, 0.1f), v(40, 0.25f);
  v[33] = std::nanf("");
  std::vector<double> sums(1);
  const std::vector<OptimizerRange> ranges{{0, 40, true, 1.0f, {0, 0, 1, 40}}};
  step.param = make_tensor(param.data(), Dtype::f32, 1, 40);
  step.grad = make_tensor(grad.data(), Dtype::f32, 1, 40);
  step.m = make_tensor(m.data(), Dtype::f32, 1, 40);
  step.v = make_tensor(v.data(), Dtype::f32, 1, 40);
  step.ranges = ranges;
  backend->update_ratio(make_tensor(sums.data(), Dtype::f64, 1, 1), step);
  EXPECT_TRUE(std::isnan(sums[0]));
}

}  // namespace
}  // namespace ballast
