#include "libcore/trace/foreign/column_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ballast {
namespace {

ColumnMap mapped(std::vector<std::pair<std::string, std::string>> pairs = {}) {
  ImportOptions options;
  options.map = std::move(pairs);
  return ColumnMap::make(options).take_value();
}

std::string field_of(std::string_view column, const ColumnMap& map = mapped()) {
  const ColumnTarget target = map.target_of(column);
  return target.kind == ColumnKind::field ? std::string(target.field->name) : "";
}

TEST(ColumnMap, KnowsTheNamesThatTrainersWrite) {
  for (const char* name : {"loss", "train/loss", "train_loss", "lm loss", "lm_loss",
                           "train/CE loss", "loss_metrics/global_avg_loss", "loss/train/total"})
    EXPECT_EQ(field_of(name), "loss") << name;
  for (const char* name : {"grad_norm", "grad-norm", "train/grad_norm", "optim/total grad norm",
                           "optim/total_grad_norm", "l2_norm/grad/global", "grad_2.0_norm_total"})
    EXPECT_EQ(field_of(name), "grad_norm") << name;
  for (const char* name : {"lr", "learning-rate", "train/learning_rate", "optim/LR (group 0)",
                           "optim/learning_rate_group0", "lr-AdamW", "lr-AdamW/pg1"})
    EXPECT_EQ(field_of(name), "lr") << name;
  EXPECT_EQ(field_of("params-norm"), "param_norm");
  EXPECT_EQ(field_of("throughput/total_tokens"), "tokens");
  EXPECT_EQ(field_of("clip_threshold"), "clip_threshold");
  for (const char* name : {"_step", "Step", "iter", "iteration", "global_step", "train/global_step",
                           "trainer/global_step"})
    EXPECT_EQ(mapped().target_of(name).kind, ColumnKind::step) << name;
  EXPECT_EQ(mapped().target_of("_timestamp").kind, ColumnKind::unix_seconds);
  EXPECT_EQ(mapped().target_of("_runtime").kind, ColumnKind::elapsed_seconds);
}

TEST(ColumnMap, LeavesOutWhatIsNotOfTheWholeRunOrNotOfSteps) {
  for (const char* name :
       {"lm loss vs samples", "grad-norm vs samples", "throughput(tps)", "loss-scale", "segment",
        "source_loss", "epoch", "ppl", "perplexity", "", "_"})
    EXPECT_EQ(mapped().target_of(name).kind, ColumnKind::unused) << name;
}

TEST(ColumnMap, TellsTheHeldOutSetsApart) {
  const auto set_of = [](std::string_view name) {
    const ColumnTarget target = mapped().target_of(name);
    return target.kind == ColumnKind::eval_loss         ? "loss:" + target.set
           : target.kind == ColumnKind::eval_perplexity ? "ppl:" + target.set
                                                        : "";
  };
  EXPECT_EQ(set_of("val/loss"), "loss:");
  EXPECT_EQ(set_of("eval_loss"), "loss:");
  EXPECT_EQ(set_of("lm loss validation"), "loss:");
  EXPECT_EQ(set_of("lm loss validation ppl"), "ppl:");
  EXPECT_EQ(set_of("eval_c4_loss"), "loss:c4");
  EXPECT_EQ(set_of("eval/lm/c4_en-validation/CE loss"), "loss:c4_en-validation");
  EXPECT_EQ(set_of("eval/pile/CrossEntropyLoss"), "loss:pile");
  EXPECT_EQ(set_of("val/perplexity"), "ppl:");
  EXPECT_EQ(set_of("evaluation_time"), "");
  EXPECT_EQ(set_of("validate"), "");
}

TEST(ColumnMap, TheBestColumnOfATableCountsAndTheOthersDoNot) {
  const std::vector<std::string> names = {"_step", "train/global_step", "loss", "lm loss", "step"};
  const auto targets = mapped().resolve(names, "run.csv").take_value();
  EXPECT_EQ(targets[0].kind, ColumnKind::unused);
  EXPECT_EQ(targets[1].kind, ColumnKind::step);
  EXPECT_EQ(targets[2].kind, ColumnKind::unused);
  EXPECT_EQ(targets[3].kind, ColumnKind::field);
  EXPECT_EQ(targets[4].kind, ColumnKind::unused);
}

TEST(ColumnMap, TwoEquallyGoodColumnsAreAnErrorUnlessABetterOneFollows) {
  const std::vector<std::string> two = {"step", "train/loss", "train_loss"};
  const auto refused = mapped().resolve(two, "run.csv");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_EQ(refused.error().message(),
            "both 'train/loss' and 'train_loss' could be loss: run.csv "
            "(say which with --map loss=COLUMN)");
  const std::vector<std::string> three = {"step", "train/loss", "train_loss", "lm loss"};
  EXPECT_TRUE(mapped().resolve(three, "run.csv").ok());
  const auto chosen = mapped({{"loss", "train_loss"}}).resolve(two, "run.csv").take_value();
  EXPECT_EQ(chosen[1].kind, ColumnKind::unused);
  EXPECT_EQ(chosen[2].kind, ColumnKind::field);
}

TEST(ColumnMap, WhatIsMappedGoesBeforeTheTable) {
  const ColumnMap map = mapped({{"loss", "my loss"}, {"step", "epoch"}, {"time", "clock"}});
  EXPECT_EQ(field_of("my loss", map), "loss");
  EXPECT_EQ(field_of("loss", map), "");
  EXPECT_EQ(map.target_of("epoch").kind, ColumnKind::step);
  EXPECT_EQ(map.target_of("step").kind, ColumnKind::unused);
  EXPECT_EQ(map.target_of("clock").kind, ColumnKind::unix_seconds);
  const auto missing = map.resolve(std::vector<std::string>{"epoch", "clock"}, "a.csv");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().message(), "no column 'my loss': a.csv (it has 'epoch', 'clock')");
}

