#include <charconv>
#include <cmath>

#include "libcore/trace/foreign/console.h"
#include "libcore/trace/foreign/llmc.h"
#include "libcore/trace/foreign/megatron.h"
#include "tests/unit/trace/foreign_support.h"

namespace ballast {
namespace {

ReadLog llmc(const std::string& text) {
  return read_log(llmc_log(memory_source(text), {}).take_value());
}
ReadLog megatron(const std::string& text) {
  return read_log(megatron_log(memory_source(text), {}).take_value());
}

TEST(ReadNumber, IsWhatFromCharsGives) {
  uint64_t state = 1;
  const auto random = [&state](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  for (int i = 0; i < 200000; ++i) {
    std::string text = std::to_string(random(1u << random(31)));
    if (random(4) != 0) text += "." + std::to_string(random(1u << random(31)));
    if (random(8) == 0) text = "0.0000" + text.substr(text.find('.') + 1);
    if (random(8) == 0) text += "e-" + std::to_string(random(30));
    if (random(8) == 0) text += random(2) == 0 ? " x" : "x";
    double expected = 0, value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), expected);
    ASSERT_EQ(code, std::errc());
    EXPECT_EQ(read_number(text, value), static_cast<size_t>(end - text.data())) << text;
    EXPECT_EQ(value, expected) << text;
  }
  double value = 0;
  for (const char* text : {"", ".", "-", "x", " 1", "e5"}) EXPECT_EQ(read_number(text, value), 0u);
  EXPECT_EQ(read_number("1.", value), 2u);
  EXPECT_EQ(read_number("1.2.3", value), 3u);
  EXPECT_EQ(value, 1.2);
}

TEST(LlmcLog, ReadsStepsLossesAndAccuracies) {
  const ReadLog read = llmc(
      "s:0 tel:11.0095\ns:0 trl:11.0116 lr:0.000001 norm:14.96\n"
      "s:1 trl:10.9586 lr:0.000600 norm:0.18\ns:250 tel:6.1565\ns:250 eval:0.2437\n");
  ASSERT_EQ(read.records.size(), 5u);
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(read.steps[0].loss, 11.0116);
  EXPECT_EQ(read.steps[0].lr, 0.000001);
  EXPECT_EQ(read.steps[0].grad_norm, 14.96);
  EXPECT_EQ(read.steps[1].grad_norm, 0.18);
  ASSERT_EQ(read.evals.size(), 3u);
  EXPECT_EQ(read.evals[0].loss, 11.0095);
  EXPECT_EQ(read.evals[1].step, 250);
  EXPECT_EQ(read.evals[2].set, "hellaswag");
  EXPECT_FALSE(read.evals[2].loss);
  EXPECT_EQ(read.evals[2].details.at("accuracy"), 0.2437);
  EXPECT_EQ(read.notes.records, 5);
  EXPECT_EQ(read.notes.damaged, 0);
  EXPECT_FALSE(read.notes.truncated);
}

TEST(LlmcLog, SaysThatTheNormHasTwoDecimals) {
  EXPECT_EQ(llmc("s:1 trl:2.5 lr:0.1 norm:0.20\n").notes.norm_tick, 0.01);
  EXPECT_EQ(llmc("s:250 tel:6.1565\n").notes.norm_tick, 0);
}

TEST(LlmcLog, GoesBackWhereTheRunWasResumed) {
  const ReadLog read = llmc(
      "s:1 trl:3.0 lr:0.1 norm:1.00\ns:2 trl:2.9 lr:0.1 norm:1.00\ns:3 trl:2.8 lr:0.1 norm:1.0\n"
      "s:2 trl:2.9 lr:0.1 norm:1.00\ns:3 trl:2.8 lr:0.1 norm:1.0\n");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2, 3, 2, 3}));
}

TEST(LlmcLog, LeavesOutTheTornLastLineAndCountsDamage) {
  const ReadLog read = llmc(
      "starting\ns:1 trl:nan lr:0.1 norm:inf\r\ns:2 trl:x lr:0.1 norm:1.0\ns:-1 trl:2.0\ns:4\n"
      "s:5 trl:2.5000 lr:0.1 nor");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1}));
  EXPECT_TRUE(std::isnan(*read.steps[0].loss));
  EXPECT_TRUE(std::isinf(*read.steps[0].grad_norm));
  EXPECT_EQ(read.notes.damaged, 3);
  EXPECT_EQ(read.notes.first_damaged, 3);
  EXPECT_TRUE(read.notes.truncated);
}

