#include "libcore/guard/interventions.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(Interventions, SurviveJson) {
  const Interventions some = {0.25, 0.3, {{"web", 128}, {"code", 4096}}};
  const auto parsed = parse_interventions(interventions_json(some));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, some);
  EXPECT_EQ(*parse_interventions(interventions_json({})), Interventions());
}

TEST(Interventions, RefuseADamagedState) {
  for (const char* key : {"lr_factor", "clip_cap", "dropped"}) {
    Json json = interventions_json({});
    json.erase(key);
    EXPECT_FALSE(parse_interventions(json).ok()) << key;
  }
  Json json = interventions_json({1, 0, {{"a", 10}, {"b", 20}}});
  std::swap(json["dropped"][0], json["dropped"][1]);
  EXPECT_FALSE(parse_interventions(json).ok());
  json = interventions_json({});
  json["lr_factor"] = -1;
  EXPECT_FALSE(parse_interventions(json).ok());
}

TEST(Interventions, ACapTakesTheSmallerBoundAndKeepsTheRest) {
  EXPECT_EQ(capped_strategy("fixed:1", 0), "fixed:1");
  EXPECT_EQ(capped_strategy("fixed:1", 0.3), "fixed:0.3");
  EXPECT_EQ(capped_strategy("fixed:0.1", 0.3), "fixed:0.1");
  EXPECT_EQ(capped_strategy("none", 0.3), "fixed:0.3");
  const std::string head = "zclip:mode=reciprocal,z=3,alpha=0.97,warmup=25,cap=",
                    tail = ",compat=safe,rewarm=50";
  EXPECT_EQ(capped_strategy(head + "none" + tail, 0.5), head + "0.5" + tail);
  EXPECT_EQ(capped_strategy(head + "0.5" + tail, 2), head + "0.5" + tail);
  const std::string skip = "zskip:loss=6,norm=6,window=128,patience=20,clip=";
  EXPECT_EQ(capped_strategy(skip + "1", 0.5), skip + "0.5");
  EXPECT_EQ(capped_strategy(skip + "none", 0.5), skip + "0.5");
  EXPECT_EQ(capped_strategy("autoclip:p=10,window=10000,rewarm=50", 0.5), "fixed:0.5");
}

}  // namespace
}  // namespace ballast
