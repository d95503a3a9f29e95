#include "libcore/trace/parsed_blocks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "libcore/trace/line_buffer.h"
#include "libcore/trace/reader.h"
#include "tests/support/temporary_directory.h"

namespace ballast {
namespace {

// Gives a few bytes at a time, as pipes do, and fails where it is told to.
class DrippingSource final : public ByteSource {
 public:
  DrippingSource(std::string text, uint32_t seed, size_t fail_at = SIZE_MAX)
      : text_(std::move(text)), random_(seed), fail_at_(fail_at) {}
  Result<size_t> read(MutableBytes into) override {
    if (at_ >= fail_at_) return corrupt_error("the stream is damaged", "memory");
    const size_t most = std::min({into.size(), text_.size() - at_, fail_at_ - at_});
    const size_t size = most > 0 ? 1 + random_() % most : 0;
    std::memcpy(into.data(), text_.data() + at_, size);
    at_ += size;
    return size;
  }
  const std::string& name() const override { return name_; }

 private:
  std::string text_;
  std::mt19937 random_;
  size_t fail_at_;
  size_t at_ = 0;
  std::string name_ = "memory";
};

std::string step_line(std::mt19937& random, int64_t step) {
  std::normal_distribution<double> normal;
  StepRecord r;
  r.step = step;
  r.time_us = 1700000000000000 + step;
  r.loss = normal(random);
  r.grad_norm = std::exp(normal(random));
  if (random() % 8 == 0) r.grad_norm = std::nan("");
  if (random() % 3 == 0) r.clip_z = normal(random) * 1e-300;
  if (random() % 4 == 0) r.source_loss = {{"web", normal(random)}, {"code", 1e22}};
  r.phase = random() % 5 == 0 ? "long \"context\"" : "stable";
  std::string line;
  append_record(line, r);
  return line;
}

// Lines of every kind there is, some of them damaged; the last one is torn.
std::string any_trace(uint32_t seed, int64_t lines) {
  std::mt19937 random(seed);
  RunRecord run;
  run.clip = "zclip";
  std::string text;
  append_record(text, run);
  for (int64_t i = 1; i <= lines; ++i) {
    const std::string line = step_line(random, i);
    EventRecord event;
    event.step = i;
    event.event = "note";
    event.reason = std::string(random() % 700, 'x');
    switch (random() % 16) {
      case 0:
        text += "\n";
        break;
      case 1:
        text += "garbage }\n";
        break;
      case 2:
        append_record(text, event);
        break;
      case 3:  // as others write it: spaces, CRLF
        text += fmt::format("{{ \"type\": \"step\", \"step\": {}, \"loss\": 2.50 }}\r\n", i);
        break;
      case 4:
        text += line.substr(0, line.size() / 2) + "\n";
        break;
      case 5:
        text += line.substr(0, line.size() - 1) + "\r\n";
        break;
      case 6:
        text +=
            fmt::format("{{\"v\":1,\"type\":\"layers\",\"segment\":0,\"step\":{},\"a\":[1]}}\n", i);
        break;
      default:
        text += line;
    }
  }
  return text + "{\"v\":1,\"type\":\"step\",\"st";
}

std::string shown(const TraceRecord& record) {
  std::string text;
  if (record.type == RecordType::run) append_record(text, record.run);
  if (record.type == RecordType::step) append_record(text, record.step);
  if (record.type == RecordType::event) append_record(text, record.event);
  if (record.type == RecordType::other) text = to_json_line(record.other.object);
  return text;
}

// Every line that is not empty with its number: what it says, or why it does not; then the end.
using Story = std::vector<std::pair<int64_t, std::string>>;

Story line_by_line(ByteSource& source) {
  Story story;
  LineBuffer lines(source);
  TraceParser parser;
  TraceRecord record;
  while (true) {
    const auto line = lines.next();
    if (!line.ok()) {
      story.emplace_back(0, line.error().message());
      return story;
    }
    if (!*line) break;
    if ((*line)->empty()) continue;
    const Result<void> parsed = parser.parse_padded(**line, record);
    story.emplace_back(lines.line_number(), parsed.ok() ? shown(record) : parsed.error().message());
  }
  story.emplace_back(lines.line_number(), fmt::format("{} torn", lines.torn_bytes()));
  return story;
}

Story by_blocks(ByteSource& source, int threads, size_t block_bytes) {
  Story story;
  BlockOptions options;
  options.threads = threads;
  options.block_bytes = block_bytes;
  ParsedBlocks blocks(source, options);
  int64_t before = 0, torn = 0;
  while (ParsedBlock* block = blocks.next()) {
    for (const ParsedLine& found : block->found) {
      TraceRecord record;
      record.type = RecordType::step;
      if (found.kind == ParsedLine::Kind::step) record.step = block->steps[found.index];
      if (found.kind == ParsedLine::Kind::other) record = block->others[found.index];
      story.emplace_back(before + found.line, found.kind == ParsedLine::Kind::bad
                                                  ? block->errors[found.index].message()
                                                  : shown(record));
    }
    before += block->lines;
    torn = block->torn_bytes;
    if (block->ended) {
      story.emplace_back(0, block->ended->message());
      return story;
    }
  }
  story.emplace_back(before, fmt::format("{} torn", torn));
  return story;
}

TEST(ParsedBlocks, AreWhatIsReadLineByLine) {
  std::mt19937 random(7);
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    const std::string text = any_trace(seed, 200);
    DrippingSource source(text, seed);
    const Story expected = line_by_line(source);
    ASSERT_GT(expected.size(), 150u);
    for (const int threads : {1, 2, 3, 5}) {
      const size_t block_bytes = 1 + random() % 5000;
      DrippingSource again(text, seed + 100);
      EXPECT_EQ(by_blocks(again, threads, block_bytes), expected)
          << "seed " << seed << ", " << threads << " threads, blocks of " << block_bytes;
    }
  }
}

TEST(ParsedBlocks, GiveTheWholeLinesBeforeADamagedStream) {
  const std::string text = any_trace(3, 100);
  for (const size_t at : {size_t{0}, size_t{1}, text.size() / 2, text.size() - 1}) {
    DrippingSource source(text, 5, at);
    const Story expected = line_by_line(source);
    EXPECT_EQ(expected.back().second, "the stream is damaged: memory");
    DrippingSource again(text, 6, at);
    EXPECT_EQ(by_blocks(again, 3, 700), expected) << at;
  }
}

TEST(ParsedBlocks, MayBeLeftInTheMiddle) {
  const std::string text = any_trace(4, 500);
  DrippingSource source(text, 8);
  BlockOptions options;
  options.threads = 3;
  options.block_bytes = 100;
  ParsedBlocks blocks(source, options);
  ParsedBlock* first = blocks.next();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->found.front().line, 1);
}

