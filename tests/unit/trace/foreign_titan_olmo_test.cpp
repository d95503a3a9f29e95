#include <cmath>

#include "libcore/trace/foreign/olmo_core.h"
#include "libcore/trace/foreign/torchtitan.h"
#include "tests/unit/trace/foreign_support.h"

namespace ballast {
namespace {

ReadLog torchtitan(const std::string& text, const ImportOptions& options = {}) {
  return read_log(torchtitan_log(memory_source(text), options).take_value());
}
ReadLog olmo(const std::string& text, const ImportOptions& options = {}) {
  return read_log(olmo_core_log(memory_source(text), options).take_value());
}

// As torchtitan writes it to a terminal.
std::string titan_line(int64_t step, const char* loss, const char* norm, const char* tps = "1,234",
                       const char* clock = "12:00:00,500") {
  return std::string("[titan] 2025-02-11 ") + clock +
         " - root - INFO - \x1b[31mstep: " + (step < 10 ? " " : "") + std::to_string(step) +
         "  \x1b[32mloss: " + loss + "  \x1b[38;2;180;60;0mgrad_norm: " + norm +
         "  \x1b[33mmemory: 12.34GiB(15.60%)  \x1b[34mtps: " + tps +
         "  \x1b[36mtflops: 45.67  \x1b[35mmfu: 12.50%\x1b[39m\n";
}

TEST(TorchtitanLog, ReadsColouredLines) {
  const ReadLog read =
      torchtitan("[titan] 2025-02-11 11:59:00,000 - root - INFO - Training starts at step: 1\n" +
                 titan_line(1, " 12.77955", "14.1134") +
                 "[titan] 2025-02-11 12:00:00,600 - root - INFO - [GC] took 0.07 seconds\n" +
                 titan_line(10, " 7.12345", " 1.2345"));
  ASSERT_EQ(read.steps.size(), 2u);
  EXPECT_EQ(read.steps[0].step, 1);
  EXPECT_EQ(read.steps[0].loss, 12.77955);
  EXPECT_EQ(read.steps[0].grad_norm, 14.1134);
  EXPECT_DOUBLE_EQ(*read.steps[0].mfu, 0.125);
  EXPECT_FALSE(read.steps[0].tokens_per_s);
  EXPECT_EQ(format_time_us(read.steps[0].time_us), "2025-02-11T12:00:00.500000Z");
  EXPECT_EQ(read.steps[1].step, 10);
  EXPECT_EQ(read.notes.records, 2);
  EXPECT_EQ(read.notes.damaged, 0);
  EXPECT_DOUBLE_EQ(read.notes.norm_tick, 1e-4);
  EXPECT_EQ(read.notes.unused, (std::vector<std::string>{"memory", "tps", "tflops"}));
  EXPECT_EQ(read.notes.averaged, "");
}

TEST(TorchtitanLog, WhatEveryRankWritesIsOneRecord) {
  std::string text;
  for (int64_t step : {10, 20, 30})
    for (const char* tps : {"42,332", "42,333", "42,331", "42,332"})
      text += titan_line(step, "2.3367", "0.4648", tps);
  EXPECT_EQ(steps_of(torchtitan(text)), (std::vector<int64_t>{10, 20, 30}));
}

TEST(TorchtitanLog, ARestartGoesBack) {
  std::string text;
  for (int64_t step : {10, 20, 30}) text += titan_line(step, "2.3", "0.4");
  for (int64_t step : {20, 30, 40})
    text += titan_line(step, "2.3", "0.4", "42,000", "13:00:00,000");
  EXPECT_EQ(steps_of(torchtitan(text)), (std::vector<int64_t>{10, 20, 30, 20, 30, 40}));
}

TEST(TorchtitanLog, ReadsValidationAndOtherPrefixes) {
  const ReadLog read = torchtitan(
      "[2026-02-28 14:29:31,026418][I][components/metrics:515:log] step: 40  loss:  4.70528  "
      "grad_norm:  2.4628  lr: 3.00e-03  tps: 1.42e5\n"
      "[rank0]:[titan] 2025-10-30 20:35:20,681 - root - INFO - validate step: 40  loss:  4.5  "
      "memory: 12.34GiB(15.6%)  tps: 1,234\n"
      "global_step: 50 loss: 1.0\nstep:60/100 val_loss:4.5 train_time:7450ms\n");
  ASSERT_EQ(read.steps.size(), 1u);
  EXPECT_EQ(read.steps[0].lr, 3e-3);
  EXPECT_EQ(format_time_us(read.steps[0].time_us), "2026-02-28T14:29:31.026418Z");
  ASSERT_EQ(read.evals.size(), 1u);
  EXPECT_EQ(read.evals[0].step, 40);
  EXPECT_EQ(read.evals[0].loss, 4.5);
}

TEST(TorchtitanLog, CountsDamageAndTakesAMap) {
  const ReadLog read = torchtitan(
      "step: 1  loss: 2.x  grad_norm: 1.0\nstep: 2  loss: nan  "
      "grad_norm: inf\nstep: 3  loss:  2.5  grad_no");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{2}));
  EXPECT_TRUE(std::isnan(*read.steps[0].loss));
  EXPECT_EQ(read.notes.damaged, 1);
  EXPECT_EQ(read.notes.first_damaged, 1);
  EXPECT_TRUE(read.notes.truncated);
  ImportOptions options;
  options.map = {{"grad_norm", "raw_norm"}};
  EXPECT_EQ(torchtitan("step: 1  loss: 2  grad_norm: 1.0  raw_norm: 4.0\n", options)
                .steps.at(0)
                .grad_norm,
            4.0);
  auto log = torchtitan_log(memory_source("step: 1  loss: 2  grad_norm: 1.0\n", "run.log"), options)
                 .take_value();
  TraceRecord record;
  EXPECT_TRUE(log->next(record).ok());
  const Result<bool> end = log->next(record);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().message(), "nothing is called 'raw_norm': run.log (--map grad_norm)");
  options.map = {{"nothing", "x"}};
  EXPECT_FALSE(torchtitan_log(memory_source(""), options).ok());
}