TEST(LlmcLog, RefusesNamesForWhichItHasNoPlace) {
  ImportOptions options;
  options.map = {{"loss", "x"}};
  const auto open = [&options](auto log) {
    const auto opened = log(memory_source("", "main.log"), options);
    return opened.ok() ? "" : opened.error().message();
  };
  EXPECT_EQ(open(llmc_log),
            "the names in this log are fixed: main.log (--map is for tables and JSON)");
  EXPECT_EQ(open(megatron_log), open(llmc_log));
  options = {};
  options.run_name = "run7";
  EXPECT_EQ(open(llmc_log),
            "this log is of one run: main.log (--run-name is for files of "
            "several runs)");
  EXPECT_EQ(open(megatron_log), open(llmc_log));
}

// Megatron-LM of today, written as its training log puts the fields together.
std::string current_line(int64_t step, double loss, double norm,
                         const std::string& time = "2025-01-31 12:00:00.250000") {
  char line[1024];
  std::snprintf(line, sizeof line,
                " [%s] iteration %8d/%8d | consumed samples: %12d | elapsed time per iteration "
                "(ms): %.1f | throughput per GPU (TFLOP/s/GPU): %.1f | learning rate: %E | global "
                "batch size: %5d | lm loss: %E | loss scale: %.1f | grad norm: %.3f | num zeros: "
                "%d | params norm: %.3f | number of skipped iterations: %3d | number of nan "
                "iterations: %3d |\n",
                time.c_str(), static_cast<int>(step), 1000, static_cast<int>(step * 16), 837.6,
                400.1, 1.5e-4, 16, loss, 1.0, norm, 12, 345.678, 0, 0);
  return line;
}

TEST(MegatronLog, ReadsTheFieldsOfMegatronLm) {
  const ReadLog read = megatron("using world size: 8\n" + current_line(10, 9.25, 2.285) +
                                current_line(20, 8.5, 1.5));
  ASSERT_EQ(read.steps.size(), 2u);
  const StepRecord& step = read.steps[0];
  EXPECT_EQ(step.step, 10);
  EXPECT_EQ(step.samples, 160);
  EXPECT_EQ(step.tokens, 0);
  EXPECT_EQ(step.step_ms, 837.6);
  EXPECT_EQ(step.lr, 1.5e-4);
  EXPECT_EQ(step.loss, 9.25);
  EXPECT_EQ(step.grad_norm, 2.285);
  EXPECT_EQ(step.param_norm, 345.678);
  EXPECT_EQ(format_time_us(step.time_us), "2025-01-31T12:00:00.250000Z");
  EXPECT_FALSE(step.tokens_per_s);
  EXPECT_EQ(read.notes.averaged, "loss over 10 iterations");
  EXPECT_DOUBLE_EQ(read.notes.norm_tick, 0.001);
  EXPECT_EQ(read.notes.unused, (std::vector<std::string>{"throughput per GPU (TFLOP/s/GPU)",
                                                         "loss scale", "num zeros"}));
}

// The shape of BLOOM's lines, with its spike's height.
std::string bloom_line(int64_t step, const char* loss, const char* norm, int rank = 7) {
  return "[default" + std::to_string(rank) + "]: iteration    " + std::to_string(step) +
         "/  115311 | consumed samples:     47768496 | consumed tokens:  97829879808 | elapsed "
         "time per iteration (s): 106.46 | learning rate: 5.279E-05 | global batch size:  2048 | "
         "lm loss: " +
         loss + " | grad norm: " + norm +
         " | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 | "
         "samples per second: 19.238 | TFLOPs: 147.29 |\n";
}

TEST(MegatronLog, ReadsTheFieldsOfMegatronDeepSpeed) {
  const ReadLog read = megatron(bloom_line(31214, "2.198845E+00", "0.242") +
                                bloom_line(31215, "2.220424E+00", "0.947") +
                                bloom_line(31216, "2.600000E+00", "960.125"));
  ASSERT_EQ(read.steps.size(), 3u);
  EXPECT_EQ(read.steps[0].tokens, 97829879808);
  EXPECT_EQ(read.steps[0].samples, 47768496);
  EXPECT_EQ(read.steps[0].step_ms, 106460);
  EXPECT_EQ(read.steps[0].lr, 5.279e-5);
  EXPECT_EQ(read.steps[2].loss, 2.6);
  EXPECT_EQ(read.steps[2].grad_norm, 960.125);
  EXPECT_EQ(read.notes.averaged, "");
}

