#include "tools/gradstat/sweep_grid.h"

#include <gtest/gtest.h>

#include <cmath>

#include "libcore/base/rng.h"
#include "tools/gradstat/sweep_report.h"

namespace ballast {
namespace {

void ignore(double) {}

JudgedNorm healthy(double norm) { return {0, norm, 3, NormKind::healthy, false, 0}; }

// Lognormal norms, independent.
JudgedNorms calm_norms(size_t n, double deviation) {
  JudgedNorms norms;
  for (size_t i = 0; i < n; ++i) norms.add(healthy(std::exp(deviation * random_normal(11, 1, i))));
  return norms;
}

SweepSettings one_cell() {
  SweepSettings settings;
  settings.z = {2.5};
  settings.alpha = {0.97};
  return settings;
}

// Rates of false alarms of independent normal values at z 2.5 and alpha 0.97 (0.62 % if the
// statistics were known), computed for this mode by simulation in another program. Ten series of
// 20,000: 2,000 clips, so that the rate of simulated ones is right to 2 to 3 %. The shuffled ones
// are all made of one sample, of which 124 values, give or take 11, lie above 2.5 deviations: 9 %.
class FalseAlarms : public ::testing::TestWithParam<std::pair<const char*, double>> {};
TEST_P(FalseAlarms, OfNormalLogarithmsAreKnown) {
  SweepSettings settings = one_cell();
  settings.form = "log";
  settings.mode = GetParam().first;
  settings.repeats = 10;
  ThreadPool pool(1);
  const Sweep result = sweep(calm_norms(20000, 0.2), settings, pool, ignore);
  EXPECT_NEAR(result.cells[0].simulated.mean, GetParam().second, 0.1 * GetParam().second);
  EXPECT_NEAR(result.cells[0].shuffled.mean, GetParam().second, 0.27 * GetParam().second);
  EXPECT_EQ(result.block, 1);
  EXPECT_EQ(result.spikes, 0);
  EXPECT_TRUE(result.recommended.empty());
}
INSTANTIATE_TEST_SUITE_P(Modes, FalseAlarms,
                         ::testing::Values(std::pair("reciprocal", 0.0099),
                                           std::pair("max", 0.0093), std::pair("mean", 0.0129)));

// 100 norms around 1; then spikes at 100 (one norm of 5) and 150 (5, then 20), and a warm-up that
// ends between the norms of the second.
JudgedNorms with_spikes() {
  JudgedNorms norms;
  for (int64_t i = 0; i < 300; ++i) {
    JudgedNorm judged = healthy(1 + 0.01 * static_cast<double>(i % 7));
    if (i == 100 || i == 150 || i == 151) {
      judged = {0, i == 151 ? 20.0 : 5.0, 3, NormKind::spike, i != 151, 1.5};
    }
    norms.add(judged);
  }
  return norms;
}

TEST(Sweep, SaysWhatBecameOfEachSpike) {
  ThreadPool pool(1);
  SweepSettings settings = one_cell();
  settings.mode = "max";
  SweepCell cell = sweep(with_spikes(), settings, pool, ignore).cells[0];
  EXPECT_EQ(cell.caught, 2);
  EXPECT_EQ(cell.late + cell.missed, 0);
  EXPECT_EQ(cell.tally.missed, 0);

  settings.warmup = 151;  // tests from the second norm of the second spike on
  settings.z = {10};
  cell = sweep(with_spikes(), settings, pool, ignore).cells[0];
  EXPECT_EQ(cell.caught, 0);
  EXPECT_EQ(cell.late, 0);
  EXPECT_EQ(cell.missed, 2);  // clipped to 10 deviations, far above 1.5
  settings.mode = "mean";
  cell = sweep(with_spikes(), settings, pool, ignore).cells[0];
  EXPECT_EQ(cell.late, 1);
  EXPECT_EQ(cell.missed, 1);
  EXPECT_EQ(cell.tally.clipped, 1);
  EXPECT_EQ(cell.tally.missed, 2);  // norms of spikes
}

TEST(Sweep, ClipsWhatTheLawClips) {
  const JudgedNorms norms = with_spikes();
  SweepSettings settings = one_cell();
  settings.cap = "1.04";
  ThreadPool pool(1);
  const Sweep result = sweep(norms, settings, pool, ignore);
  const std::unique_ptr<Clipper> clipper = make_clipper("zclip:cap=1.04").value();
  int64_t clipped = 0;
  double factors = 0;
  for (const double norm : norms.norms()) {
    const ClipDecision decision = clipper->decide(norm);
    clipped += decision.clipped ? 1 : 0;
    factors += decision.factor;
  }
  EXPECT_GT(clipped, 3);
  EXPECT_EQ(result.cells[0].tally.clipped, clipped);
  EXPECT_EQ(result.cells[0].tally.factors, factors);
}

// A level that doubles is an event, not a spike, where it is announced, in calm norms too.
TEST(Sweep, StartsAnewAtEvents) {
  const auto norms_of = [](bool announced) {
    JudgedNorms norms;
    for (int64_t i = 0; i < 400; ++i) {
      if (announced && i == 200) norms.restart();
      norms.add(healthy((i < 200 ? 1 : 4) + 0.1 * random_normal(1, 2, static_cast<uint64_t>(i))));
    }
    return norms;
  };
  ThreadPool pool(1);
  SweepSettings settings = one_cell();
  settings.z = {6};
  const SweepCell told = sweep(norms_of(true), settings, pool, ignore).cells[0];
  const SweepCell untold = sweep(norms_of(false), settings, pool, ignore).cells[0];
  EXPECT_EQ(told.tally.healthy, 0);
  EXPECT_GT(untold.tally.healthy, 20);
  EXPECT_EQ(told.simulated.mean, 0);
  EXPECT_GT(untold.simulated.mean, 0);
}

TEST(Sweep, GivesTheSameBitsForAnyNumberOfThreads) {
  SweepSettings settings;
  settings.z = {1.5, 2.5, 4};
  settings.alpha = {0.9, 0.97, 0.99};
  settings.repeats = 2;
  settings.seed = 5;
  ThreadPool one(1), four(4);
  const JudgedNorms norms = with_spikes();
  const std::string expected = sweep_json(sweep(norms, settings, one, ignore), settings);
  EXPECT_EQ(sweep_json(sweep(norms, settings, four, ignore), settings), expected);
  settings.seed = 6;
  EXPECT_NE(sweep_json(sweep(norms, settings, four, ignore), settings), expected);
}

SweepCell cell_of(double z, int64_t caught, double rate, double error) {
  SweepCell cell;
  cell.z = z;
  cell.alpha = 0.97;
  cell.caught = caught;
  cell.shuffled = {rate, rate, rate, error};
  return cell;
}

TEST(Recommend, TakesTheMostSpikesAndThenTheFewestAlarms) {
  Sweep found;
  found.spikes = 5;
  found.cells = {cell_of(1.5, 5, 0.05, 0.001), cell_of(2, 5, 0.021, 0.001),
                 cell_of(2.5, 5, 0.02, 0.001), cell_of(3, 4, 0.03, 0.001),
                 cell_of(4, 4, 0.01, 0.001),   cell_of(5, 0, 0.001, 0.001)};
  recommend(found);
  EXPECT_EQ(found.recommended, (std::vector<size_t>{2, 1}));
  EXPECT_EQ(found.front, (std::vector<size_t>{2, 4, 5}));
}

TEST(Recommend, JudgesByTheWorseOfBothKindsOfCalmNorms) {
  Sweep found;
  found.spikes = 1;
  found.cells = {cell_of(2, 1, 0.01, 0.001), cell_of(3, 1, 0.02, 0.001)};
  found.cells[0].simulated = {0.05, 0.05, 0.05, 0.001};
  recommend(found);
  EXPECT_EQ(found.recommended, std::vector<size_t>{1});
}

TEST(Recommend, SaysNothingWhereNothingIsCaughtOrThereIsNothingToCatch) {
  Sweep found;
  found.cells = {cell_of(2, 0, 0.01, 0.001)};
  recommend(found);
  EXPECT_TRUE(found.recommended.empty());
  EXPECT_TRUE(found.front.empty());
  found.spikes = 3;
  recommend(found);
  EXPECT_TRUE(found.recommended.empty());
}

}  // namespace
}  // namespace ballast
