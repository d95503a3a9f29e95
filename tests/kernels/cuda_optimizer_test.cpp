#include "kernels/ref/optimizer.h"

#include <algorithm>
#include <map>

#include "libcore/optim/optimizer.h"
#include "tests/kernels/device_ops.h"

namespace ballast {
namespace {

// Borders that lie inside groups, pieces and blocks; gaps; neighbours that differ and some that do
// not; an element alone.
std::vector<OptimizerRange> odd_ranges(int64_t n) {
  const std::vector<OptimizerRange> all{{1, 2, true, 1.0f},
                                        {3, 9, false, 0.5f},
                                        {9, 40, false, 0.5f},
                                        {40, 90, false, 0.75f},
                                        {90, 500, true, 0.75f},
                                        {500, 1001, true, 0.25f},
                                        {1003, 20000, true, 1.0f},
                                        {20000, kFlatBlock + 13, false, 1.0f},
                                        {kFlatBlock + 13, kFlatBlock + 5000, true, 2.0f}};
  std::vector<OptimizerRange> ranges;
  for (const OptimizerRange& range : all)
    if (range.begin < n) ranges.push_back(range);
  ranges.back().end = std::min(n, ranges.back().end);
  return ranges;
}

// Every range of odd_ranges() cut at the border of a block, as stable_adamw wants them, in two
// tensors. Entry 0 belongs to none.
std::vector<OptimizerRange> odd_ratio_ranges(int64_t n) {
  std::vector<OptimizerRange> ranges;
  int64_t entry = 1;
  for (OptimizerRange range : odd_ranges(n)) {
    const int64_t end = range.end;
    for (; range.begin < end; range.begin = range.end) {
      range.end = std::min(end, (range.begin / kFlatBlock + 1) * kFlatBlock);
      range.ratio.entry = entry++;
      ranges.push_back(range);
    }
  }
  // Of one size and side by side, with a ratio above 1 each.
  for (OptimizerRange& range : ranges) {
    const bool first = range.ratio.entry < 3;
    range.ratio.tensor_begin = first ? 1 : 3;
    range.ratio.tensor_end = first ? 3 : entry;
    range.ratio.tensor_elements = 5;
  }
  return ranges;
}

// How weights are stored: f32, f32 with values of bf16, bf16.
enum class Weights : uint8_t { f32, rounded, bf16 };
constexpr Weights kWeights[] = {Weights::f32, Weights::rounded, Weights::bf16};
constexpr Weights kRoundedWeights[] = {Weights::rounded, Weights::bf16};

// The buffers of one run on a backend: bits to compare.
struct Bits {
  std::vector<double> param, m, v, m2, sums, ratios;
  bool operator==(const Bits&) const = default;
};

class CudaOptimizer : public DeviceOps {
 protected:
  // What a run of some steps is given; gradients are made of the step's number.
  struct Run {
    std::string spec;
    int64_t n;
    int64_t flat_begin = 0;
    bool apply = true;
    double eps = 1e-8;
    Weights weights = Weights::f32;
  };
  struct State {
    OpValues param, grad, m, v, m2, sums, ratios;
    std::vector<OptimizerRange> ranges;
  };