TEST(MegatronLog, WhatSeveralRanksRepeatIsOneRecord) {
  std::string text;
  for (int64_t step = 1; step <= 4; ++step)
    for (int rank = 0; rank < 4; ++rank)
      text += bloom_line(step, step % 2 != 0 ? "2.5E+00" : "2.4E+00", "0.242", rank);
  EXPECT_EQ(steps_of(megatron(text)), (std::vector<int64_t>{1, 2, 3, 4}));
  // One rank a step behind.
  EXPECT_EQ(steps_of(megatron(bloom_line(1, "2.5", "0.2", 0) + bloom_line(2, "2.4", "0.2", 0) +
                              bloom_line(1, "2.5", "0.2", 1) + bloom_line(2, "2.4", "0.2", 1))),
            (std::vector<int64_t>{1, 2}));
}

TEST(MegatronLog, ARestartGoesBackAlsoWhenItComputesTheSame) {
  std::string text;
  for (int64_t step : {1, 2, 3, 4, 2, 3, 4, 5})
    text += bloom_line(step, step % 2 != 0 ? "2.5E+00" : "2.4E+00", "0.242");
  EXPECT_EQ(steps_of(megatron(text)), (std::vector<int64_t>{1, 2, 3, 4, 2, 3, 4, 5}));
  text.clear();
  for (int64_t hour : {10, 11})
    for (int64_t step : {1, 2, 3})
      text += current_line(step, 2.5, 1.0, "2025-01-31 " + std::to_string(hour) + ":00:00");
  EXPECT_EQ(steps_of(megatron(text)), (std::vector<int64_t>{1, 2, 3, 1, 2, 3}));
}

// Every width at which a terminal may break the lines.
TEST(MegatronLog, PutsBrokenLinesTogether) {
  const std::string text = bloom_line(31214, "2.198845E+00", "0.242") +
                           bloom_line(31215, "2.220424E+00", "0.947") +
                           bloom_line(31216, "2.600000E+00", "960.125");
  for (size_t width = 80; width < 400; ++width) {
    std::string broken;
    size_t column = 0;
    for (const char c : text) {
      if (c != '\n' && column == width) {
        broken += '\n';
        column = 0;
      }
      broken += c;
      column = c == '\n' ? 0 : column + 1;
    }
    const ReadLog read = megatron(broken);
    ASSERT_EQ(read.steps.size(), 3u) << width;
    EXPECT_EQ(read.steps[1].loss, 2.220424) << width;
    EXPECT_EQ(read.steps[1].grad_norm, 0.947) << width;
    EXPECT_EQ(read.steps[1].lr, 5.279e-5) << width;
    EXPECT_EQ(read.steps[2].grad_norm, 960.125) << width;
    EXPECT_EQ(read.notes.damaged, 0) << width;
  }
}

TEST(MegatronLog, TwoRecordsOnOneLineAreTwo) {
  std::string first = bloom_line(1, "2.5E+00", "0.2");
  first.pop_back();
  const ReadLog read = megatron(first + bloom_line(2, "2.4E+00", "0.3"));
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2}));
  const ReadLog cut = megatron(first.substr(0, first.find("loss:")) +
                               bloom_line(2, "2.4E+00", "0.3") + bloom_line(3, "2.4", "0.3"));
  EXPECT_EQ(steps_of(cut), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(cut.notes.damaged, 1);
  EXPECT_EQ(cut.notes.first_damage, "the record of an iteration breaks off");
}

TEST(MegatronLog, ColourCodesCarriageReturnsAndOtherLinesDoNotMatter) {
  std::string text = bloom_line(1, "2.5E+00", "0.2");
  text.insert(text.find("lm loss"), "\x1b[31m");
  text.insert(text.find(" | grad"), "\x1b[0m");
  text.insert(text.size() - 1, "\r");
  const ReadLog read = megatron(
      "progress 1%\rprogress 2%\r" + text + "time (ms) | forward: 12.3 | optimizer: 4.5\n" +
      bloom_line(2, "2.4E+00", "0.3") + "WARNING: a | b in another program\n");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(read.steps[0].loss, 2.5);
  EXPECT_EQ(read.notes.damaged, 0);
}

