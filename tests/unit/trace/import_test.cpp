#include "libcore/trace/foreign/import.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "libcore/io/memory_file_system.h"
#include "libcore/trace/foreign/formats.h"
#include "libcore/trace/foreign/segmenter.h"
#include "libcore/trace/reader.h"
#include "libcore/trace/step_intervals.h"

namespace ballast {
namespace {

TraceRecord step_record(int64_t step, double loss, int64_t tokens = 0) {
  TraceRecord record;
  record.type = RecordType::step;
  record.step.step = step;
  record.step.loss = loss;
  record.step.tokens = tokens;
  record.step.grad_norm = 2 * loss;
  return record;
}

TraceRecord eval_record(int64_t step, double loss) {
  TraceRecord record;
  record.type = RecordType::eval;
  record.eval.step = step;
  record.eval.loss = loss;
  return record;
}

// Gives out what it was given.
class FixedLog final : public ForeignLog {
 public:
  explicit FixedLog(std::vector<TraceRecord> records) : records_(std::move(records)) {}
  Result<bool> next(TraceRecord& record) override {
    if (at_ == records_.size()) return false;
    record = records_[at_++];
    return true;
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  std::vector<TraceRecord> records_;
  ForeignNotes notes_;
  size_t at_ = 0;
};

void put(MemoryFileSystem& fs, const std::string& path, const std::string& text) {
  auto file = fs.create_exclusive(path).take_value();
  ASSERT_TRUE(file->append(as_bytes(text)).ok());
  ASSERT_TRUE(file->close().ok());
}

std::vector<TraceRecord> read_back(const std::string& text, TraceView view,
                                   TraceHealth* health = nullptr) {
  MemoryFileSystem fs;
  put(fs, "/t.jsonl", text);
  TraceReadOptions options;
  options.view = view;
  auto reader = TraceReader::open(fs, "/t.jsonl", options).take_value();
  std::vector<TraceRecord> records;
  TraceRecord record;
  while (reader->next(record).value()) records.push_back(record);
  if (health != nullptr) *health = reader->health();
  return records;
}

std::string imported(std::vector<TraceRecord> records, const ImportOptions& options = {}) {
  auto source = trace_of_log(std::make_unique<FixedLog>(std::move(records)), "log", options);
  return read_all(*source, 1 << 24).value();
}

std::vector<int64_t> steps_of(const std::vector<TraceRecord>& records) {
  std::vector<int64_t> steps;
  for (const TraceRecord& record : records)
    if (record.type == RecordType::step) steps.push_back(record.step.step);
  return steps;
}

TEST(Import, KeepsEveryNumberOfTheLog) {
  TraceRecord first = step_record(1, 0.1 + 0.2, 4096);
  first.step.lr = 1e-300;
  first.step.grad_norm = std::numeric_limits<double>::infinity();
  const auto records = read_back(imported({first, eval_record(1, 2.5)}), TraceView::surviving);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].type, RecordType::run);
  EXPECT_EQ(records[1].step.loss, 0.1 + 0.2);
  EXPECT_EQ(records[1].step.lr, 1e-300);
  EXPECT_EQ(records[1].step.grad_norm, std::numeric_limits<double>::infinity());
  EXPECT_EQ(records[1].step.tokens, 4096);
  EXPECT_EQ(records[2].eval.loss, 2.5);
}

TEST(Import, MakesASegmentWhereStepsGoBack) {
  const std::string text = imported({step_record(1, 5), step_record(2, 4), step_record(3, 3),
                                     step_record(2, 4.5), step_record(3, 3.5), step_record(4, 3)});
  EXPECT_EQ(steps_of(read_back(text, TraceView::all)), (std::vector<int64_t>{1, 2, 3, 2, 3, 4}));
  TraceHealth health;
  const auto line = read_back(text, TraceView::surviving, &health);
  EXPECT_EQ(steps_of(line), (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(health.hidden_steps, 2);
  EXPECT_EQ(health.repeated_steps, 0);
  std::vector<double> losses;
  for (const TraceRecord& record : line)
    if (record.type == RecordType::step) losses.push_back(*record.step.loss);
  EXPECT_EQ(losses, (std::vector<double>{5, 4.5, 3.5, 3}));
}

TEST(Import, AnEvaluationBeforeTheFirstStepBelongsToItsSegment) {
  const auto records = read_back(
      imported({eval_record(0, 11), step_record(0, 11), step_record(1, 10)}), TraceView::surviving);
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].type, RecordType::run);
  EXPECT_EQ(records[1].type, RecordType::eval);
  EXPECT_EQ(steps_of(records), (std::vector<int64_t>{0, 1}));
}

TraceRecord resume_record(int64_t step) {
  TraceRecord record;
  record.type = RecordType::event;
  record.event.step = step;
  record.event.event = "resume";
  return record;
}

// "type step" of each record with its segment, in order.
std::string order_of(const std::vector<TraceRecord>& records) {
  std::string order;
  for (const TraceRecord& record : records) {
    if (record.type == RecordType::run) order += fmt::format("run/{} ", record.run.segment);
    if (record.type == RecordType::step)
      order += fmt::format("{}/{} ", record.step.step, record.step.segment);
    if (record.type == RecordType::eval)
      order += fmt::format("eval{}/{} ", record.eval.step, record.eval.segment);
    if (record.type == RecordType::event)
      order += fmt::format("resume{}/{} ", record.event.step, record.event.segment);
  }
  return order;
}

TEST(Import, AnEvaluationAtARestartBelongsToTheSegmentThatItBegins) {
  const std::string text = imported({step_record(1, 5), step_record(2, 4), step_record(3, 3),
                                     eval_record(1, 5), step_record(2, 4.5), step_record(3, 3.5)});
  EXPECT_EQ(order_of(read_back(text, TraceView::all)), "run/0 1/0 2/0 3/0 run/1 eval1/1 2/1 3/1 ");
  EXPECT_EQ(order_of(read_back(text, TraceView::surviving)), "run/0 1/0 run/1 eval1/1 2/1 3/1 ");
}

TEST(Import, AnEvaluationThatWasWrittenLateStaysWhereItWas) {
  // The next step goes on, goes back to before it, or never comes.
  EXPECT_EQ(order_of(read_back(imported({step_record(1, 5), step_record(2, 4), eval_record(1, 5),
                                         step_record(3, 3)}),
                               TraceView::all)),
            "run/0 1/0 2/0 eval1/0 3/0 ");
  EXPECT_EQ(order_of(read_back(imported({step_record(1, 5), step_record(2, 4), step_record(3, 3),
                                         eval_record(2, 5), step_record(2, 3)}),
                               TraceView::all)),
            "run/0 1/0 2/0 3/0 eval2/0 run/1 2/1 ");
  EXPECT_EQ(order_of(read_back(imported({step_record(1, 5), step_record(2, 4), eval_record(1, 5)}),
                               TraceView::all)),
            "run/0 1/0 2/0 eval1/0 ");
}

TEST(Import, AResumptionThatGoesBackStandsInItsNewSegment) {
  // TensorBoard names the first step that is made again, Megatron the last that is kept.
  for (const int64_t named : {2, 1})
    EXPECT_EQ(order_of(read_back(imported({step_record(1, 5), step_record(2, 4), step_record(3, 3),
                                           resume_record(named), step_record(2, 4.5)}),
                                 TraceView::all)),
              fmt::format("run/0 1/0 2/0 3/0 run/1 resume{}/1 2/1 ", named));
  // Nothing was left behind.
  EXPECT_EQ(order_of(read_back(imported({step_record(1, 5), step_record(2, 4), resume_record(2),
                                         step_record(3, 3)}),
                               TraceView::all)),
            "run/0 1/0 2/0 resume2/0 3/0 ");
  TraceRecord run;
  run.type = RecordType::run;
  const auto line = read_back(
      imported({step_record(1, 5), step_record(2, 4), run, resume_record(2), step_record(3, 3)}),
      TraceView::surviving);
  EXPECT_EQ(order_of(line), "run/0 1/0 2/0 run/1 resume2/1 3/1 ");
}

TEST(Import, MoreThanCanWaitIsPutWhereItIs) {
  std::vector<TraceRecord> log = {step_record(1, 5), step_record(2, 4), step_record(3, 3)};
  log.insert(log.end(), 1024, eval_record(1, 5));
  log.push_back(eval_record(1, 6));
  log.push_back(step_record(2, 4));
  const auto records = read_back(imported(std::move(log)), TraceView::all);
  EXPECT_EQ(records.size(), 2u + 4 + 1025);
  EXPECT_EQ(std::ranges::count_if(records,
                                  [](const TraceRecord& r) {
                                    return r.type == RecordType::eval && r.eval.segment == 1;
                                  }),
            1);
}

TEST(Import, ALogThatSpeaksOfItsRunAgainWasRestarted) {
  TraceRecord run;
  run.type = RecordType::run;
  run.run.run = "pile";
  const std::string text =
      imported({run, step_record(10, 5), step_record(20, 4), run, step_record(30, 3)});
  const auto records = read_back(text, TraceView::surviving);
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[0].run.run, "pile");
  EXPECT_EQ(records[0].run.parent, std::nullopt);
  EXPECT_EQ(records[3].run.parent, 0);
  EXPECT_EQ(records[3].run.parent_step, 20);
  EXPECT_EQ(records[4].segment, 1);
}

