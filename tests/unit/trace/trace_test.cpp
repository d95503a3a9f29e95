#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>

#include "libcore/io/file_system.h"
#include "libcore/trace/parser.h"
#include "libcore/trace/reader.h"
#include "libcore/trace/record.h"
#include "libcore/trace/writer.h"

namespace ballast {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// A directory that goes with the test.
class TraceFiles : public testing::Test {
 protected:
  TraceFiles() {
    std::string pattern = testing::TempDir() + "trace-XXXXXX";
    directory_ = ::mkdtemp(pattern.data()) != nullptr ? pattern : "";
  }
  ~TraceFiles() override { (void)posix_file_system().remove_all(directory_); }

  std::string path() const { return join_path(directory_, kTraceFileName); }
  void put(const std::string& text) {
    auto file = posix_file_system().open_append(path()).take_value();
    ASSERT_TRUE(file->append(as_bytes(text)).ok());
    ASSERT_TRUE(file->close().ok());
  }
  std::string content() const { return read_file(posix_file_system(), path()).take_value(); }
  std::string directory_;
};

StepRecord full_step() {
  StepRecord r;
  r.segment = 2;
  r.time_us = 1700000000123456;
  r.step = 7;
  r.tokens = 7 * 4096;
  r.samples = 56;
  r.tokens_trained = 6 * 4096;
  r.loss = 3.0000000000000004;
  r.lr = 1e-3;
  r.grad_norm = kInf;
  r.grad_norm_clipped = 0.1;
  r.clip_threshold = 1.0 / 3;
  r.clip_z = -0.5;
  r.z_loss = 1e-300;
  r.param_norm = 12.5;
  r.update_norm = kNan;
  r.v_norm = 5e-324;
  r.update_rms = 1.3986987830;
  r.tokens_per_s = 1234.5;
  r.mfu = 0.41;
  r.step_ms = 17.25;
  r.data_ms = 0.25;
  r.compute_ms = 16.5;
  r.comm_ms = 0.5;
  r.checkpoint_ms = 1e3;
  r.phase = "long \"context\" \n";
  r.precision = "fp32";
  r.skipped = true;
  r.skip_reason = "nonfinite";
  r.n_valid = 4095;
  r.loss_max_rank = -kInf;
  r.batch_start = 48;
  r.source_loss = {{"web", 3.5}, {"co\"de", kNan}};
  return r;
}

TEST(TraceRecord, StepReadsBackWithTheSameBits) {
  std::string line;
  append_record(line, full_step());
  ASSERT_EQ(line.back(), '\n');
  TraceParser parser;
  TraceRecord read;
  const Result<void> parsed = parser.parse(std::string_view(line).substr(0, line.size() - 1), read);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
  EXPECT_EQ(read.type, RecordType::step);
  EXPECT_EQ(read.segment, 2);
  EXPECT_EQ(read.step.loss, 3.0000000000000004);
  EXPECT_EQ(read.step.v_norm, 5e-324);
  EXPECT_EQ(read.step.update_rms, 1.3986987830);
  EXPECT_TRUE(std::isnan(*read.step.update_norm));
  EXPECT_EQ(read.step.loss_max_rank, -kInf);
  std::string again;
  append_record(again, read.step);
  EXPECT_EQ(again, line);
}

TEST(TraceRecord, StepLineIsAsDocumented) {
  StepRecord r;
  r.time_us = 1700000000000000;
  r.step = 1;
  r.tokens = 4096;
  r.samples = 8;
  r.loss = 9.5;
  r.grad_norm = kNan;
  std::string line;
  append_record(line, r);
  EXPECT_EQ(line,
            "{\"v\":1,\"type\":\"step\",\"time\":\"2023-11-14T22:13:20.000000Z\",\"segment\":0,"
            "\"step\":1,\"tokens\":4096,\"samples\":8,\"loss\":9.5,\"grad_norm\":\"NaN\","
            "\"skipped\":false}\n");
}

TEST(TraceRecord, RunEventAndEvalReadBack) {
  RunRecord run;
  run.segment = 1;
  run.time_us = 1700000000000000;
  run.parent = 0;
  run.parent_step = 40;
  run.parent_checkpoint = "abc";
  run.run = "r";
  run.clip = "zclip:z=2.5";
  run.seed = 7;
  run.cost_per_hour = 2.5;
  run.clip_state = Json{{"kind", "zclip"}};
  run.details = Json{{"container", "x"}};
  EventRecord event;
  event.step = 41;
  event.event = "spike";
  event.reason = "norm 31 above 2";
  event.details = Json{{"rank", 3}, {"samples", {1, 2}}};
  EvalRecord eval;
  eval.step = 50;
  eval.set = "held-out";
  eval.loss = 2.5;
  eval.details = Json{{"hellaswag", 0.3}};
  std::string text;
  append_record(text, run);
  append_record(text, event);
  append_record(text, eval);
  append_record(text, "layers", 1, 0, 50, Json{{"qkv", {1.0, 2.0}}});
  TraceParser parser;
  TraceRecord read;
  std::string again;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const Result<void> parsed = parser.parse(text.substr(begin, end - begin), read);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    if (read.type == RecordType::run) append_record(again, read.run);
    if (read.type == RecordType::event) append_record(again, read.event);
    if (read.type == RecordType::eval) append_record(again, read.eval);
    if (read.type == RecordType::other) again += to_json_line(read.other.object) + "\n";
    begin = end + 1;
  }
  EXPECT_EQ(again, text);
}