TEST(MegatronLog, ReadsHeldOutLosses) {
  const ReadLog read = megatron(
      current_line(50, 9.25, 1.0) +
      "------------------------------------------------\n"
      " validation loss at iteration 50 | lm loss value: 8.889540E+00 | lm loss PPL: "
      "7.255679E+03 | \n"
      "------------------------------------------------\n"
      "[default7]: valid loss at iteration 60 | lm loss value: 8.5 | lm loss PPL: 4.9E+03 | \n"
      " validation loss at iteration 70 on test set | lm loss value: 8.25 | lm loss PPL: 4E+03 |\n"
      " validation loss at iteration 70 [hplt] | lm loss value: 1.5 | other value: 3\n" +
      current_line(80, 9.0, 1.0) +
      " validation loss at the end of training for test data | lm loss value: 8.0 | lm loss PPL: "
      "3E+03 | \n");
  ASSERT_EQ(read.evals.size(), 5u);
  EXPECT_EQ(read.evals[0].step, 50);
  EXPECT_EQ(read.evals[0].loss, 8.88954);
  EXPECT_EQ(read.evals[0].perplexity, 7255.679);
  EXPECT_EQ(read.evals[0].set, "");
  EXPECT_EQ(read.evals[0].time_us, read.steps[0].time_us);
  EXPECT_EQ(read.evals[1].step, 60);
  EXPECT_EQ(read.evals[2].set, "test");
  EXPECT_EQ(read.evals[3].set, "hplt");
  EXPECT_EQ(read.evals[4].step, 80);
  EXPECT_EQ(read.evals[4].set, "test");
  EXPECT_EQ(read.records[1].type, RecordType::eval);
}

TEST(MegatronLog, SkippedAndNanIterationsAndNewBatchSizesAreTold) {
  std::string skipped = bloom_line(2, "2.4E+00", "0.3");
  skipped.replace(skipped.find("lm loss"), skipped.find("grad norm") - skipped.find("lm loss"), "");
  skipped.replace(skipped.find("skipped iterations:   0"), 23, "skipped iterations:   1");
  skipped.replace(skipped.find("nan iterations:   0"), 19, "nan iterations:   1");
  std::string some = bloom_line(3, "2.4E+00", "0.3");
  some.replace(some.find("skipped iterations:   0"), 23, "skipped iterations:   2");
  some.replace(some.find("size:  2048"), 11, "size:  4096");
  const ReadLog read = megatron(bloom_line(1, "2.5", "0.2") + skipped + some);
  ASSERT_EQ(read.steps.size(), 3u);
  EXPECT_TRUE(read.steps[1].skipped);
  EXPECT_FALSE(read.steps[1].loss);
  EXPECT_FALSE(read.steps[2].skipped);
  ASSERT_EQ(read.events.size(), 3u);
  EXPECT_EQ(read.events[0].event, "nan");
  EXPECT_EQ(read.events[0].step, 2);
  EXPECT_EQ(read.events[1].event, "batch_size");
  EXPECT_EQ(read.events[1].details.at("to_samples"), 4096);
  EXPECT_EQ(read.events[2].event, "skip");
  // The new batch size stands before the step that has it.
  EXPECT_EQ(read.records[3].type, RecordType::event);
  EXPECT_EQ(read.records[4].type, RecordType::step);
  for (const EventRecord& event : read.events) EXPECT_TRUE(is_event_name(event.event));
}

TEST(MegatronLog, CheckpointsAreEvents) {
  const ReadLog read =
      megatron(" successfully loaded checkpoint from /ckpt at iteration 100 [ t 1/2, p 1/1 ]\n" +
               current_line(110, 9.25, 1.0) + "saving checkpoint at iteration     110 to /ckpt\n" +
               "saving checkpoint at iteration     110 to /ckpt\n" +
               "  successfully saved checkpoint at iteration     110 to /ckpt\n");
  ASSERT_EQ(read.events.size(), 2u);
  EXPECT_EQ(read.events[0].event, "resume");
  EXPECT_EQ(read.events[0].step, 100);
  EXPECT_EQ(read.events[1].event, "checkpoint");
  EXPECT_EQ(read.events[1].step, 110);
}

TEST(MegatronLog, CountsFieldsThatAreNoNumbersAndTheTornEnd) {
  const ReadLog read = megatron(bloom_line(1, "2.5", "0.2") + bloom_line(2, "2.x5", "0.2") +
                                bloom_line(3, "nan", "inf") + bloom_line(4, "2.5", "None") +
                                bloom_line(5, "2.5", "0.2").substr(0, 200));
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 3, 4}));
  EXPECT_TRUE(std::isnan(*read.steps[1].loss));
  EXPECT_FALSE(read.steps[2].grad_norm);
  EXPECT_EQ(read.notes.damaged, 1);
  EXPECT_EQ(read.notes.first_damaged, 2);
  EXPECT_TRUE(read.notes.truncated);
}

}  // namespace
}  // namespace ballast
