#include "libcore/precision/gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ballast {
namespace {

using ::testing::HasSubstr;

TensorSignals healthy() {
  TensorSignals signals;
  signals.values.n = 65536;
  signals.values.sum_x2 = 65536;
  signals.values.sum_x4 = 3 * 65536;
  signals.n_blocks = 512;
  RecipeSignals recipe;
  recipe.recipe = parse_recipe("1x128", "test").value();
  recipe.sqnr_bulk_db = 31.4;
  recipe.baseline_db = 31.5;
  recipe.loss_db = 0.1;
  signals.recipes = {recipe};
  return signals;
}

std::vector<Verdict> judge(const TensorSignals& signals, const Limits& limits,
                           std::vector<int64_t> shape = {256, 256},
                           const std::string& name = "model.layers.0.mlp.up_proj.weight") {
  return judge_tensor(name, "BF16", shape, signals, limits);
}

// The gate's level, or -1 when it was not judged.
int level(const std::vector<Verdict>& verdicts, const std::string& id) {
  for (const Verdict& verdict : verdicts) {
    if (verdict.gate->id == id) return static_cast<int>(verdict.level);
  }
  return -1;
}
constexpr int kPass = 0, kWarn = 1, kFail = 2;

TEST(Gates, PassAHealthyTensorInTheOrderOfTheTable) {
  const Limits limits = default_limits();
  const auto verdicts = judge(healthy(), limits);
  std::vector<std::string> ids;
  for (const Verdict& verdict : verdicts) {
    EXPECT_EQ(verdict.level, Level::pass) << verdict.gate->id;
    EXPECT_FALSE(verdict.gate->origin.empty());
    ids.push_back(verdict.gate->id);
  }
  EXPECT_THAT(ids, ::testing::ElementsAre("G1", "G3", "G4", "G7", "G11", "G18", "G19"));
}

TEST(Gates, EachSignalCrossesItsOwnLimits) {
  const Limits limits = default_limits();
  TensorSignals signals = healthy();
  signals.values.n_nan = 1;
  EXPECT_EQ(level(judge(signals, limits), "G1"), kFail);

  signals = healthy();
  signals.recipes[0].clip_frac = 1e-7;
  EXPECT_EQ(level(judge(signals, limits), "G3"), kWarn);
  signals.recipes[0].clip_frac = 1e-5;
  EXPECT_EQ(level(judge(signals, limits), "G3"), kFail);

  signals.recipes[0].underflow_frac = 0.005;
  EXPECT_EQ(level(judge(signals, limits), "G4"), kPass);
  signals.recipes[0].underflow_frac = 0.006;
  EXPECT_EQ(level(judge(signals, limits), "G4"), kWarn);
  signals.recipes[0].underflow_frac = 0.06;
  EXPECT_EQ(level(judge(signals, limits), "G4"), kFail);
  signals.recipes[0].recipe.format = Fp8Format::e5m2;
  EXPECT_EQ(level(judge(signals, limits), "G4"), -1);

  signals = healthy();
  signals.recipes[0].loss_db = 4;
  EXPECT_EQ(level(judge(signals, limits), "G7"), kWarn);
  signals.recipes[0].loss_db = 7;
  EXPECT_EQ(level(judge(signals, limits), "G7"), kFail);

  signals.values.sum_x4 = 65536 * 101.0;
  EXPECT_EQ(level(judge(signals, limits), "G11"), kWarn);
  signals.values.sum_x4 = 65536 * 1e6;
  EXPECT_EQ(level(judge(signals, limits), "G11"), kWarn);  // growth alone could fail it

  signals.block_spans[16] = 20;  // 3.9 % of 512
  EXPECT_EQ(level(judge(signals, limits), "G18"), kWarn);
  signals.block_spans[18] = 40;
  EXPECT_EQ(level(judge(signals, limits), "G18"), kFail);

  EXPECT_EQ(level(judge(healthy(), limits, {256, 144}), "G19"), kFail);
  signals = healthy();
  signals.recipes[0].recipe.granularity = Granularity::row;
  EXPECT_EQ(level(judge(signals, limits, {256, 144}), "G19"), kPass);
  EXPECT_EQ(level(judge(signals, limits, {256, 145}), "G19"), kFail);
}

TEST(Gates, JudgeOnlyWhatFp8WouldCast) {
  const Limits limits = default_limits();
  EXPECT_EQ(judge(healthy(), limits, {256, 256}, "model.embed_tokens.weight").size(), 1u);
  EXPECT_EQ(judge(healthy(), limits, {256, 256}, "lm_head.weight").size(), 1u);
  EXPECT_EQ(judge(healthy(), limits, {65536}, "model.norm.weight").size(), 1u);
  TensorSignals small = healthy();
  small.values.n = 4095;
  const auto verdicts = judge(small, limits);
  EXPECT_EQ(level(verdicts, "G4"), -1);
  EXPECT_EQ(level(verdicts, "G7"), -1);
  EXPECT_EQ(level(verdicts, "G3"), kPass);
}

TEST(Limits, FileChangesWhatItNames) {
  Limits limits = default_limits();
  auto applied = apply_limits(
      R"({"v":1,"min_values":10,"gates":{"G4":{"warn":0.1,"fail":null,"origin":"run 7"},)"
      R"("G18":{"fail_binades":20}}})",
      "limits.json", limits);
  ASSERT_TRUE(applied.ok()) << applied.error().message();
  EXPECT_EQ(limits.min_values, 10);
  EXPECT_EQ(limits.fail_binades, 20);
  EXPECT_EQ(limits.warn_binades, 15);
  TensorSignals signals = healthy();
  signals.recipes[0].underflow_frac = 0.9;
  const auto verdicts = judge(signals, limits);
  EXPECT_EQ(level(verdicts, "G4"), kWarn);
  for (const Verdict& verdict : verdicts) {
    if (verdict.gate->id != "G4") continue;
    EXPECT_EQ(verdict.gate->origin, "run 7");
    EXPECT_EQ(verdict.limit, 0.1);
  }
}

TEST(Limits, RefusesWhatItDoesNotKnow) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "not an object"},
      {R"({})", "version 'v'"},
      {R"({"v":2})", "version 'v'"},
      {R"({"v":1,"gate":{}})", "unknown key 'gate'"},
      {R"({"v":1,"gates":[]})", "'gates' is not an object"},
      {R"({"v":1,"gates":{"G21":{}}})", "unknown gate 'G21'"},
      {R"({"v":1,"gates":{"G2":{"warn":1}}})", "G2: cannot be judged from weights"},
      {R"({"v":1,"gates":{"G4":{"warm":1}}})", "unknown key or type 'warm'"},
      {R"({"v":1,"gates":{"G4":{"warn":"1"}}})", "'G4.warn' is not a limit"},
      {R"({"v":1,"gates":{"G4":{"warn":-1}}})", "'G4.warn' is not a limit"},
      {R"({"v":1,"gates":{"G4":{"warn_binades":3}}})", "unknown key or type 'warn_binades'"},
      {R"({"v":1,"gates":{"G18":{"warn_binades":0}}})", "'G18.warn_binades' is not a span"},
      {R"({"v":1,"min_values":-1})", "'min_values' is not a count"},
      {R"({"v":1,"v":1})", "limits.json"},
      {R"({"v":1)", "limits.json"},
  };
  for (const auto& [json, message] : cases) {
    Limits limits = default_limits();
    auto applied = apply_limits(json, "limits.json", limits);
    ASSERT_FALSE(applied.ok()) << json;
    EXPECT_EQ(applied.error().kind, ErrorKind::usage) << json;
    EXPECT_THAT(applied.error().message(), HasSubstr(message));
    EXPECT_THAT(applied.error().message(), HasSubstr("limits.json"));
  }
}

}  // namespace
}  // namespace ballast
