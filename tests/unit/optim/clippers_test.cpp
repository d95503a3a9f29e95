// AutoClip, the log and median forms of ZClip, and z-score skip, each against a plain rewriting of
// its definition; zclip_test.cpp has the published tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "libcore/base/rng.h"
#include "libcore/optim/clip/clip.h"

namespace ballast {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::unique_ptr<Clipper> clipper(const std::string& spec) {
  return make_clipper(spec).take_value();
}

// Log-normal norms with a spike now and then.
double norm_at(uint64_t i) {
  return std::exp(0.2 * random_normal(5, 1, i)) * (i % 37 == 36 ? 20 : 1);
}

double percentile(std::vector<double> x, double p) {
  std::sort(x.begin(), x.end());
  const double r = p / 100 * static_cast<double>(x.size() - 1);
  const auto low = static_cast<size_t>(std::floor(r)), high = static_cast<size_t>(std::ceil(r));
  return x[low] + (r - std::floor(r)) * (x[high] - x[low]);
}

TEST(AutoClip, ClipsToThePercentileOfTheHistoryThatHoldsTheNorm) {
  auto made = clipper("autoclip:p=10,window=50");
  std::vector<double> history;
  for (uint64_t i = 0; i < 300; ++i) {
    const double norm = norm_at(i);
    history.push_back(norm);
    if (history.size() > 50) history.erase(history.begin());
    const double limit = percentile(history, 10);
    const ClipDecision decision = made->decide(norm);
    EXPECT_NEAR(decision.threshold, limit, 1e-12);
    EXPECT_NEAR(decision.factor, std::min(1.0, limit / (norm + 1e-6)), 1e-12);
    EXPECT_EQ(decision.clipped, decision.factor < 1);
  }
}

TEST(AutoClip, InterpolatesLinearly) {
  auto made = clipper("autoclip:p=10");
  ClipDecision decision = made->decide(5.0);  // alone: the limit is the norm itself
  EXPECT_EQ(decision.threshold, 5);
  EXPECT_NEAR(decision.factor, 1, 1e-6);
  decision = made->decide(1.0);  // 1, 5: r = 0.1
  EXPECT_DOUBLE_EQ(decision.threshold, 1.4);
  EXPECT_FALSE(decision.clipped);
  EXPECT_FALSE(made->decide(kNan).valid);
  decision = made->decide(9.0);  // 1, 5, 9: r = 0.2
  EXPECT_DOUBLE_EQ(decision.threshold, 1.8);
  EXPECT_DOUBLE_EQ(decision.factor, 1.8 / (9 + 1e-6));
}

TEST(AutoClip, LeavesNormsAloneAfterAnEvent) {
  auto made = clipper("autoclip:p=50,rewarm=3");
  for (uint64_t i = 0; i < 20; ++i) made->decide(norm_at(i));
  made->on_event();
  for (int i = 0; i < 3; ++i) {
    const ClipDecision decision = made->decide(100.0 + i);
    EXPECT_TRUE(decision.warming);
    EXPECT_EQ(decision.factor, 1);
  }
  EXPECT_DOUBLE_EQ(made->decide(103.0).threshold, 101.5);  // of 100 .. 103
}

// ZClip on x = ln g written out once more.
TEST(ZClipLog, IsZClipOfTheLogarithm) {
  auto made = clipper("zclip:form=log,warmup=10,z=2.5,alpha=0.9,mode=reciprocal");
  double m = 0, v = 0;
  std::vector<double> warm;
  int64_t clips = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const double norm = norm_at(i), x = std::log(norm);
    const ClipDecision decision = made->decide(norm);
    if (warm.size() < 10) {
      EXPECT_TRUE(decision.warming);
      warm.push_back(x);
      for (const double w : warm) m += w / 10;
      if (warm.size() < 10) m = 0;
      if (warm.size() == 10)
        for (const double w : warm) v += (w - m) * (w - m) / 10;
      continue;
    }
    const double s = std::max(std::sqrt(v), 1e-3), z = (x - m) / (s + 1e-6);
    const bool spike = z > 2.5;
    const double u = spike ? m + 2.5 * 2.5 / z * s : x;
    EXPECT_NEAR(decision.z, z, 1e-9);
    EXPECT_EQ(decision.clipped, spike);
    if (spike) {
      EXPECT_NEAR(decision.factor, std::exp(u) / (norm + 1e-6), 1e-9);
    }
    EXPECT_NEAR(std::log(decision.threshold), m + 2.5 * (s + 1e-6), 1e-9);
    clips += decision.clipped ? 1 : 0;
    m = 0.9 * m + 0.1 * u;
    v = 0.9 * v + 0.1 * (u - m) * (u - m);
  }
  EXPECT_GE(clips, 10);
}