std::string olmo_block(int64_t step, const char* loss, const char* norm,
                       const char* clock = "12:00:00.123") {
  return std::string("2025-02-11 ") + clock +
         "\thost:0\tolmo_core.train.callbacks.console_logger:84\tINFO\t[step=" +
         std::to_string(step) +
         "/10000,epoch=1,eta=1h2m]\n"
         "    optim/LR (group 0)=3.0E-04\n"
         "    optim/step skipped=0.0\n"
         "    optim/total grad norm=" +
         norm +
         "\n"
         "    throughput/device/TPS=14,123\n"
         "    throughput/total tokens=" +
         std::to_string(step) +
         ",194,304\n"
         "    train/CE loss=" +
         loss +
         "\n"
         "    train/PPL=7,123\n";
}

TEST(OlmoCoreLog, ReadsBlocksOfMetrics) {
  const ReadLog read = olmo("starting\n    not/a metric=5\n" + olmo_block(1, "10.96", "0.5541") +
                            "2025-02-11 12:00:01 saving\n" + olmo_block(2, "8.871", "nan"));
  ASSERT_EQ(read.steps.size(), 2u);
  EXPECT_EQ(read.steps[0].step, 1);
  EXPECT_EQ(read.steps[0].loss, 10.96);
  EXPECT_EQ(read.steps[0].grad_norm, 0.5541);
  EXPECT_EQ(read.steps[0].lr, 3e-4);
  EXPECT_EQ(read.steps[0].tokens, 1194304);
  EXPECT_FALSE(read.steps[0].skipped);
  EXPECT_EQ(format_time_us(read.steps[0].time_us), "2025-02-11T12:00:00.123000Z");
  EXPECT_TRUE(std::isnan(*read.steps[1].grad_norm));
  EXPECT_EQ(read.notes.records, 2);
  EXPECT_DOUBLE_EQ(read.notes.norm_tick, 1e-4);
  EXPECT_EQ(read.notes.unused, (std::vector<std::string>{"throughput/device/TPS", "train/PPL"}));
}

TEST(OlmoCoreLog, ReadsEvaluationsSkippedStepsAndShortNumbers) {
  const ReadLog read = olmo(
      "[2024-04-17 09:42:26] INFO     [olmo.train:816, rank=0] [step=100/739328]\n"
      "[rank0]:    train/CrossEntropyLoss=3.25\n"
      "    optim/total_grad_norm=1,234.5\n"
      "    optim/step skipped=1.0\n"
      "    throughput/total_tokens=4.2M\n"
      "    eval/lm/c4_en-validation/CE loss=3.5\n"
      "    eval/lm/c4_en-validation/PPL=33.1\n"
      "    eval/lm/pile-validation/CE loss=2.5\n");
  ASSERT_EQ(read.steps.size(), 1u);
  EXPECT_EQ(read.steps[0].loss, 3.25);
  EXPECT_EQ(format_time_us(read.steps[0].time_us), "2024-04-17T09:42:26.000000Z");
  EXPECT_EQ(read.steps[0].grad_norm, 1234.5);
  EXPECT_TRUE(read.steps[0].skipped);
  EXPECT_FALSE(read.steps[0].skip_reason.empty());
  EXPECT_EQ(read.steps[0].tokens, 4200000);
  ASSERT_EQ(read.evals.size(), 2u);
  EXPECT_EQ(read.evals[0].set, "c4_en-validation");
  EXPECT_EQ(read.evals[0].loss, 3.5);
  EXPECT_EQ(read.evals[0].perplexity, 33.1);
  EXPECT_EQ(read.evals[1].set, "pile-validation");
  EXPECT_EQ(read.evals[1].step, 100);
}

TEST(OlmoCoreLog, ARestartGoesBackAndTheTornEndIsLeftOut) {
  std::string text;
  for (int64_t step : {1, 2, 3}) text += olmo_block(step, "2.5", "0.5");
  for (int64_t step : {2, 3}) text += olmo_block(step, "2.5", "0.5", "13:00:00.000");
  const ReadLog read = olmo(text +
                            "[step=4/10,epoch=1]\n    train/CE loss=2.\n"
                            "    optim/total grad norm=x\n    optim/LR (group 0)=3.0E-0");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2, 3, 2, 3, 4}));
  EXPECT_FALSE(read.steps[5].lr);
  EXPECT_EQ(read.notes.damaged, 1);
  EXPECT_TRUE(read.notes.truncated);
}

}  // namespace
}  // namespace ballast
