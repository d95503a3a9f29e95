// Every clipper on given gradients, and the AdamW updates that follow it, against goldens of
// PyTorch and NumPy (tests/golden/optim/make_clippers.py): decisions and the float64 reference to
// 1e-10, the CPU's parameters to 1e-5.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "kernels/ref/optimizer.h"
#include "libcore/io/json.h"
#include "libcore/optim/clip/clip.h"
#include "libcore/optim/optimizer.h"
#include "tests/kernels/values.h"

namespace ballast {
namespace {

constexpr int64_t kSizes[] = {12, 5, 7};  // the tensors a, b and c; b does not decay
constexpr int64_t kN = 24;

// f(index within its tensor, number of the tensor) of every element.
template <class F>
std::vector<double> all_of(F f) {
  std::vector<double> values;
  for (size_t k = 0; k < std::size(kSizes); ++k)
    for (int64_t i = 0; i < kSizes[k]; ++i)
      values.push_back(f(static_cast<double>(i), static_cast<double>(k)));
  return values;
}

std::vector<double> gradient(int64_t step) {
  static const std::map<int64_t, double> spikes = {{20, 30}, {33, 6}, {41, 3},
                                                   {42, 4},  {43, 5}, {55, 60}};
  const auto t = static_cast<double>(step);
  const double size = std::exp(0.2 * std::sin(2.3 * t) + 0.15 * std::cos(5.1 * t)) *
                      (spikes.contains(step) ? spikes.at(step) : 1);
  return all_of([&](double i, double k) { return std::sin(0.7 * i + 1.3 * t + k) * size; });
}

double loss(int64_t step) {
  const auto t = static_cast<double>(step);
  return 3 - 0.01 * t + 0.05 * std::sin(1.7 * t) + (step == 50 ? 2 : 0);
}

double norm_of(const std::vector<double>& gradient) {
  double squares = 0;
  for (const double g : gradient) squares += g * g;
  return std::sqrt(squares);
}

// Parameters and states of AdamW in T, stepped by the reference in double or by the CPU in float.
template <class T>
struct Course {
  std::vector<T> p, g, m, v;
  int64_t applied = 0;

  Course() : p(kN), g(kN), m(kN), v(kN) {
    std::ranges::copy(all_of([](double i, double k) { return std::cos(0.9 * i + 2 * k); }),
                      p.begin());
  }
  void step(const std::vector<double>& gradient, double factor, Backend* backend) {
    static const std::vector<OptimizerRange> ranges = {
        {0, 12, true, 1.0f}, {12, 17, false, 1.0f}, {17, 24, true, 1.0f}};
    std::ranges::copy(gradient, g.begin());
    OptimizerStep s = parse_optimizer("adamw", 1)->at(++applied);
    s.ranges = ranges;
    s.lr = 1e-2;
    s.grad_factor = factor;
    if (backend == nullptr)
      return ref::optimizer_step<T>(p.data(), g.data(), m.data(), v.data(),
                                    static_cast<T*>(nullptr), kN, s, nullptr);
    s.param = make_tensor(p.data(), Dtype::f32, 1, kN);
    s.grad = make_tensor(g.data(), Dtype::f32, 1, kN);
    s.m = make_tensor(m.data(), Dtype::f32, 1, kN);
    s.v = make_tensor(v.data(), Dtype::f32, 1, kN);
    backend->optimizer_step(s);
  }
  double error(const Json& wanted) const {
    double difference = 0, size = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      difference += std::pow(static_cast<double>(p[i]) - wanted.at(i).get<double>(), 2);
      size += std::pow(wanted.at(i).get<double>(), 2);
    }
    return std::sqrt(difference / size);
  }
};

Json golden() {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/optim/clippers.json";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return parse_json(text.str(), path).take_value();
}

void follow(const Json& wanted, int64_t steps, Backend& cpu) {
  const std::string spec = wanted.at("spec").get<std::string>();
  const std::unique_ptr<Clipper> clipper = make_clipper(spec).take_value();
  Course<double> reference;
  Course<float> fast;
  for (int64_t t = 1; t <= steps; ++t) {
    const auto row = static_cast<size_t>(t - 1);
    const std::vector<double> g = gradient(t);
    const ClipDecision decision = clipper->decide(norm_of(g), loss(t));
    const double factor = wanted.at("factor").at(row).get<double>();
    const Json& z = wanted.at("z").at(row);
    const Json& skip = wanted.at("skip");
    EXPECT_NEAR(decision.factor, factor, 1e-10) << spec << " step " << t;
    EXPECT_EQ(decision.clipped, factor < 1) << spec << " step " << t;
    EXPECT_EQ(std::isnan(decision.z), z.is_null()) << spec << " step " << t;
    if (z.is_number()) {
      EXPECT_NEAR(decision.z, z.get<double>(), 1e-10 * std::max(1.0, std::abs(z.get<double>())));
    }
    EXPECT_EQ(decision.skip, std::ranges::count(skip, Json(t)) == 1) << spec << " step " << t;
    if (!decision.skip) {
      reference.step(g, decision.factor, nullptr);
      fast.step(g, decision.factor, &cpu);
    }
    const auto kept = wanted.at("params").find(std::to_string(t));
    if (kept == wanted.at("params").end()) continue;
    EXPECT_LT(reference.error(*kept), 1e-10) << spec << " step " << t;
    EXPECT_LT(fast.error(*kept), 1e-5) << spec << " step " << t;
  }
}

TEST(ClippedUpdate, FollowsTheGoldensOfEveryClipper) {
  const std::unique_ptr<Backend> cpu = open_cpu(2);
  const Json file = golden();
  ASSERT_GE(file.at("cases").size(), 15u);
  for (const Json& wanted : file.at("cases")) {
    ASSERT_EQ(wanted.at("params").size(), 4u);
    follow(wanted, file.at("steps").get<int64_t>(), *cpu);
  }
}

}  // namespace
}  // namespace ballast