TEST(Import, TokensComeFromTheUserWhereTheLogHasNone) {
  ImportOptions options;
  options.tokens_per_step = 1000;
  auto records =
      read_back(imported({step_record(1, 5), step_record(2, 4), step_record(3, 3, 77)}, options),
                TraceView::surviving);
  EXPECT_EQ(records[1].step.tokens, 1000);
  EXPECT_EQ(records[2].step.tokens, 2000);
  EXPECT_EQ(records[3].step.tokens, 77);  // the log knows better
  // A trainer that counts from 0 has consumed one batch after its step 0.
  records = read_back(imported({step_record(0, 5), step_record(1, 4), eval_record(1, 4)}, options),
                      TraceView::surviving);
  EXPECT_EQ(records[1].step.tokens, 1000);
  EXPECT_EQ(records[2].step.tokens, 2000);
}

TEST(Import, AMarkStandsBeforeTheStepThatHoldsItsToken) {
  ImportOptions options;
  options.tokens_per_step = 100;
  options.marks = {{250, "late"}, {0, "begin"}, {100, "second"}, {900, "never"}};
  const auto records =
      read_back(imported({step_record(1, 5), step_record(2, 4), step_record(3, 3)}, options),
                TraceView::surviving);
  std::vector<std::pair<int64_t, std::string>> marks;
  for (const TraceRecord& record : records)
    if (record.type == RecordType::event)
      marks.emplace_back(record.event.step, record.event.reason);
  EXPECT_EQ(marks, (std::vector<std::pair<int64_t, std::string>>{
                       {1, "begin"}, {2, "second"}, {3, "late"}}));
}

