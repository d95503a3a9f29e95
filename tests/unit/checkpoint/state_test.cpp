#include "libcore/checkpoint/state.h"

#include <gtest/gtest.h>

#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

TEST(TrainState, KeepsEveryDoubleToTheBit) {
  const TrainState state = tiny_train_state(7);
  const auto parsed = parse_state(state_text(state), "state.json");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(*parsed, state);
  EXPECT_EQ(parsed->clipper.at("mean").get<double>(), 0.1 + 0.2);
  EXPECT_EQ(parsed->guard.at("loss")[0].get<double>(), 5e-324);
}

TEST(TrainState, RefusesWhatItWouldOtherwiseDrop) {
  std::string text = state_text(tiny_train_state(7));
  text.insert(1, "\"fp8_scales\": {},");
  const auto parsed = parse_state(text, "state.json");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().message(), "unknown key 'fp8_scales': state.json");
}

TEST(TrainState, RefusesNonsense) {
  const std::string good = state_text(tiny_train_state(7));
  const auto replaced = [&](const std::string& what, const std::string& with) {
    std::string text = good;
    text.replace(text.find(what), what.size(), with);
    return parse_state(text, "s");
  };
  ASSERT_TRUE(parse_state(good, "s").ok());
  EXPECT_FALSE(replaced("\"step\": 7", "\"step\": -7").ok());
  EXPECT_FALSE(replaced("\"step\": 7", "\"step\": 7.5").ok());
  EXPECT_FALSE(replaced("\"step\": 7", "\"step\": 9223372036854775807").ok());
  EXPECT_FALSE(replaced("\"version\": 1", "\"version\": 2").ok());
  EXPECT_FALSE(replaced("24", "16").ok());  // an empty skip range
  EXPECT_FALSE(replaced("\"sampler\": {}", "\"sampler\": []").ok());
}

TEST(SkipRanges, JoinWhatTouches) {
  std::vector<SkipRange> ranges;
  add_skip_range(ranges, {10, 20});
  add_skip_range(ranges, {30, 40});
  add_skip_range(ranges, {5, 5});  // empty
  EXPECT_EQ(ranges, (std::vector<SkipRange>{{10, 20}, {30, 40}}));
  add_skip_range(ranges, {0, 3});
  add_skip_range(ranges, {20, 25});
  EXPECT_EQ(ranges, (std::vector<SkipRange>{{0, 3}, {10, 25}, {30, 40}}));
  add_skip_range(ranges, {24, 31});
  EXPECT_EQ(ranges, (std::vector<SkipRange>{{0, 3}, {10, 40}}));
  EXPECT_TRUE(are_skip_ranges_sorted(ranges));
  EXPECT_FALSE(are_skip_ranges_sorted({{0, 3}, {3, 5}}));
  EXPECT_FALSE(are_skip_ranges_sorted({{-1, 3}}));
}

TEST(StateDifferences, NameFieldsByPath) {
  const TrainState a = tiny_train_state(7);
  TrainState b = a;
  EXPECT_TRUE(state_differences(a, b).empty());
  b.clipper["mean"] = 0.5;
  b.config.erase("lr");
  b.sampler["epoch"] = 2;
  const auto differences = state_differences(a, b);
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[0].field, "sampler.epoch");
  EXPECT_EQ(differences[0].a, "");
  EXPECT_EQ(differences[1].field, "clipper.mean");
  EXPECT_EQ(differences[1].b, "0.5");
  EXPECT_EQ(differences[2].field, "config.lr");
  EXPECT_EQ(differences[2].b, "");
}

}  // namespace
}  // namespace ballast