TEST(ParsedBlocks, HaveNothingOfAnEmptyInput) {
  DrippingSource source("", 1);
  EXPECT_EQ(by_blocks(source, 2, 10), Story({{0, "0 torn"}}));
}

// Longer than several blocks of the reader.
TEST(TraceReader, SaysTheSameWithAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  const std::string path = join_path(directory.path(), "trace.jsonl");
  auto file = posix_file_system().open_append(path).take_value();
  ASSERT_TRUE(file->append(as_bytes(any_trace(11, 12000))).ok());
  ASSERT_TRUE(file->close().ok());
  const auto told = [&](int threads) {
    TraceReadOptions options;
    options.threads = threads;
    options.skip_bad_lines = true;
    auto reader = TraceReader::open(posix_file_system(), path, options).take_value();
    Story story;
    TraceRecord record;
    while (reader->next(record).take_value()) story.emplace_back(record.line, shown(record));
    const TraceHealth& h = reader->health();
    story.emplace_back(
        h.lines, fmt::format("{} {} {} {} {} {} {} {}", h.bad_lines, h.first_bad_line,
                             h.first_bad_reason, h.unknown_types, h.torn_bytes, h.missing_steps,
                             h.repeated_steps, h.clock_steps_back));
    return story;
  };
  const Story alone = told(1);
  EXPECT_GT(alone.size(), 9000u);
  EXPECT_EQ(told(2), alone);
  EXPECT_EQ(told(4), alone);
}

TEST(TraceReader, NamesTheBadLineWithAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  const std::string path = join_path(directory.path(), "trace.jsonl");
  std::mt19937 random(2);
  std::string text;
  for (int64_t i = 1; i <= 5000; ++i) text += i == 4321 ? "garbage\n" : step_line(random, i);
  auto file = posix_file_system().open_append(path).take_value();
  ASSERT_TRUE(file->append(as_bytes(text)).ok());
  ASSERT_TRUE(file->close().ok());
  for (const int threads : {1, 3}) {
    TraceReadOptions options;
    options.threads = threads;
    auto reader = TraceReader::open(posix_file_system(), path, options).take_value();
    TraceRecord record;
    int64_t steps = 0;
    Result<bool> more = reader->next(record);
    for (; more.ok() && *more; more = reader->next(record)) ++steps;
    EXPECT_EQ(steps, 4320);
    ASSERT_FALSE(more.ok());
    EXPECT_EQ(more.error().where, path + ":4321");
  }
}

}  // namespace
}  // namespace ballast