TEST(Import, MarksComeAgainAfterARestart) {
  ImportOptions options;
  options.tokens_per_step = 100;
  options.marks = {{50, "one"}, {150, "two"}};
  Segmenter segmenter(options);
  segmenter.begin_file(LogFormat::llmc);
  std::string text;
  for (const int64_t step : {1, 2, 3, 2, 3}) {
    TraceRecord record = step_record(step, 1);
    segmenter.take(record, text);
  }
  EXPECT_EQ(segmenter.marks_left(), 0u);
  const auto line = read_back(text, TraceView::surviving);
  std::vector<std::string> marks;
  for (const TraceRecord& record : line)
    if (record.type == RecordType::event) marks.push_back(record.event.reason);
  EXPECT_EQ(marks, (std::vector<std::string>{"one", "two"}));
}

TEST(Import, ANormAfterClippingIsNotTheOneBefore) {
  ImportOptions options;
  options.norm_is_clipped = true;
  const auto records = read_back(imported({step_record(1, 5)}, options), TraceView::surviving);
  EXPECT_EQ(records[1].step.grad_norm, std::nullopt);
  EXPECT_EQ(records[1].step.grad_norm_clipped, 10);
}

TEST(Import, SeveralTracesOfOursAreOneWithoutTornLines) {
  MemoryFileSystem fs;
  const std::string a = imported({step_record(1, 5), step_record(2, 4)});
  put(fs, "/a", a + "{\"v\":1,\"type\":\"st");
  put(fs, "/b", "{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":3,\"loss\":2}\n");
  const std::vector<std::string> paths = {"/a", "/b"};
  auto reader = TraceReader::open(fs, paths).take_value();
  TraceRecord record;
  std::vector<TraceRecord> records;
  while (reader->next(record).value()) records.push_back(record);
  EXPECT_EQ(steps_of(records), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(reader->parts().size(), 2u);
}

TEST(Import, WhatIsSaidOfOtherLogsIsRefusedForOurs) {
  MemoryFileSystem fs;
  put(fs, "/a", imported({step_record(1, 5)}));
  ImportOptions options;
  options.tokens_per_step = 5;
  const std::string path = "/a";
  const auto opened = open_log(fs, std::span(&path, 1), options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, ErrorKind::usage);
}

TEST(Import, KnowsOursByOneGoodLine) {
  EXPECT_TRUE(looks_like_ballast("{\"v\":1,\"type\":\"step\",\"segment\":0,\"step\":3}\n"));
  EXPECT_TRUE(looks_like_ballast("garbage\n{\"v\":1,\"type\":\"run\"}\n"));
  EXPECT_TRUE(looks_like_ballast("{\"v\": 1, \"type\": \"event\"}"));
  EXPECT_FALSE(looks_like_ballast("{\"type\":\"step\",\"loss\":3}\n"));
  EXPECT_FALSE(looks_like_ballast("{\"v\":1,\"type\":\"other\"}\n"));
  EXPECT_FALSE(looks_like_ballast(""));
  const auto unknown = detect_log_format("no log at all\n", "x");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind, ErrorKind::corrupt);
}

TEST(StepIntervals, TheUsualOneIsTheMostFrequent) {
  StepIntervals intervals;
  EXPECT_EQ(intervals.usual(), 1);
  for (const int64_t interval : {50, 50, 100, 50, 25, 25, 50}) intervals.add(interval);
  EXPECT_EQ(intervals.usual(), 50);
  EXPECT_EQ(intervals.missing(), 1);
}

TEST(StepIntervals, CountsWhatItHasNoPlaceFor) {
  StepIntervals intervals;
  for (int64_t i = 2; i < 40; ++i) intervals.add(i);  // more kinds than places
  for (int64_t i = 0; i < 100; ++i) intervals.add(1);
  EXPECT_EQ(intervals.usual(), 1);
  StepIntervals every;
  for (int64_t i = 0; i < 100; ++i) every.add(1);
  for (int64_t i = 2; i < 40; ++i) every.add(i);
  EXPECT_EQ(every.usual(), 1);
  int64_t missing = 0;
  for (int64_t i = 2; i < 40; ++i) missing += i - 1;
  EXPECT_EQ(every.missing(), missing);
}

}  // namespace
}  // namespace ballast