TEST(ColumnMap, RefusesAMapThatMeansNothing) {
  const auto refuse = [](std::vector<std::pair<std::string, std::string>> pairs) {
    ImportOptions options;
    options.map = std::move(pairs);
    const auto map = ColumnMap::make(options);
    EXPECT_FALSE(map.ok());
    return map.ok() ? "" : map.error().what;
  };
  EXPECT_EQ(refuse({{"lose", "x"}}), "'lose' is nothing that a column can be mapped to");
  EXPECT_EQ(refuse({{"segment", "x"}}), "'segment' is nothing that a column can be mapped to");
  EXPECT_EQ(refuse({{"loss", "x"}, {"lr", "x"}}), "column 'x' is mapped twice");
  EXPECT_EQ(refuse({{"loss", "x"}, {"loss", "y"}}), "two columns are mapped to loss");
}

TEST(ColumnMap, FieldsTakeNumbersAndWords) {
  StepRecord record;
  const auto field = [](std::string_view name) { return *mapped().target_of(name).field; };
  set_field(record, field("tokens"), 1e6 + 0.6);
  EXPECT_EQ(record.tokens, 1000001);
  set_field(record, field("tokens"), std::nan(""));
  EXPECT_EQ(record.tokens, 1000001);
  set_field(record, field("tokens"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(record.tokens, 1000001);
  set_field(record, field("n_valid"), "1,024");
  EXPECT_EQ(record.n_valid, 1024);
  set_field(record, field("loss"), "NaN");
  EXPECT_TRUE(std::isnan(*record.loss));
  set_field(record, field("skipped"), "True");
  EXPECT_TRUE(record.skipped);
  set_field(record, field("skipped"), 0.0);
  EXPECT_FALSE(record.skipped);
  set_field(record, field("phase"), " cooldown ");
  EXPECT_EQ(record.phase, "cooldown");
  set_field(record, mapped().target_of("mfu(%)"), 41.5);
  EXPECT_DOUBLE_EQ(*record.mfu, 0.415);
  set_field(record, mapped().target_of("iteration-time"), 2.5);
  EXPECT_EQ(*record.step_ms, 2500);
}

TEST(NumberIn, ReadsWhatPeopleAndTrainersWrite) {
  EXPECT_EQ(number_in("1.234567E-04"), 1.234567e-4);
  EXPECT_EQ(number_in(" -2.5 "), -2.5);
  EXPECT_EQ(number_in("+3"), 3);
  EXPECT_EQ(number_in("1,234"), 1234);
  EXPECT_EQ(number_in("-12,345,678.5"), -12345678.5);
  EXPECT_EQ(number_in("15.6%"), 15.6);
  EXPECT_TRUE(std::isnan(*number_in("NaN")));
  EXPECT_EQ(number_in("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(number_in("inf"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(number_in("1e999"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(number_in("1e-999"), 0);
  for (const char* text :
       {"", " ", "x", "1x", "1,23", "1,2345", ",123", "1,234,5", "1.5,000", "--1", "+-1", "++1",
        "0x10", "%", "1 2", "12,34,567", "0,123", "1e", "."})
    EXPECT_EQ(number_in(text), std::nullopt) << text;
}

TEST(TimeIn, ReadsSecondsMillisecondsAndDates) {
  EXPECT_EQ(time_us_in("1700000000.25"), 1700000000250000);
  EXPECT_EQ(time_us_in("1700000000250"), 1700000000250000);
  EXPECT_EQ(time_us_in("2023-11-14T22:13:20Z"), 1700000000000000);
  EXPECT_EQ(time_us_in("2023-11-14 22:13:20.250000"), 1700000000250000);
  EXPECT_EQ(time_us_in("2023-11-14T23:13:20+01:00"), 1700000000000000);
  for (const char* text : {"", "x", "nan", "-5", "0", "1e30", "2023-11-14", "2023-13-14 00:00:00"})
    EXPECT_EQ(time_us_in(text), std::nullopt) << text;
}

}  // namespace
}  // namespace ballast
