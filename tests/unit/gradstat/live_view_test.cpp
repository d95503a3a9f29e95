#include "tools/gradstat/live_view.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ballast {
namespace {

TraceRecord step_record(int64_t step, int64_t segment, int64_t time_us) {
  TraceRecord record;
  record.type = RecordType::step;
  record.step.segment = segment;
  record.step.step = step;
  record.step.tokens = step * 1000;
  record.step.time_us = time_us;
  record.step.loss = 2.5;
  record.step.grad_norm = 1;
  record.step.lr = 0.001;
  return record;
}

TraceRecord run_record(int64_t segment, std::optional<int64_t> parent_step) {
  TraceRecord record;
  record.type = RecordType::run;
  record.run.segment = segment;
  record.run.run = "tiny";
  record.run.total_tokens = 1'000'000;
  if (parent_step) record.run.parent = segment - 1;
  record.run.parent_step = parent_step;
  return record;
}

constexpr int64_t kStart = 1'700'000'000'000'000;

TEST(FitScreen, CutsByColumnsAndNotByBytesAndEndsColours) {
  EXPECT_EQ(fit_screen("a\u2502b\u2502c\nlong line\nthird\n", 4, 2), "a\u2502b\u2502\nlong\n");
  EXPECT_EQ(fit_screen("\x1b[31mred and more\x1b[0m\n", 3, 5), "\x1b[31mred\x1b[0m\n");
  EXPECT_EQ(fit_screen("\x1b[31mred\nplain\n", 9, 5), "\x1b[31mred\x1b[0m\nplain\n");
}

TEST(LiveViewTest, SaysWhereTheRunIsAndHowLongItStillTakes) {
  LiveView view;
  EXPECT_NE(view.draw(80, 24, 0).find("waiting"), std::string::npos);
  view.take(run_record(0, {}));
  // Two steps a second, 2000 tokens a second: 900 steps of 1000 tokens are left.
  for (int64_t n = 1; n <= 100; ++n) view.take(step_record(n, 0, kStart + n * 500'000));
  const std::string text = view.draw(100, 24, 0);
  EXPECT_TRUE(text.starts_with("tiny  step 100  100K tokens (10.0 %)\n")) << text;
  EXPECT_NE(text.find("2 steps/s  2K tokens/s  eta 7m30s"), std::string::npos) << text;
  EXPECT_EQ(text.find("silent"), std::string::npos);
  EXPECT_NE(view.draw(100, 24, 75).find("silent for"), std::string::npos);
}

TEST(LiveViewTest, NeverDrawsMoreThanTheScreenHas) {
  LiveView view;
  view.take(run_record(0, {}));
  for (int64_t n = 1; n <= 300; ++n) view.take(step_record(n, 0, kStart + n));
  for (int k = 0; k < 20; ++k) view.add_alarm({"onset", "loss", 0, 10 + k, 3, 7, 2, "an alarm"});
  for (const int rows : {3, 8, 17, 50})
    for (const int columns : {20, 61, 200}) {
      const std::string text = view.draw(columns, rows, 0);
      EXPECT_LE(std::count(text.begin(), text.end(), '\n'), rows);
    }
}

TEST(LiveViewTest, ARestartIsNewsAndItsLineGoesOnFromTheFork) {
  LiveView view;
  view.take(run_record(0, {}));
  for (int64_t n = 1; n <= 60; ++n) view.take(step_record(n, 0, kStart + n * 1'000'000));
  view.take(run_record(1, 40));
  view.take(step_record(41, 1, kStart + 70'000'000));
  const std::string text = view.draw(100, 40, 0);
  EXPECT_TRUE(text.starts_with("tiny  step 41  41K tokens (4.1 %)  segment 1\n")) << text;
  EXPECT_NE(text.find("segment 1 goes on from step 40"), std::string::npos);
}

}  // namespace
}  // namespace ballast