TEST(TraceParser, RefusesWhatIsNotARecord) {
  TraceParser parser;
  TraceRecord record;
  for (const char* line :
       {"", "{", "[]", "3", "{}", "{\"type\":1}", "{\"type\":\"step\"}",
        "{\"type\":\"step\",\"step\":\"x\"}", "{\"type\":\"step\",\"step\":1.5}",
        "{\"type\":\"step\",\"step\":1,\"loss\":\"nan\"}",
        "{\"type\":\"step\",\"step\":1,\"loss\":true}", "{\"type\":\"step\",\"step\":1}}",
        "{\"type\":\"step\",\"step\":1} x", "{\"type\":\"step\",\"step\":1,\"skipped\":1}",
        "{\"type\":\"step\",\"step\":1,\"time\":\"yesterday\"}", "{\"type\":\"event\",\"step\":1}",
        "{\"type\":\"run\",\"segment\":\"a\"}", "{\"type\":\"run\",\"seed\":1,\"seed\":2}"}) {
    const Result<void> parsed = parser.parse(line, record);
    EXPECT_FALSE(parsed.ok()) << line;
    if (!parsed.ok()) {
      EXPECT_EQ(parsed.error().kind, ErrorKind::corrupt) << line;
    }
  }
}

TEST(TraceParser, TakesKeysInAnyOrderWithSpacesAndIgnoresUnknownOnes) {
  TraceParser parser;
  TraceRecord record;
  ASSERT_TRUE(parser
                  .parse("{ \"loss\" : 2, \"new\": {\"a\":[1]}, \"grad_norm\":1e0,"
                         " \"step\": 5 , \"type\" : \"step\" }",
                         record)
                  .ok());
  EXPECT_EQ(record.step.loss, 2.0);
  EXPECT_EQ(record.step.grad_norm, 1.0);
  EXPECT_EQ(record.step.step, 5);
  EXPECT_FALSE(record.step.lr.has_value());
}

TEST(TraceParser, ConvertsOnlyTheWantedFields) {
  TraceParser parser(kFieldNorm);
  TraceRecord record;
  std::string line;
  append_record(line, full_step());
  ASSERT_TRUE(parser.parse(std::string_view(line).substr(0, line.size() - 1), record).ok());
  EXPECT_EQ(record.step.grad_norm, kInf);
  EXPECT_EQ(record.step.step, 7);
  EXPECT_FALSE(record.step.loss.has_value());
  EXPECT_FALSE(record.step.skipped);
}

