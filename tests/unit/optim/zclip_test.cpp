#include "libcore/optim/clip/zclip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "libcore/base/rng.h"

namespace ballast {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::unique_ptr<Clipper> clipper(const std::string& spec) {
  return make_clipper(spec).take_value();
}

struct Row {
  double norm, z, target, mean, variance;  // target NaN: not clipped
};

// Half a unit of the sixth decimal: what a number printed with six can be off. Variances have
// eight.
constexpr double kHalfOfSixth = 0.5001e-6;

// Warm-up with five norms, then the computed table of the variants.
void expect_table(const std::string& mode, const std::string& compat,
                  const std::vector<Row>& rows) {
  auto made = clipper("zclip:warmup=5,mode=" + mode + ",compat=" + compat);
  auto& zclip = dynamic_cast<ZClip&>(*made);
  for (const double norm : {1.00, 1.10, 0.95, 1.05, 0.90}) {
    const ClipDecision decision = zclip.decide(norm);
    EXPECT_TRUE(decision.warming);
    EXPECT_FALSE(decision.clipped);
    EXPECT_EQ(decision.factor, 1);
  }
  EXPECT_NEAR(zclip.mean(), 1.0, 1e-12);
  EXPECT_NEAR(zclip.variance(), 0.005, 1e-12);
  for (const Row& row : rows) {
    const ClipDecision decision = zclip.decide(row.norm);
    EXPECT_NEAR(decision.z, row.z, kHalfOfSixth) << mode << row.norm;
    EXPECT_EQ(decision.clipped, !std::isnan(row.target)) << mode << row.norm;
    if (decision.clipped) {
      EXPECT_NEAR(decision.target, row.target, kHalfOfSixth) << mode << row.norm;
      EXPECT_DOUBLE_EQ(decision.factor, decision.target / (row.norm + 1e-6));
    }
    EXPECT_NEAR(zclip.mean(), row.mean, kHalfOfSixth) << mode << row.norm;
    EXPECT_NEAR(zclip.variance(), row.variance, kHalfOfSixth / 100) << mode << row.norm;
  }
}

TEST(ZClip, FollowsTheTwelveStepTable) {
  const Row first = {1.02, 0.282839, kNan, 1.000600, .00486129};
  const Row second = {0.98, -0.295451, kNan, 0.999982, .00472743};
  for (const std::string compat : {"safe", "reference"}) {
    expect_table("mean", compat,
                 {first,
                  second,
                  {3.00, 29.088077, 0.999982, 0.999982, .00458561},
                  {1.10, 1.476976, kNan, 1.002983, .00473041},
                  {8.00, 101.731912, 1.002983, 1.002983, .00458850},
                  {1.20, 2.908459, 1.002983, 1.002983, .00445084},
                  {0.99, -0.194595, kNan, 1.002593, .00432208}});
    expect_table("max", compat,
                 {first,
                  second,
                  {3.00, 29.088077, 1.171873, 1.005139, .00541961},
                  {1.10, 1.288543, kNan, 1.007985, .00551103},
                  {8.00, 94.184638, 1.193575, 1.013552, .00631795},
                  {1.20, 2.345652, kNan, 1.019146, .00710966},
                  {0.99, -0.345657, kNan, 1.018271, .00692035}});
    expect_table("reciprocal", compat,
                 {first,
                  second,
                  {3.00, 29.088077, 1.014755, 1.000425, .00459177},
                  {1.10, 1.469444, kNan, 1.003412, .00473389},
                  {8.00, 101.688278, 1.007641, 1.003539, .00459238},
                  {1.20, 2.899015, 1.149639, 1.007922, .00505711},
                  {0.99, -0.252021, kNan, 1.007385, .00491447}});
  }
}

TEST(ZClip, TestsTheTwentySixthNormFirst) {
  auto made = clipper("zclip");
  for (int call = 1; call <= 25; ++call)
    EXPECT_TRUE(made->decide(call == 25 ? 50.0 : 1.0).warming) << call;
  const ClipDecision first = made->decide(100.0);
  EXPECT_FALSE(first.warming);
  const double mean = 74.0 / 25, deviation = 49 * std::sqrt(24.0) / 25;
  EXPECT_NEAR(first.z, (100 - mean) / (deviation + 1e-6), 1e-12);
}

// Share of independent normal norms that are clipped (nominal: 0.62 %), in percent. The wanted
// values are from 30 million norms of another generator.
double false_positives(const std::string& mode) {
  auto made = clipper("zclip:mode=" + mode);
  constexpr int64_t kNorms = 1500000;
  int64_t clipped = 0;
  for (int64_t i = 0; i < kNorms; ++i)
    clipped += made->decide(10 + random_normal(3, 1, static_cast<uint64_t>(i))).clipped ? 1 : 0;
  return 100 * static_cast<double>(clipped) / static_cast<double>(kNorms);
}

TEST(ZClip, ClipsTheComputedShareOfNoise) {
  EXPECT_NEAR(false_positives("reciprocal"), 0.997, 0.03);
  EXPECT_NEAR(false_positives("max"), 0.954, 0.03);
  EXPECT_NEAR(false_positives("mean"), 1.319, 0.03);
}

// The variance is taken around the mean that has just moved, so it settles at 0.955 of the truth.
TEST(ZClip, VarianceOfNoiseSettlesBelowTheTruth) {
  auto made = clipper("zclip:z=1000");
  const auto& zclip = dynamic_cast<const ZClip&>(*made);
  double sum = 0;
  constexpr int64_t kNorms = 400000;
  for (int64_t i = 0; i < kNorms; ++i) {
    made->decide(10 + random_normal(3, 2, static_cast<uint64_t>(i)));
    sum += zclip.variance();
  }
  EXPECT_NEAR(sum / static_cast<double>(kNorms), 0.955, 0.01);
}

TEST(ZClip, LearnsNothingFromNonFiniteNorms) {
  auto safe = clipper("zclip:warmup=2");
  safe->decide(1.0);
  safe->decide(1.2);
  const std::string before = to_json_line(safe->state());
  for (const double norm : {kNan, std::numeric_limits<double>::infinity()}) {
    const ClipDecision decision = safe->decide(norm);
    EXPECT_FALSE(decision.valid);
    EXPECT_FALSE(decision.clipped);
    EXPECT_EQ(decision.factor, 1);
  }
  EXPECT_EQ(to_json_line(safe->state()), before);
}

TEST(ZClip, ReferenceIsPoisonedByNaN) {
  auto reference = clipper("zclip:warmup=2,compat=reference");
  reference->decide(1.0);
  reference->decide(1.2);
  EXPECT_FALSE(reference->decide(kNan).clipped);
  EXPECT_FALSE(reference->decide(1e9).clipped);  // every comparison with NaN is false
}

TEST(ZClip, FloorsTheScaleOfAConstantWarmup) {
  auto safe = clipper("zclip:warmup=3");
  auto reference = clipper("zclip:warmup=3,compat=reference");
  for (int i = 0; i < 3; ++i) {
    safe->decide(1.0);
    reference->decide(1.0);
  }
  EXPECT_FALSE(safe->decide(1.001).clipped);  // z = 1 at the floor 1e-3
  const ClipDecision sharp = reference->decide(1.001);
  EXPECT_TRUE(sharp.clipped);
  EXPECT_NEAR(sharp.z, 1000, 1e-6);
  EXPECT_NEAR(sharp.target, 1.0, 1e-12);  // a scale of 0: the norm is clipped to the mean
}

TEST(ZClip, CapClipsButDoesNotFeedTheStatistics) {
  auto made = clipper("zclip:warmup=2,cap=0.5");
  auto plain = clipper("zclip:warmup=2");
  const ClipDecision warming = made->decide(1.0);
  EXPECT_TRUE(warming.clipped);
  EXPECT_DOUBLE_EQ(warming.factor, 0.5 / (1.0 + 1e-6));
  EXPECT_EQ(warming.threshold, 0.5);
  plain->decide(1.0);
  for (const double norm : {1.1, 1.05, 4.0, 1.0}) {
    made->decide(norm);
    plain->decide(norm);
  }
  EXPECT_EQ(to_json_line(made->state()), to_json_line(plain->state()));
}

TEST(ZClip, CollectsFreshNormsAfterAnEvent) {
  auto made = clipper("zclip:warmup=2,rewarm=3");
  made->decide(1.0);
  made->decide(1.2);
  EXPECT_TRUE(made->decide(9.0).spike);
  made->on_event();
  for (const double norm : {9.0, 9.1, 9.2}) EXPECT_TRUE(made->decide(norm).warming);
  EXPECT_FALSE(made->decide(9.1).spike);  // the new level
  auto off = clipper("zclip:warmup=2,rewarm=0");
  off->decide(1.0);
  off->decide(1.2);
  off->on_event();
  EXPECT_TRUE(off->decide(9.0).spike);
}

TEST(ZClip, StateSurvivesJsonAtEveryStepBitForBit) {
  const std::string spec = "zclip:warmup=4,mode=max,z=2";
  auto whole = clipper(spec);
  for (int step = 0; step < 40; ++step) {
    auto resumed = clipper(spec);
    const Json state = parse_json(to_json_line(whole->state()), "test").take_value();
    ASSERT_TRUE(resumed->load(state).ok());
    const double norm = 1 + 0.1 * std::sin(step * 1.7) + (step % 11 == 10 ? 3.3 : 0);
    const ClipDecision a = whole->decide(norm);
    const ClipDecision b = resumed->decide(norm);
    EXPECT_EQ(a.factor, b.factor);
    EXPECT_EQ(std::isnan(a.z), std::isnan(b.z));
    if (!std::isnan(a.z)) {
      EXPECT_EQ(a.z, b.z);
    }
    EXPECT_EQ(to_json_line(whole->state()), to_json_line(resumed->state()));
  }
}

TEST(ZClip, RefusesTheStateOfAnotherKindAndDamage) {
  auto made = clipper("zclip");
  const Json fixed = clipper("fixed:1")->state();
  EXPECT_FALSE(made->load(fixed).ok());
  Json broken = made->state();
  broken["warmup_left"] = -1;
  EXPECT_FALSE(made->load(broken).ok());
  broken = made->state();
  broken.erase("mean");
  EXPECT_FALSE(made->load(broken).ok());
}

TEST(Clipper, FixedFollowsThePyTorchConvention) {
  auto fixed = clipper("fixed:1.0");
  EXPECT_EQ(fixed->decide(0.5).factor, 1);
  const ClipDecision decision = fixed->decide(4.0);
  EXPECT_TRUE(decision.clipped);
  EXPECT_DOUBLE_EQ(decision.factor, 1.0 / (4.0 + 1e-6));
  EXPECT_EQ(decision.threshold, 1.0);
  EXPECT_TRUE(std::isnan(decision.z));
  EXPECT_FALSE(fixed->decide(kNan).valid);
  EXPECT_EQ(clipper("none")->decide(1e9).factor, 1);
}

TEST(Clipper, SpecIsWrittenInFullAndReadsBack) {
  EXPECT_EQ(clipper("zclip")->spec(),
            "zclip:mode=reciprocal,z=2.5,alpha=0.97,warmup=25,cap=none,compat=safe,rewarm=50");
  for (const char* spec : {"none", "fixed:0.1", "zclip:mode=mean,cap=1.5,compat=reference"}) {
    const std::string full = clipper(spec)->spec();
    EXPECT_EQ(clipper(full)->spec(), full);
  }
}

TEST(Clipper, RefusesWhatIsNotBuiltAndBadValues) {
  for (const char* spec :
       {"adagc", "fixed:0", "fixed:-1", "fixed:x", "fixed:a=1", "none:1", "zclip:mode=odd",
        "zclip:alpha=1", "zclip:z=0", "zclip:cap=0", "zclip:warmup=0", "zclip:1.0", ""}) {
    const auto made = make_clipper(spec);
    ASSERT_FALSE(made.ok()) << spec;
    EXPECT_EQ(made.error().kind, ErrorKind::usage) << spec;
  }
}

}  // namespace
}  // namespace ballast