  static OptimizerConfig config_of(const Run& run) {
    OptimizerConfig config = parse_optimizer(run.spec, 1000).take_value();
    config.eps = run.eps;
    return config;
  }
  State start(const Run& run) {
    const OptimizerConfig config = config_of(run);
    const int64_t n = run.n, blocks = (n + kFlatBlock - 1) / kFlatBlock;
    const bool stable = config.kind == OptimizerKind::stable_adamw;
    const bool narrow = run.weights == Weights::bf16;
    State s{random_of(narrow ? Dtype::bf16 : Dtype::f32, 1, n, 1),
            empty(1, n, Dtype::f32),
            random_of(config.state, 1, n, 2, 0.1),
            random_of(config.state, 1, n, 3, 0.1),
            random_of(config.state, 1, n, 4, 0.1),
            OpValues(device(), Dtype::f64, Rows::whole, blocks, 3),
            constant(Dtype::f64, 1, 32, 7),
            stable ? odd_ratio_ranges(n) : odd_ranges(n)};
    const std::vector<double> v = s.v.wanted();
    s.v.fill([&](int64_t i) { return std::abs(v[static_cast<size_t>(i)]); });
    if (run.weights == Weights::rounded) {
      const std::vector<double> param = s.param.wanted();
      s.param.fill([&](int64_t i) {
        const auto wide = static_cast<float>(param[static_cast<size_t>(i)]);
        return static_cast<double>(bf16_to_float(float_to_bf16(wide)));
      });
    }
    return s;
  }
  OptimizerStep step_of(const Run& run, State& s, int64_t t) {
    s.grad.fill([&](int64_t i) { return random_normal(5, uint64_t(t), static_cast<uint64_t>(i)); });
    OptimizerStep step = config_of(run).at(t);
    step.ranges = s.ranges;
    step.lr = 1e-3;
    step.grad_factor = 0.7;
    step.update_factor = 1.25;
    step.apply = run.apply;
    step.rounding_seed = 0x123456789abcdef;
    step.flat_begin = run.flat_begin;
    step.round_param = run.weights != Weights::f32;
    return step;
  }
  void bind(OptimizerStep& step, State& s) {
    step.param = s.param.tensor();
    step.grad = s.grad.tensor();
    step.m = s.m.tensor();
    step.v = s.v.tensor();
    if (step.kind == OptimizerKind::ademamix) step.m2 = s.m2.tensor();
    step.block_sums = s.sums.tensor();
    step.ratio_sums = s.ratios.tensor();
  }
  // The step on the device.
  void take_step(OptimizerStep step, State& s) {
    bind(step, s);
    if (step.kind == OptimizerKind::stable_adamw) device().update_ratio(s.ratios.tensor(), step);
    device().optimizer_step(step);
  }
  static Bits bits_of(const State& s) {
    Bits bits{s.param.download(), s.m.download(),    s.v.download(),
              s.m2.download(),    s.sums.download(), s.ratios.download()};
    std::ranges::replace_if(
        bits.m2, [](double x) { return std::isnan(x); }, 0);
    return bits;
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, CudaOptimizer, testing::ValuesIn(device_cases()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CudaOptimizer);

const char* const kSpecs[] = {"adamw", "ademamix", "stable_adamw"};

// Two steps, so that the second reads what the first wrote. The terms of a sum in double carry the
// roundings of f32.
TEST_P(CudaOptimizer, FollowsTheReference) {
  everywhere([&] {
    for (const char* spec : kSpecs) {
      for (const int64_t n : {int64_t{30}, kFlatBlock + 4321}) {
        const Run run{spec, n};
        State s = start(run);
        for (const int64_t t : {7, 8}) {
          OptimizerStep step = step_of(run, s, t);
          take_step(step, s);
          step.ratio_sums = make_tensor(s.ratios.matrix().data, Dtype::f64, 1, 32);
          if (step.kind == OptimizerKind::stable_adamw)
            ref::update_ratio<double>(s.ratios.matrix().data, s.grad.matrix().data,
                                      s.v.matrix().data, step);
          ref::optimizer_step<double>(
              s.param.matrix().data, s.grad.matrix().data, s.m.matrix().data, s.v.matrix().data,
              step.kind == OptimizerKind::ademamix ? s.m2.matrix().data : nullptr, n, step,
              s.sums.matrix().data);
        }
        SCOPED_TRACE(testing::Message() << spec << " " << n);
        check(s.param, 1);
        check(s.m, 1);
        check(s.v, 1);
        check(s.m2, 1);
        check(s.ratios, 1);
        // A weight is a sum of two steps, and of the squares the terms have one sign: no sum is off
        // by more than the worst of its terms.
        const std::vector<double> sums = s.sums.download();
        for (size_t i = 0; i < sums.size(); ++i)
          EXPECT_NEAR(sums[i], s.sums.wanted()[i], 16 * kUnitRoundoff * s.sums.wanted()[i]) << i;
      }
    }
  });
}

// One step, in which f32 and double may fall on two sides of a value of bf16 and then are an ulp
// apart, two unit roundoffs. A state is rounded once.
TEST_P(CudaOptimizer, FollowsTheReferenceWithRoundedWeights) {
  everywhere([&] {
    for (const char* spec : {"adamw", "ademamix:state=bf16", "stable_adamw"}) {
      for (const Weights weights : kRoundedWeights) {
        const Run run{spec, kFlatBlock + 4321, 77, true, 1e-8, weights};
        State s = start(run);
        OptimizerStep step = step_of(run, s, 7);
        std::vector<uint16_t> states[3];
        const OpValues* const from[3] = {&s.m, &s.v, &s.m2};
        for (int k = 0; k < 3; ++k)
          for (const double x : from[k]->wanted())
            states[k].push_back(float_to_bf16(static_cast<float>(x)));
        take_step(step, s);
        step.ratio_sums = make_tensor(s.ratios.matrix().data, Dtype::f64, 1, 32);
        if (step.kind == OptimizerKind::stable_adamw)
          ref::update_ratio<double>(s.ratios.matrix().data, s.grad.matrix().data, s.v.matrix().data,
                                    step);
        if (step.kind == OptimizerKind::ademamix) {
          ref::optimizer_step<double>(s.param.matrix().data, s.grad.matrix().data, states[0].data(),
                                      states[1].data(), states[2].data(), run.n, step,
                                      s.sums.matrix().data);
        } else {
          ref::optimizer_step<double>(
              s.param.matrix().data, s.grad.matrix().data, s.m.matrix().data, s.v.matrix().data,
              static_cast<double*>(nullptr), run.n, step, s.sums.matrix().data);
          check(s.m, 1);
          check(s.v, 1);
        }
        SCOPED_TRACE(testing::Message() << spec << " " << static_cast<int>(weights));
        const std::vector<double> got = s.param.download(), &wanted = s.param.wanted();
        int64_t apart = 0;
        for (size_t i = 0; i < got.size(); ++i) {
          apart += got[i] != wanted[i] ? 1 : 0;
          ASSERT_NEAR(got[i], wanted[i], 0x1p-7 * std::abs(wanted[i])) << i;
        }
        // Eight roundings of f32, 2^-24 of a weight each, are 2^-13 of an ulp: so likely is an
        // element to fall apart, and eight times as many would be no chance.
        EXPECT_LE(apart, 8 * run.n >> 13);
      }
    }
  });
}

// The CPU's kernels with fused products: states (also rounded stochastically) and weights get the
// same bits, wherever the slice begins; sums are taken in another order. The CPU has weights in f32
// whether or not they are rounded.
TEST_P(CudaOptimizer, HasTheBitsOfTheCpu) {
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  if (cpu->description().find("AVX") == std::string::npos) GTEST_SKIP() << "no fused products";
  everywhere([&] {
    for (const std::string kind : kSpecs) {
      for (const std::string state : {"fp32", "bf16"}) {
        for (const Weights weights : kWeights) {
          const int64_t flat_begin = weights == Weights::bf16 ? 0 : (int64_t{5} << 33) + 3;
          const Run run{kind + ":state=" + state, 3000, flat_begin, true, 1e-8, weights};
          State s = start(run);
          OptimizerStep step = step_of(run, s, int64_t{1} << 20);
          // The same on the host.
          const Dtype type = config_of(run).state;
          std::vector<std::vector<float>> host;
          const auto copy = [&](const OpValues& from) {
            host.emplace_back(from.wanted().begin(), from.wanted().end());
            return make_tensor(host.back().data(), Dtype::f32, 1, run.n);
          };
          std::vector<std::vector<uint16_t>> narrow;
          const auto copy_state = [&](const OpValues& from) {
            if (type == Dtype::f32) return copy(from);
            narrow.emplace_back();
            for (const double x : from.wanted()) narrow.back().push_back(float_to_bf16(float(x)));
            return make_tensor(narrow.back().data(), Dtype::bf16, 1, run.n);
          };
          std::vector<double> sums(3), ratios(32, 7);
          OptimizerStep twin = step;
          twin.param = copy(s.param);
          twin.grad = copy(s.grad);
          twin.m = copy_state(s.m);
          twin.v = copy_state(s.v);
          twin.m2 = copy_state(s.m2);
          twin.block_sums = make_tensor(sums.data(), Dtype::f64, 1, 3);
          twin.ratio_sums = make_tensor(ratios.data(), Dtype::f64, 1, 32);
          if (step.kind == OptimizerKind::stable_adamw) cpu->update_ratio(twin.ratio_sums, twin);
          cpu->optimizer_step(twin);
          // Scalars follow from the sums: give both the same.
          bind(step, s);
          if (step.kind == OptimizerKind::stable_adamw) {
            device().update_ratio(s.ratios.tensor(), step);
            const std::vector<double> got = s.ratios.download();
            for (size_t i = 0; i < ratios.size(); ++i)
              EXPECT_NEAR(got[i], ratios[i], 1e-12 * ratios[i]) << i;
          }
          s.ratios.fill([&](int64_t i) { return ratios[static_cast<size_t>(i)]; });
          device().optimizer_step(step);
          const auto expect_equal = [](const OpValues& got, const Tensor& wanted) {
            const std::vector<double> values = got.download();
            for (size_t i = 0; i < values.size(); ++i) {
              const float value = wanted.dtype == Dtype::f32
                                      ? wanted.as<float>()[i]
                                      : bf16_to_float(wanted.as<uint16_t>()[i]);
              ASSERT_EQ(values[i], static_cast<double>(value)) << i;
            }
          };
          SCOPED_TRACE(testing::Message() << run.spec << " at " << flat_begin << ", weights "
                                          << static_cast<int>(weights));
          expect_equal(s.param, twin.param);
          expect_equal(s.m, twin.m);
          expect_equal(s.v, twin.v);
          expect_equal(s.m2, twin.m2);
          const std::vector<double> got = s.sums.download();
          for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(got[k], sums[k], 1e-12 * sums[k]) << k;
        }
      }
    }
  });
}

// Without gradients a moment is one product, which any arithmetic rounds alike: what is left is the
// noise of the generator, so the bits are the reference's on any host.
TEST_P(CudaOptimizer, RoundsWithTheNoiseOfTheReference) {
  everywhere([&] {
    for (const int64_t flat_begin : {int64_t{0}, (int64_t{9} << 34) + 7}) {
      const Run run{"ademamix:state=bf16", 2000, flat_begin};
      State s = start(run);
      OptimizerStep step = step_of(run, s, 12345);
      s.grad.fill([](int64_t) { return 0.0; });
      std::vector<float> param(s.param.wanted().begin(), s.param.wanted().end());
      const std::vector<float> grad(param.size());
      const auto narrow = [](const OpValues& from) {
        std::vector<uint16_t> bits;
        for (const double x : from.wanted()) bits.push_back(float_to_bf16(float(x)));
        return bits;
      };
      std::vector<uint16_t> m = narrow(s.m), v = narrow(s.v), m2 = narrow(s.m2);
      ref::optimizer_step<float>(param.data(), grad.data(), m.data(), v.data(), m2.data(), run.n,
                                 step, nullptr);
      take_step(step, s);
      const Bits got = bits_of(s);
      for (size_t i = 0; i < param.size(); ++i) {
        ASSERT_EQ(got.m[i], static_cast<double>(bf16_to_float(m[i]))) << i;
        ASSERT_EQ(got.v[i], static_cast<double>(bf16_to_float(v[i]))) << i;
        ASSERT_EQ(got.m2[i], static_cast<double>(bf16_to_float(m2[i]))) << i;
      }
    }
  });
}

// Decay alone takes the same products from a weight in any arithmetic: what is left is the noise.
TEST_P(CudaOptimizer, RoundsWeightsWithTheNoiseOfTheReference) {
  everywhere([&] {
    for (const Weights weights : kRoundedWeights) {
      const Run run{"adamw", 2000, (int64_t{9} << 34) + 7, true, 1e-8, weights};
      State s = start(run);
      OptimizerStep step = step_of(run, s, 12345);
      for (OpValues* values : {&s.grad, &s.m}) values->fill([](int64_t) { return 0.0; });
      std::vector<float> param(s.param.wanted().begin(), s.param.wanted().end());
      const std::vector<float> before = param, zeros(param.size());
      std::vector<float> m = zeros, v(s.v.wanted().begin(), s.v.wanted().end());
      double sums[3];
      ref::optimizer_step<float>(param.data(), zeros.data(), m.data(), v.data(),
                                 static_cast<float*>(nullptr), run.n, step, sums);
      take_step(step, s);
      const Bits got = bits_of(s);
      int64_t moved = 0;
      for (size_t i = 0; i < param.size(); ++i) {
        ASSERT_EQ(got.param[i], static_cast<double>(param[i])) << i;
        moved += param[i] != before[i] ? 1 : 0;
      }
      EXPECT_GT(moved, 0);
      EXPECT_LT(moved, run.n / 10);  // 1.25e-4 of a weight is a small part of an ulp
      for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(got.sums[k], sums[k], 1e-12 * sums[k]) << k;
    }
  });
}

// Sums reach laws: the same bits at any alignment, and however ranges of the same kind are cut.
TEST_P(CudaOptimizer, BitsDependOnNeitherAlignmentNorCuts) {
  std::map<std::string, Bits> seen;
  everywhere([&] {
    for (const char* spec : {"adamw", "ademamix:state=bf16"}) {
      for (const bool cut : {false, true}) {
        const Weights weights = spec[2] == 'a' ? Weights::f32 : Weights::bf16;
        const Run run{spec, 20001, 0, true, 1e-8, weights};
        State s = start(run);
        s.ranges = {{0, run.n, true, 0.5f}};
        if (cut) {
          s.ranges.clear();
          for (int64_t begin = 0; begin < run.n; begin += 1237) {
            // Rates that differ by nothing, but not to the host: neighbours are not joined.
            const float scale = begin / 1237 % 2 == 0 ? 0.5f : std::nextafter(0.5f, 1.0f);
            s.ranges.push_back({begin, std::min(run.n, begin + 1237), true, scale});
          }
        }
        take_step(step_of(run, s, 3), s);
        const auto [at, fresh] =
            seen.try_emplace(std::string(spec) + (cut ? " cut" : ""), bits_of(s));
        EXPECT_TRUE(at->second == bits_of(s)) << spec;
      }
    }
  });
  for (const char* spec : {"adamw", "ademamix:state=bf16"}) {
    const Bits &whole = seen.at(spec), &cut = seen.at(std::string(spec) + " cut");
    EXPECT_EQ(whole.v, cut.v);
    EXPECT_EQ(whole.sums[2], cut.sums[2]);  // v does not depend on the rate
  }
}

// More ranges than fit the arguments of one kernel.
TEST_P(CudaOptimizer, ManyRanges) {
  everywhere([&] {
    const Run run{"adamw", 1800};
    State s = start(run);
    s.ranges.clear();
    for (int64_t i = 0; i + 1 < run.n; i += 3)
      s.ranges.push_back({i, i + 2, i % 2 == 0, static_cast<float>(i)});
    const OptimizerStep step = step_of(run, s, 2);
    take_step(step, s);
    ref::optimizer_step<double>(s.param.matrix().data, s.grad.matrix().data, s.m.matrix().data,
                                s.v.matrix().data, static_cast<double*>(nullptr), run.n, step,
                                s.sums.matrix().data);
    check(s.param, 1);
    check(s.m, 1);
    check(s.v, 1);
  });
}

TEST_P(CudaOptimizer, WithoutApplyNothingChangesAndNoGradientIsRead) {
  everywhere([&] {
    for (const std::string spec : {"adamw", "ademamix", "stable_adamw", "ademamix:state=bf16"}) {
      const Weights weights = kWeights[spec.size() % 3];
      const Run run{spec, 5000, 0, false, 1e-8, weights};
      State s = start(run);
      const Bits before = bits_of(s);
      OptimizerStep step = step_of(run, s, 3);
      s.grad.fill([](int64_t) { return std::nan(""); });
      take_step(step, s);
      const Bits after = bits_of(s);
      SCOPED_TRACE(spec);
      EXPECT_EQ(before.param, after.param);
      EXPECT_EQ(before.m, after.m);
      EXPECT_EQ(before.v, after.v);
      EXPECT_EQ(before.m2, after.m2);
      EXPECT_EQ(after.sums[0], 0);
      double squares = 0;
      for (const OptimizerRange& range : s.ranges)
        for (int64_t i = range.begin; i < range.end; ++i)
          squares += std::pow(before.param[static_cast<size_t>(i)], 2);
      EXPECT_NEAR(after.sums[1], squares, 1e-12 * squares);
    }
  });
}

// eps 0 and elements that never saw a gradient: 0 / 0 stays where it is computed, not in the lanes
// beside the ends of a range, nor in their sums.
TEST_P(CudaOptimizer, NothingLeaksFromOutsideTheRanges) {
  everywhere([&] {
    const Run run{"stable_adamw", 41, 0, true, 0};
    State s = start(run);
    s.ranges = {{5, 7, true, 1.0f, {0, 0, 1, 2}}, {10, 35, true, 1.0f, {1, 1, 2, 25}}};
    OptimizerStep step = step_of(run, s, 3);
    const auto inside = [](int64_t i) { return (i >= 5 && i < 7) || (i >= 10 && i < 35); };
    for (OpValues* values : {&s.param, &s.grad, &s.m, &s.v})
      values->fill([&](int64_t i) { return inside(i) ? 1.0 + 0.01 * double(i) : 0.0; });
    take_step(step, s);
    const Bits got = bits_of(s);
    for (int64_t i = 0; i < run.n; ++i) {
      EXPECT_TRUE(std::isfinite(got.param[static_cast<size_t>(i)])) << i;
      EXPECT_EQ(got.param[static_cast<size_t>(i)] != 0, inside(i)) << i;
    }
    for (const double sum : got.sums) EXPECT_TRUE(std::isfinite(sum));
    EXPECT_TRUE(std::isfinite(got.ratios[0]) && std::isfinite(got.ratios[1]));
    EXPECT_EQ(got.ratios[2], 7);  // of no range: left alone
  });
}

TEST_P(CudaOptimizer, ANanGradientReachesTheUpdateAndTheRatio) {
  everywhere([&] {
    const Run run{"stable_adamw", 200};
    State s = start(run);
    s.ranges = {{0, 200, true, 1.0f, {0, 0, 1, 200}}};
    const OptimizerStep step = step_of(run, s, 3);
    const std::vector<double> given = s.grad.wanted();
    s.grad.fill([&](int64_t i) { return i == 77 ? std::nan("") : given[static_cast<size_t>(i)]; });
    take_step(step, s);
    const Bits got = bits_of(s);
    EXPECT_TRUE(std::isnan(got.ratios[0]));
    EXPECT_TRUE(std::isnan(got.sums[0]));
    for (size_t i = 0; i < 200; ++i) EXPECT_EQ(std::isnan(got.param[i]), i == 77) << i;
  });
}

}  // namespace
}  // namespace ballast