TEST(TraceTime, FormatsAndParses) {
  EXPECT_EQ(format_time_us(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(parse_time_us("2023-11-14T22:13:20Z").take_value(), 1700000000000000);
  EXPECT_EQ(parse_time_us("2023-11-14T23:13:20.5+01:00").take_value(), 1700000000500000);
  EXPECT_EQ(parse_time_us(format_time_us(1700000000123456)).take_value(), 1700000000123456);
  for (const char* text : {"", "2023", "2023-13-01T00:00:00Z", "2023-11-14T22:13:20",
                           "2023-11-14T22:13:20.Z", "2023-11-14T25:13:20Z", "x"})
    EXPECT_FALSE(parse_time_us(text).ok()) << text;
}

TEST_F(TraceFiles, WriterCutsATornLineAndAppends) {
  put("{\"type\":\"step\",\"step\":1}\n{\"type\":\"st");
  auto writer = TraceWriter::open(posix_file_system(), directory_).take_value();
  StepRecord r;
  r.step = 2;
  ASSERT_TRUE(writer->write(r).ok());
  ASSERT_TRUE(writer->sync().ok());
  ASSERT_TRUE(writer->close().ok());
  EXPECT_FALSE(writer->write(r).ok());
  const std::string text = content();
  EXPECT_EQ(text.find("{\"type\":\"step\",\"step\":1}\n{\"v\":1,\"type\":\"step\""), 0u);
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(TraceFiles, CutTornLineCopesWithNoLineAtAll) {
  EXPECT_EQ(cut_torn_line(posix_file_system(), path()).take_value(), 0);
  put(std::string(200000, 'x'));
  EXPECT_EQ(cut_torn_line(posix_file_system(), path()).take_value(), 200000);
  EXPECT_EQ(content(), "");
  put("a\n" + std::string(200000, 'x'));
  EXPECT_EQ(cut_torn_line(posix_file_system(), path()).take_value(), 200000);
  EXPECT_EQ(content(), "a\n");
}

TEST_F(TraceFiles, WriterCopiesToAFile) {
  const std::string copy = join_path(directory_, "copy.jsonl");
  auto writer = TraceWriter::open(posix_file_system(), directory_, copy).take_value();
  EventRecord event;
  event.step = 3;
  event.event = "note";
  ASSERT_TRUE(writer->write(event).ok());
  ASSERT_TRUE(writer->close().ok());
  EXPECT_EQ(read_file(posix_file_system(), copy).take_value(), content());
}

std::string run_line(int64_t segment, std::optional<int64_t> parent = {},
                     std::optional<int64_t> parent_step = {}) {
  RunRecord run;
  run.segment = segment;
  run.parent = parent;
  run.parent_step = parent_step;
  std::string line;
  append_record(line, run);
  return line;
}
std::string step_lines(int64_t segment, int64_t first, int64_t last) {
  std::string text;
  for (int64_t step = first; step <= last; ++step) {
    StepRecord r;
    r.segment = segment;
    r.step = step;
    r.loss = static_cast<double>(100 * segment + step);
    append_record(text, r);
  }
  return text;
}

struct Shown {
  std::vector<std::pair<int64_t, int64_t>> steps;  // segment, step
  TraceHealth health;
};
Shown shown(const std::string& path, TraceReadOptions options = {}) {
  Shown result;
  auto reader = TraceReader::open(posix_file_system(), path, options).take_value();
  TraceRecord record;
  while (reader->next(record).take_value())
    if (record.type == RecordType::step)
      result.steps.emplace_back(record.segment, record.step.step);
  result.health = reader->health();
  return result;
}
using Steps = std::vector<std::pair<int64_t, int64_t>>;

TEST_F(TraceFiles, ReaderShowsTheSurvivingLine) {
  // A crash after 6 resumed from 4; then a rollback from 8 to 2, named as child of segment 1.
  put(run_line(0) + step_lines(0, 1, 6) + run_line(1, 0, 4) + step_lines(1, 5, 8) +
      run_line(2, 1, 2) + step_lines(2, 3, 4));
  const Shown line = shown(directory_);
  EXPECT_EQ(line.steps, Steps({{0, 1}, {0, 2}, {2, 3}, {2, 4}}));
  EXPECT_EQ(line.health.hidden_steps, 8);
  EXPECT_EQ(line.health.missing_steps, 0);
  EXPECT_EQ(line.health.repeated_steps, 0);
  TraceReadOptions all;
  all.view = TraceView::all;
  EXPECT_EQ(shown(directory_, all).steps.size(), 12u);
}

TEST_F(TraceFiles, ReaderFollowsAResumeOfAnAbandonedSegment) {
  put(run_line(0) + step_lines(0, 1, 6) + run_line(1, 0, 3) + step_lines(1, 4, 5) +
      run_line(2, 0, 6) + step_lines(2, 7, 7));
  EXPECT_EQ(shown(directory_).steps,
            Steps({{0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {2, 7}}));
}

TEST_F(TraceFiles, ReaderSurvivesCyclesAndMissingParents) {
  put(run_line(3, 3, 5) + step_lines(3, 1, 2) + run_line(4, 9, 1) + step_lines(9, 1, 2) +
      step_lines(4, 2, 3));
  EXPECT_EQ(shown(directory_).steps, Steps({{9, 1}, {4, 2}, {4, 3}}));
}

TEST_F(TraceFiles, ReaderIgnoresATornLastLine) {
  put(run_line(0) + step_lines(0, 1, 2) + "{\"v\":1,\"type\":\"ste");
  const Shown line = shown(path());
  EXPECT_EQ(line.steps.size(), 2u);
  EXPECT_EQ(line.health.torn_bytes, 18);
}

TEST_F(TraceFiles, ReaderNamesTheBadLineOrCountsIt) {
  put(run_line(0) + step_lines(0, 1, 1) + "garbage\n" + step_lines(0, 2, 2) + step_lines(0, 5, 5) +
      step_lines(0, 5, 5));
  auto reader = TraceReader::open(posix_file_system(), path()).take_value();
  TraceRecord record;
  ASSERT_TRUE(reader->next(record).take_value());
  ASSERT_TRUE(reader->next(record).take_value());
  const Result<bool> bad = reader->next(record);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().where, path() + ":3");
  EXPECT_EQ(bad.error().kind, ErrorKind::corrupt);
  TraceReadOptions lenient;
  lenient.skip_bad_lines = true;
  const Shown line = shown(path(), lenient);
  EXPECT_EQ(line.steps.size(), 4u);
  EXPECT_EQ(line.health.bad_lines, 1);
  EXPECT_EQ(line.health.first_bad_line, 3);
  EXPECT_EQ(line.health.missing_steps, 2);
  EXPECT_EQ(line.health.repeated_steps, 1);
}

TEST_F(TraceFiles, ReaderDecompressesByContent) {
  const std::string text = run_line(0) + step_lines(0, 1, 2000);
  put(zstd_compress(as_bytes(text)).take_value());
  EXPECT_EQ(shown(path()).steps.size(), 2000u);
}

TEST_F(TraceFiles, LinesLongerThanTheBufferAreRead) {
  EventRecord event;
  event.step = 1;
  event.event = "note";
  event.reason = std::string(3 << 20, 'a');
  std::string line;
  append_record(line, event);
  put(run_line(0) + line + step_lines(0, 1, 3));
  EXPECT_EQ(shown(path()).steps.size(), 3u);
}

}  // namespace
}  // namespace ballast