double median_of(std::vector<double> x) { return percentile(std::move(x), 50); }

TEST(ZClipMedian, TestsAgainstMedianAndMadOfTheWindow) {
  auto made = clipper("zclip:form=median,window=40,warmup=20,mode=max,z=3");
  std::deque<double> window;
  int64_t clips = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const double norm = norm_at(i), x = std::log(norm);
    const ClipDecision decision = made->decide(norm);
    if (window.size() < 20) {
      EXPECT_TRUE(decision.warming);
      window.push_back(x);
      continue;
    }
    const double center = median_of({window.begin(), window.end()});
    std::vector<double> distance;
    for (const double w : window) distance.push_back(std::abs(w - center));
    const double s = std::max(1.4826 * median_of(distance), 1e-3), z = (x - center) / (s + 1e-6);
    EXPECT_NEAR(decision.z, z, 1e-9);
    EXPECT_EQ(decision.clipped, z > 3);
    const double u = z > 3 ? center + 3 * s : x;
    if (z > 3) {
      EXPECT_NEAR(decision.target, std::exp(u), 1e-9);
    }
    clips += decision.clipped ? 1 : 0;
    window.push_back(u);
    if (window.size() > 40) window.pop_front();
  }
  EXPECT_GE(clips, 10);
}

TEST(ZClipLog, PassesOverANormOfZero) {
  for (const std::string spec :
       {"zclip:form=log,warmup=2", "zclip:form=median,warmup=2,rewarm=2"}) {
    auto made = clipper(spec);
    made->decide(1.0);
    made->decide(1.1);
    const std::string before = to_json_line(made->state());
    const ClipDecision decision = made->decide(0.0);
    EXPECT_TRUE(decision.valid);
    EXPECT_EQ(decision.factor, 1);
    EXPECT_EQ(to_json_line(made->state()), before);
  }
}

TEST(ZSkip, DropsWhatStandsOutOfThePastAndKeepsItOutOfTheWindow) {
  auto made = clipper("zskip:loss=6,norm=6,clip=none");
  std::vector<double> losses, norms;
  const auto z = [](const std::vector<double>& all, double value) {
    const std::vector<double> last(all.end() - std::min<int64_t>(128, std::ssize(all)), all.end());
    double mean = 0, variance = 0;
    for (const double x : last) mean += x / static_cast<double>(last.size());
    for (const double x : last)
      variance += (x - mean) * (x - mean) / static_cast<double>(last.size());
    return (value - mean) / std::max(std::sqrt(variance), 1e-3 * std::abs(mean));
  };
  int64_t drops = 0;
  for (uint64_t i = 0; i < 500; ++i) {
    const double loss = 2 + 0.05 * random_normal(1, 2, i) + (i % 97 == 96 ? 1 : 0);
    const double norm = 1 + 0.1 * random_normal(1, 3, i) + (i % 89 == 88 ? 5 : 0);
    const bool tested = losses.size() >= 64;
    const bool wanted = tested && (z(losses, loss) > 6 || z(norms, norm) > 6);
    const ClipDecision decision = made->decide(norm, loss);
    EXPECT_EQ(decision.skip, wanted) << i;
    EXPECT_EQ(decision.factor, 1);
    if (tested) {
      EXPECT_NEAR(decision.z, z(norms, norm), 1e-9);
    }
    drops += decision.skip ? 1 : 0;
    if (wanted) continue;
    losses.push_back(loss);
    norms.push_back(norm);
  }
  EXPECT_GE(drops, 8);
}

// llm.c's inclusive window of 128 cannot see a z above 11.2; this one can.
TEST(ZSkip, SeesAnyZBecauseTheWindowExcludesTheValue) {
  auto made = clipper("zskip:loss=0,norm=100");
  for (uint64_t i = 0; i < 128; ++i) made->decide(1 + 0.01 * random_normal(2, 1, i), 2.0);
  EXPECT_TRUE(made->decide(50.0, 2.0).skip);
}

