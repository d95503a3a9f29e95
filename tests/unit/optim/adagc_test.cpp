#include "libcore/optim/clip/adagc.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ballast {
namespace {

AdaGc law(std::string_view spec) { return make_adagc(spec).value(); }

// Tensors of norms 3 and 4 (5 in all), then twice that, and then tested at step 3.
TEST(AdaGc, WarmsUpByTheGlobalNormAndThenClipsEachTensorByItsOwnPast) {
  AdaGc clip = law("adagc:beta=0.5,abs=1,rel=1.1,warmup=3");
  AdaGcDecision d = clip.decide(std::vector<double>{3, 4});
  EXPECT_TRUE(d.warming);
  EXPECT_TRUE(d.clipped);
  EXPECT_DOUBLE_EQ(d.factors[0], 0.2);
  EXPECT_DOUBLE_EQ(d.factors[1], 0.2);
  EXPECT_DOUBLE_EQ(d.factor, 0.2);
  EXPECT_DOUBLE_EQ(clip.references()[0], 0.6);
  EXPECT_DOUBLE_EQ(clip.references()[1], 0.8);

  d = clip.decide(std::vector<double>{0.3, 0.4});  // below abs: as it is, and the new minimum
  EXPECT_TRUE(d.warming);
  EXPECT_FALSE(d.clipped);
  EXPECT_EQ(d.factor, 1);
  EXPECT_DOUBLE_EQ(clip.references()[0], 0.3);
  EXPECT_DOUBLE_EQ(clip.references()[1], 0.4);

  d = clip.decide(std::vector<double>{0.3, 4});  // the second is 10 times its past
  EXPECT_FALSE(d.warming);
  EXPECT_TRUE(d.clipped);
  EXPECT_EQ(d.factors[0], 1);
  EXPECT_DOUBLE_EQ(d.factors[1], 1.1 * 0.4 / 4);
  EXPECT_DOUBLE_EQ(d.factor, std::hypot(0.3, 0.44) / std::hypot(0.3, 4));
  EXPECT_DOUBLE_EQ(clip.references()[0], 0.3);
  EXPECT_DOUBLE_EQ(clip.references()[1], 0.5 * 0.4 + 0.5 * 0.44);  // the clipped norm is learnt
}

// The minimum of the warm-up is over clipped norms: 5 times 1/5 is less than 0.9 left alone.
TEST(AdaGc, KeepsTheLeastClippedNormOfTheWarmUp) {
  AdaGc clip = law("adagc:warmup=4");
  clip.decide(std::vector<double>{0.9, 0});
  clip.decide(std::vector<double>{3, 4});
  clip.decide(std::vector<double>{0.8, 0.1});
  EXPECT_DOUBLE_EQ(clip.references()[0], 0.6);
  EXPECT_DOUBLE_EQ(clip.references()[1], 0.1);  // 0 has not counted
}

TEST(AdaGc, LeavesTensorsWithoutAGradientAlone) {
  AdaGc clip = law("adagc:warmup=2");
  clip.decide(std::vector<double>{1, 0});
  AdaGcDecision d = clip.decide(std::vector<double>{0, 7});  // never seen before
  EXPECT_EQ(d.factors, (std::vector<double>{1, 1}));
  EXPECT_EQ(d.factor, 1);
  EXPECT_DOUBLE_EQ(clip.references()[0], 0.98);
  EXPECT_EQ(clip.references()[1], 7);
  d = clip.decide(std::vector<double>{0, 0});
  EXPECT_EQ(d.factor, 1);
  EXPECT_TRUE(d.valid);
}

TEST(AdaGc, LearnsNothingFromWhatIsNotFinite) {
  AdaGc clip = law("adagc:warmup=2");
  clip.decide(std::vector<double>{1, 2});
  const std::vector<double> before = clip.references();
  for (const double wild :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e300}) {
    const AdaGcDecision d = clip.decide(std::vector<double>{1, wild});
    EXPECT_FALSE(d.valid);
    EXPECT_EQ(d.factor, 1);
    EXPECT_EQ(clip.references(), before);
  }
  EXPECT_FALSE(clip.decide(std::vector<double>{1, 2}).warming);
}

TEST(AdaGc, WarmsUpAnewAfterAnEvent) {
  AdaGc clip = law("adagc:warmup=4,rewarm=2");
  clip.decide(std::vector<double>{0.1});
  clip.on_event();  // in the first warm-up: all of it again
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(clip.decide(std::vector<double>{0.5}).warming);
  EXPECT_DOUBLE_EQ(clip.references()[0], 0.5);
  EXPECT_FALSE(clip.decide(std::vector<double>{0.5}).warming);
  clip.on_event();
  const AdaGcDecision d = clip.decide(std::vector<double>{0.9});
  EXPECT_TRUE(d.warming);
  EXPECT_FALSE(d.clipped);
  EXPECT_FALSE(clip.decide(std::vector<double>{0.9}).warming);
  AdaGc deaf = law("adagc:warmup=2,rewarm=0");
  deaf.decide(std::vector<double>{0.5});
  deaf.on_event();
  EXPECT_TRUE(deaf.decide(std::vector<double>{0.9}).clipped);
}

TEST(AdaGc, SpecSaysAllKeysAndIsReadBack) {
  const std::string all = "adagc:beta=0.98,abs=1,rel=1.05,warmup=100,rewarm=50";
  EXPECT_EQ(law("adagc").spec(), all);
  EXPECT_EQ(law(all).spec(), all);
  EXPECT_EQ(law("adagc:beta=0.9,abs=2,rel=1.5,warmup=7,rewarm=0").spec(),
            "adagc:beta=0.9,abs=2,rel=1.5,warmup=7,rewarm=0");
  EXPECT_TRUE(is_adagc("adagc"));
  EXPECT_TRUE(is_adagc(all));
  EXPECT_FALSE(is_adagc("adagcx"));
  EXPECT_FALSE(is_adagc("fixed:1"));
  for (const char* wrong : {"adagc:beta=1", "adagc:abs=0", "adagc:rel=0", "adagc:warmup=1",
                            "adagc:rewarm=1", "adagc:lambda=1", "adagc:1"})
    EXPECT_FALSE(make_adagc(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace ballast
