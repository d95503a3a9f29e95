// The bound of the schedules that train, and extensions, against the values of the authors' project
// (fabian-sp/lr-scheduling), which builds T + 1 entries with int(c (T + 1)) cooldown steps and
// drops the last, a zero: our wsd of T steps with as many cooldown steps.
#include "libcore/optim/lr_extend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "libcore/stats/lr_bound.h"

namespace ballast {
namespace {

std::vector<int64_t> borders(int64_t steps, int64_t batch = 1) {
  std::vector<int64_t> list(static_cast<size_t>(steps) + 1);
  for (int64_t i = 0; i <= steps; ++i) list[static_cast<size_t>(i)] = i * batch;
  return list;
}

LrBound bound_of(const std::string& spec, int64_t steps) {
  const Schedule schedule = make_schedule(spec, 1, steps, 1).take_value();
  return lr_bound(step_multipliers(schedule, borders(steps))).take_value();
}

std::string wsd(int64_t cooldown, const std::string& shape) {
  return "wsd:warmup=0,cooldown=" + std::to_string(cooldown) + ",shape=" + shape;
}

struct Published {
  std::string spec400, spec4000;
  double gamma400, omega400, gamma4000, omega4000;
};

TEST(LrBound, OfTheSchedulesThatTrainHasThePublishedValues) {
  const Published table[] = {
      {"constant:warmup=0", "constant:warmup=0", .0181758951, .1375448081, .0050325296,
       .0496768062},
      {wsd(20, "linear"), wsd(200, "linear"), .0207146684, .1236234830, .0066964531, .0382855496},
      {wsd(40, "linear"), wsd(400, "linear"), .0226297015, .1161359064, .0072726537, .0361798163},
      {wsd(80, "linear"), wsd(800, "linear"), .0253736614, .1093230125, .0081182938, .0342115239},
      {wsd(80, "1-sqrt"), wsd(800, "1-sqrt"), .0268461376, .1072881472, .0085691922, .0336577036},
      {wsd(160, "linear"), wsd(1600, "linear"), .0300701278, .1037616076, .0095925046, .0325724296},
      {wsd(240, "linear"), wsd(2400, "linear"), .0351006211, .1015669318, .0111857933, .0319225542},
      {"linear:warmup=0", "linear:warmup=0", .0495631307, .1006298654, .0157928953, .0316518929},
      {"cosine:warmup=0,final=0", "cosine:warmup=0,final=0", .0482418868, .1033859059, .0153402480,
       .0325858508},
      {"cosine:warmup=0,final=0.1", "cosine:warmup=0,final=0.1", .0435950346, .1040525840,
       .0132068350, .0344104018},
  };
  for (const Published& row : table) {
    const LrBound small = bound_of(row.spec400, 400), large = bound_of(row.spec4000, 4000);
    // Ten printed digits after the point.
    EXPECT_NEAR(small.best_gamma(), row.gamma400, 1e-10) << row.spec400;
    EXPECT_NEAR(small.best(), row.omega400, 1e-10) << row.spec400;
    EXPECT_NEAR(large.best_gamma(), row.gamma4000, 1e-10) << row.spec4000;
    EXPECT_NEAR(large.best(), row.omega4000, 1e-10) << row.spec4000;
  }
}

TEST(LrBound, GivesTheHalfOfTheCosineRateRule) {
  EXPECT_NEAR(bound_of(wsd(80, "linear"), 400).best_gamma() /
                  bound_of("cosine:warmup=0,final=0", 400).best_gamma(),
              .526, 5e-4);
  EXPECT_NEAR(bound_of(wsd(800, "linear"), 4000).best_gamma() /
                  bound_of("cosine:warmup=0,final=0", 4000).best_gamma(),
              .529, 5e-4);
}

TEST(LrBound, FallsWithTheRootOfTheLengthForOneShape) {
  const double one = bound_of(wsd(800, "linear"), 4000).best_gamma();
  EXPECT_NEAR(bound_of(wsd(1600, "linear"), 8000).best_gamma() / one, .7078, 5e-5);
  EXPECT_NEAR(bound_of(wsd(3200, "linear"), 16000).best_gamma() / one, .5007, 5e-5);
}

ExtensionRequest request(int64_t steps, int64_t longer, int64_t batch = 1,
                         const std::string& spec = "wsd:warmup=0,cooldown=20%,shape=linear") {
  ExtensionRequest r;
  r.old = make_schedule(spec, 1, steps * batch, batch).take_value();
  r.borders = borders(steps, batch);
  r.new_borders = borders(longer, batch);
  return r;
}

TEST(LrExtend, ReproducesThePapersGrid) {
  const struct {
    int64_t steps;
    double rho, cooldown;
  } rows[] = {{6000, .625, .4375}, {8000, .525, .634375}, {16000, .375, NAN}};
  for (const auto& row : rows) {
    const ExtensionRequest r = request(4000, row.steps);
    const Extension two = extend_schedule(r, ExtensionWay::two_stage).take_value();
    ASSERT_TRUE(two.found);
    EXPECT_NEAR(two.grid_value, row.rho, 1e-12);
    const Extension cooldown = extend_schedule(r, ExtensionWay::cooldown).take_value();
    EXPECT_EQ(cooldown.found, !std::isnan(row.cooldown));
    if (cooldown.found) {
      EXPECT_NEAR(cooldown.grid_value, row.cooldown, 1e-12);
    }
  }
}

TEST(LrExtend, TheSolvedValueHasTheOldBestRate) {
  const ExtensionRequest r = request(4000, 8000);
  const double old = lr_bound(step_multipliers(r.old, r.borders)).take_value().best_gamma();
  const Extension two = extend_schedule(r, ExtensionWay::two_stage).take_value();
  EXPECT_NEAR(two.bound.best_gamma() / old, 1, 1e-9);
  EXPECT_NEAR(two.value, .533, 5e-4);  // between the grid's .525 and .55
  EXPECT_EQ(two.branch_from, 3200);
  // One step more or less of the cooldown moves gamma* by about a part in 6000.
  const Extension longer = extend_schedule(r, ExtensionWay::cooldown).take_value();
  EXPECT_NEAR(longer.bound.best_gamma() / old, 1, 4e-4);
  EXPECT_EQ(longer.branch_from, 8000 - std::llround(longer.value * 8000));
  EXPECT_LT(longer.branch_from, 3200);
}

TEST(LrExtend, KeepsTheOldRunsRatesUpToTheBranch) {
  for (const char* spec : {"wsd:warmup=5%,cooldown=20%", "wsd:warmup=7steps,start=0.1,cooldown=20%",
                           "wsd:warmup=1steps,cooldown=10%,shape=cosine",
                           "wsd:warmup=0,cooldown=30%,shape=mirror-cosine,final=0.1"}) {
    ExtensionRequest r = request(1000, 2000, 64, spec);
    r.transition_tokens = 20 * 64;
    for (const ExtensionWay way : {ExtensionWay::two_stage, ExtensionWay::cooldown}) {
      const Extension e = extend_schedule(r, way).take_value();
      ASSERT_TRUE(e.found) << spec;
      for (int64_t x = 0; x < e.branch_from; x += 64)
        ASSERT_NEAR(e.schedule.multiplier(x, 64), r.old.multiplier(x, 64), 1e-12) << spec << x;
    }
  }
}

TEST(LrExtend, CoolsDownAsTheLawOfWsdDoes) {
  ExtensionRequest r = request(1000, 2000, 64, "wsd:warmup=0,cooldown=20%,shape=1-sqrt,final=0.1");
  const Schedule two = extended_schedule(r, ExtensionWay::two_stage, 0.5).take_value();
  const Schedule whole =
      make_schedule("wsd:warmup=0,cooldown=20%,shape=1-sqrt,final=0.1", 1, 2000 * 64, 64)
          .take_value();
  for (int64_t step = 1600; step < 2000; ++step)
    ASSERT_NEAR(two.multiplier(step * 64, 64), 0.5 * whole.multiplier(step * 64, 64), 1e-12);
  EXPECT_EQ(two.multiplier(1000 * 64, 64), 0.5);
  // A batch that grows changes the steps, not the shape.
  r.new_borders.clear();
  for (int64_t x = 0; x < 2000 * 64; x += x < 64000 ? 64 : 128) r.new_borders.push_back(x);
  r.new_borders.push_back(2000 * 64);
  const Schedule ramp = extended_schedule(r, ExtensionWay::two_stage, 0.5).take_value();
  for (int64_t x = 1600 * 64; x < 2000 * 64; x += 128)
    ASSERT_NEAR(ramp.multiplier(x, 128), 0.5 * whole.multiplier(x, 128), 1e-12);
}

TEST(LrExtend, LongCooldownsAreThinnedWithoutHarm) {
  const ExtensionRequest r = request(100000, 200000, 1, "wsd:warmup=0,cooldown=20%");
  const Schedule two = extended_schedule(r, ExtensionWay::two_stage, 0.5).take_value();
  EXPECT_LT(two.points.size(), 8300u);
  const Schedule whole = make_schedule("wsd:warmup=0,cooldown=20%", 1, 200000, 1).take_value();
  for (int64_t x = 160000; x < 200000; ++x)
    ASSERT_NEAR(two.multiplier(x, 1), 0.5 * whole.multiplier(x, 1), 2e-4);
}

TEST(LrExtend, TheFileReadsBackToTheSameRates) {
  const ExtensionRequest r = request(500, 1000, 32, "wsd:warmup=10steps,cooldown=20%");
  const Extension e = extend_schedule(r, ExtensionWay::two_stage).take_value();
  const std::string text = schedule_file_text(e.schedule, R"({"rho":0.5})");
  const Schedule back = parse_schedule_file(text, "file", 3.0, 32000).take_value();
  EXPECT_EQ(back.points, e.schedule.points);
  EXPECT_FALSE(back.absolute_points);
  EXPECT_NE(parse_schedule_file(schedule_file_text(e.schedule, ""), "file", 1, 1).ok(), false);
}

TEST(LrExtend, RefusesWhatItCannotExtend) {
  EXPECT_FALSE(extend_schedule(request(100, 100), ExtensionWay::two_stage).ok());
  EXPECT_FALSE(
      extend_schedule(request(100, 200, 1, "cosine:warmup=0"), ExtensionWay::two_stage).ok());
  ExtensionRequest r = request(100, 110);
  r.transition_tokens = 50;
  const Result<Extension> refused = extend_schedule(r, ExtensionWay::two_stage);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().where, "--transition");
}

}  // namespace
}  // namespace ballast