TEST(ZSkip, IsNotBlindedByWhatIsNotFinite) {
  auto made = clipper("zskip");
  for (uint64_t i = 0; i < 100; ++i) made->decide(1 + 0.1 * random_normal(2, 1, i), 2.0);
  const std::string before = to_json_line(made->state());
  for (const double bad : {kNan, kInfinity}) EXPECT_FALSE(made->decide(bad, 2.0).valid);
  EXPECT_FALSE(made->decide(1.0, kInfinity).valid);
  EXPECT_EQ(to_json_line(made->state()), before);
  EXPECT_TRUE(made->decide(30.0, 2.0).skip);
  EXPECT_TRUE(made->decide(1.0, 30.0).skip);
  EXPECT_FALSE(made->decide(1.0).skip);  // no loss known: the norm alone is tested
}

TEST(ZSkip, ALevelThatMovedForGoodEndsTheDropping) {
  auto made = clipper("zskip:patience=5");
  for (uint64_t i = 0; i < 100; ++i) made->decide(1 + 0.1 * random_normal(2, 1, i), 2.0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(made->decide(30.0, 2.0).skip);
  EXPECT_FALSE(made->decide(30.0, 2.0).skip);  // collecting anew
}

TEST(ZSkip, ClipsAcceptedNormsAsFixedDoes) {
  auto made = clipper("zskip:clip=0.5"), fixed = clipper("fixed:0.5");
  for (const double norm : {0.2, 0.7, 3.0}) {
    EXPECT_EQ(made->decide(norm, 2.0).factor, fixed->decide(norm).factor);
  }
}

TEST(Clippers, StateAtEveryStepResumesBitForBit) {
  for (const std::string spec :
       {"autoclip:window=30,rewarm=5", "zclip:form=log,warmup=7", "zskip:window=70,patience=3",
        "zclip:form=median,window=20,warmup=7,rewarm=9", "zclip:warmup=7", "fixed:0.3", "none"}) {
    auto whole = clipper(spec);
    for (uint64_t i = 0; i < 200; ++i) {
      auto resumed = clipper(whole->spec());
      const Json state = parse_json(to_json_line(whole->state()), "test").take_value();
      ASSERT_TRUE(resumed->load(state).ok()) << spec << " " << i;
      if (i % 61 == 60) {
        whole->on_event();
        resumed->on_event();
      }
      const double loss = 2 + 0.1 * random_normal(4, 1, i) + (i % 50 > 47 ? 3 : 0);
      const ClipDecision a = whole->decide(norm_at(i), loss), b = resumed->decide(norm_at(i), loss);
      ASSERT_EQ(a.factor, b.factor) << spec << " " << i;
      ASSERT_EQ(a.skip, b.skip);
      ASSERT_TRUE(a.threshold == b.threshold ||
                  (std::isnan(a.threshold) && std::isnan(b.threshold)));
      ASSERT_EQ(to_json_line(whole->state()), to_json_line(resumed->state())) << spec << " " << i;
    }
  }
}

TEST(Clippers, RefuseTheStateOfAnother) {
  const std::vector<std::string> specs = {
      "autoclip", "zclip:form=log", "zclip:form=median", "zclip", "zskip", "fixed:1", "none"};
  for (const std::string& a : specs)
    for (const std::string& b : specs)
      EXPECT_EQ(clipper(a)->load(clipper(b)->state()).ok(), a == b) << a << " " << b;
  auto small = clipper("autoclip:window=2");
  auto large = clipper("autoclip:window=5");
  for (int i = 0; i < 5; ++i) large->decide(1.0);
  EXPECT_FALSE(small->load(large->state()).ok());
}

TEST(Clippers, SpecsReadBackAndBadOnesAreRefused) {
  for (const std::string spec :
       {"autoclip", "autoclip:p=25,window=100,rewarm=0", "zclip:form=log", "zskip:loss=0",
        "zclip:form=median,window=64", "zskip:clip=none,patience=3"}) {
    const std::string full = clipper(spec)->spec();
    EXPECT_EQ(clipper(full)->spec(), full) << spec;
  }
  EXPECT_EQ(clipper("zclip")->spec(),
            "zclip:mode=reciprocal,z=2.5,alpha=0.97,warmup=25,cap=none,compat=safe,rewarm=50");
  for (const std::string spec :
       {"autoclip:p=101", "autoclip:window=0", "zclip:form=median,alpha=0.9", "zclip:window=10",
        "zclip:form=log,compat=reference", "zclip:form=median,window=10,warmup=11",
        "zskip:loss=0,norm=0", "zskip:clip=0", "zskip:window=1", "agc"})
    EXPECT_FALSE(make_clipper(spec).ok()) << spec;
}

}  // namespace
}  // namespace ballast
