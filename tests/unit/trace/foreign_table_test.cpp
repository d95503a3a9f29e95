#include <cmath>

#include "libcore/trace/foreign/csv_rows.h"
#include "libcore/trace/foreign/json_lines.h"
#include "libcore/trace/foreign/table.h"
#include "libcore/trace/foreign/wandb_csv.h"
#include "tests/unit/trace/foreign_support.h"

namespace ballast {
namespace {

using Map = std::vector<std::pair<std::string, std::string>>;

ImportOptions mapping(Map map, std::string run = "") {
  ImportOptions options;
  options.map = std::move(map);
  options.run_name = std::move(run);
  return options;
}
ReadLog table(const std::string& text, const ImportOptions& options = {}) {
  return read_log(table_log(memory_source(text, "run.csv"), options).take_value());
}
ReadLog wandb(const std::string& text, const ImportOptions& options = {}) {
  return read_log(wandb_csv_log(memory_source(text, "wandb.csv"), options).take_value());
}
ReadLog json(const std::string& text, const ImportOptions& options = {}) {
  return read_log(json_lines_log(memory_source(text, "run.jsonl"), options).take_value());
}
template <class F>
std::string refusal(F open) {
  const auto log = open();
  if (log.ok()) return "";
  EXPECT_EQ(log.error().kind, ErrorKind::usage);
  return log.error().message();
}

using Rows = std::vector<std::vector<std::string>>;
Rows rows_of(const std::string& text) {
  CsvRows rows(memory_source(text));
  std::vector<std::string_view> cells;
  Rows all;
  while (rows.next(cells).take_value())
    all.push_back(rows.bad() ? std::vector<std::string>{"bad"}
                             : std::vector<std::string>(cells.begin(), cells.end()));
  return all;
}

TEST(CsvRows, ReadsQuotedCellsAsRfc4180WritesThem) {
  EXPECT_EQ(rows_of("a,b,c\r\n1,,3\r\n\r\n"), (Rows{{"a", "b", "c"}, {"1", "", "3"}}));
  EXPECT_EQ(rows_of("\xef\xbb\xbf\"a\",\"b, c\"\n\"say \"\"hi\"\"\",\"\"\"\"\n\"\",x\n"),
            (Rows{{"a", "b, c"}, {"say \"hi\"", "\""}, {"", "x"}}));
  EXPECT_EQ(rows_of("a,b\n\"two\nlines, \"\"2\"\"\",1\n3,4\n"),
            (Rows{{"a", "b"}, {"two\nlines, \"2\"", "1"}, {"3", "4"}}));
  EXPECT_EQ(rows_of("a\tb,c\n1\t2,5\n"), (Rows{{"a", "b,c"}, {"1", "2,5"}}));
  EXPECT_EQ(rows_of("a,b,\n1,2,\n"), (Rows{{"a", "b", ""}, {"1", "2", ""}}));
  EXPECT_EQ(rows_of("a, \"b\"\n"), (Rows{{"a", "b"}}));
  EXPECT_EQ(rows_of("a,b\n\"1\"x,2\n3,4\n"), (Rows{{"a", "b"}, {"bad"}, {"3", "4"}}));
  EXPECT_EQ(rows_of("a,b\n\"1,2\n"), (Rows{{"a", "b"}, {"bad"}}));
}

TEST(TableLog, ReadsCsvWithKnownNames) {
  const ReadLog read = table(
      ",step,train/loss,grad_norm,learning_rate,_timestamp,epoch,val/loss\n"
      "0,1,11.5,14.96,1e-06,1700000000.5,0.0,\n"
      "1,2,nan,inf,0.0006,1700000001.5,0.1,10.25\n");
  ASSERT_EQ(read.steps.size(), 2u);
  EXPECT_EQ(read.steps[0].loss, 11.5);
  EXPECT_EQ(read.steps[0].grad_norm, 14.96);
  EXPECT_EQ(read.steps[0].lr, 1e-6);
  EXPECT_EQ(read.steps[0].time_us, 1700000000500000);
  EXPECT_TRUE(std::isnan(*read.steps[1].loss));
  EXPECT_TRUE(std::isinf(*read.steps[1].grad_norm));
  ASSERT_EQ(read.evals.size(), 1u);
  EXPECT_EQ(read.evals[0].step, 2);
  EXPECT_EQ(read.evals[0].loss, 10.25);
  EXPECT_EQ(read.notes.records, 2);
  EXPECT_EQ(read.notes.unused, (std::vector<std::string>{"epoch"}));
}

TEST(TableLog, ReadsTsvWithAMap) {
  const ReadLog read = table("n\tmy, loss\tnorm\n1.0\t2.5\t1,234.5\n2.0\t2.25\t0.5\n",
                             mapping({{"step", "n"}, {"loss", "my, loss"}}));
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(read.steps[0].loss, 2.5);
  EXPECT_EQ(read.steps[0].grad_norm, 1234.5);
}

// As Lightning's CSVLogger writes it: each call of log() has its own row.
TEST(TableLog, SparseRowsOfOneStepBecomeOneRecord) {
  const ReadLog read = table(
      "epoch,lr-AdamW,step,train_loss,val_loss\n"
      ",0.001,49,,\n0,,49,2.5,\n0,,49,,2.75\n,0.0009,99,,\n1,,99,2.25,\n");
  ASSERT_EQ(read.steps.size(), 2u);
  EXPECT_EQ(read.steps[0].lr, 0.001);
  EXPECT_EQ(read.steps[0].loss, 2.5);
  EXPECT_EQ(read.steps[1].lr, 0.0009);
  EXPECT_EQ(read.steps[1].loss, 2.25);
  ASSERT_EQ(read.evals.size(), 1u);
  EXPECT_EQ(read.evals[0].step, 49);
}

TEST(TableLog, RowsOfOneStepThatContradictEachOtherStaySeveral) {
  const ReadLog read = table("step,loss\n1,2.5\n2,2.4\n2,2.4\n1,2.5\n2,2.3\n");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2, 2, 1, 2}));
}

TEST(TableLog, TakesARepeatedHeaderAndCountsDamage) {
  const ReadLog read = table(
      "# step,loss\n1,2.5\n2\nx,2.5\n,2.5\n1.5,2\n3,abc\n\"4,2\n5\"x,3\n# step,loss\n2,2.25\n3,1.");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(read.notes.damaged, 6);
  EXPECT_EQ(read.notes.first_damaged, 3);
  EXPECT_EQ(read.notes.first_damage, "1 cells where the header has 2");
  EXPECT_TRUE(read.notes.truncated);
}

TEST(TableLog, KeepsWordsAndFlags) {
  const ReadLog read = table("step,phase,skipped,skip_reason,tokens\n7,warm up,True,spike,4096\n");
  ASSERT_EQ(read.steps.size(), 1u);
  EXPECT_EQ(read.steps[0].phase, "warm up");
  EXPECT_TRUE(read.steps[0].skipped);
  EXPECT_EQ(read.steps[0].skip_reason, "spike");
  EXPECT_EQ(read.steps[0].tokens, 4096);
}

TEST(TableLog, RefusesWhatItCannotRead) {
  const auto open = [](const char* text, Map map = {}) {
    return refusal([&] { return table_log(memory_source(text, "a.csv"), mapping(map)); });
  };
  EXPECT_EQ(open("x,loss\n1,2\n"),
            "no column is known to be the step: a.csv (say which with --map step=COLUMN)");
  EXPECT_EQ(open("step,x\n1,2\n"),
            "no column is known to be the loss or the norm: a.csv (say which with --map "
            "loss=COLUMN)");
  EXPECT_EQ(open("step,loss\n1,2\n", {{"lr", "rate"}}),
            "no column 'rate': a.csv (it has 'step', 'loss')");
  EXPECT_EQ(open("step,loss,loss\n1,2,3\n"),
            "both 'loss' and 'loss' could be loss: a.csv (say which with --map loss=COLUMN)");
  EXPECT_FALSE(table_log(memory_source(""), {}).ok());
}

constexpr const char* kChart =
    "\"Step\",\"run7 - train/loss\",\"run7 - train/loss__MIN\",\"run7 - train/loss__MAX\","
    "\"run - 8 - train/loss\",\"run - 8 - train/loss__MIN\",\"run - 8 - train/loss__MAX\"\n"
    "\"0\",\"11.5\",\"11.5\",\"11.5\",\"\",\"\",\"\"\n"
    "\"10\",\"10.5\",\"10.25\",\"10.75\",\"9.5\",\"9.5\",\"9.5\"\n"
    "\"20\",\"\",\"\",\"\",\"9.25\",\"9.25\",\"9.25\"";

TEST(WandbCsvLog, ReadsOneRunOfAChart) {
  const ReadLog read = wandb(kChart, mapping({}, "run7"));
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{0, 10}));
  EXPECT_EQ(read.steps[1].loss, 10.5);
  EXPECT_EQ(read.notes.averaged, "a sampled chart: each value stands for several steps");
  const ReadLog other = wandb(kChart, mapping({{"loss", "run - 8 - train/loss"}}));
  EXPECT_EQ(steps_of(other), (std::vector<int64_t>{10, 20}));
  EXPECT_EQ(other.steps[1].loss, 9.25);
}

TEST(WandbCsvLog, ListsTheRunsWhenNoneIsNamed) {
  EXPECT_EQ(refusal([] { return wandb_csv_log(memory_source(kChart, "w.csv"), {}); }),
            "2 runs in one file: w.csv (say which with --run-name: 'run7', 'run - 8')");
  EXPECT_EQ(
      refusal([] { return wandb_csv_log(memory_source(kChart, "w.csv"), mapping({}, "run9")); }),
      "no run 'run9': w.csv (it has 'run7', 'run - 8')");
}

TEST(WandbCsvLog, AChartWithEveryStepIsNotSampled) {
  const ReadLog read = wandb(
      "Step,a - loss,a - loss__MIN,a - loss__MAX,a - "
      "grad_norm\n1,2.5,2.5,2.5,1\n2,2.4,2.4,2.4,2\n");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(read.steps[1].grad_norm, 2);
  EXPECT_EQ(read.notes.averaged, "");
}

TEST(JsonLinesLog, ReadsFlatAndNestedObjects) {
  const ReadLog read = json(
      "{\"step\": 1, \"loss\": 11.5, \"grad_norm\": \"NaN\", \"lr\": 1e-06, \"note\": \"x\"}\n"
      "{\"step\": 2, \"train\": {\"loss\": NaN, \"grad_norm\": -Infinity}, \"list\": [1, {}]}\n"
      "{\"step\": 3, \"train.loss\": 2.5, \"time\": \"2023-11-14T22:13:20Z\", \"lr\": null}\n"
      "{\"step\": 3, \"eval\": {\"c4\": {\"loss\": 3.5}}}\n");
  ASSERT_EQ(read.steps.size(), 3u);
  EXPECT_EQ(read.steps[0].loss, 11.5);
  EXPECT_TRUE(std::isnan(*read.steps[0].grad_norm));
  EXPECT_EQ(read.steps[0].lr, 1e-6);
  EXPECT_TRUE(std::isnan(*read.steps[1].loss));
  EXPECT_TRUE(std::isinf(*read.steps[1].grad_norm));
  EXPECT_EQ(read.steps[2].loss, 2.5);
  EXPECT_EQ(read.steps[2].time_us, 1700000000000000);
  ASSERT_EQ(read.evals.size(), 1u);
  EXPECT_EQ(read.evals[0].set, "c4");
  EXPECT_EQ(read.evals[0].loss, 3.5);
  EXPECT_EQ(read.notes.records, 4);
  EXPECT_EQ(read.notes.unused, (std::vector<std::string>{"note"}));
}

TEST(JsonLinesLog, MapsNestedKeysWithPointsAndSlashes) {
  const std::string text = "{\"i\": 1, \"a\": {\"b\": 2.5}, \"c.d\": 3.5}\n";
  for (const Map& map : {Map{{"step", "i"}, {"loss", "a.b"}, {"grad_norm", "c/d"}},
                         Map{{"step", "i"}, {"loss", "a/b"}, {"grad_norm", "c.d"}}}) {
    const ReadLog read = json(text, mapping(map));
    ASSERT_EQ(read.steps.size(), 1u);
    EXPECT_EQ(read.steps[0].loss, 2.5);
    EXPECT_EQ(read.steps[0].grad_norm, 3.5);
  }
}

TEST(JsonLinesLog, TheStepHasOneScaleForAllLines) {
  const ReadLog read = json(
      "{\"step\": 1, \"gpu\": 5}\n"
      "{\"step\": 2, \"train/global_step\": 10, \"train/loss\": 2.5}\n"
      "{\"step\": 3, \"train/loss\": 2.25}\n"
      "{\"step\": 4, \"train/global_step\": 20, \"train/loss\": 2.0}\n");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{10, 20}));
  EXPECT_EQ(read.notes.damaged, 1);
  EXPECT_EQ(read.notes.first_damage, "the line has no 'train/global_step'");
}

TEST(JsonLinesLog, CountsDamageAndTheTornEnd) {
  const ReadLog read = json(
      "{\"step\": 1, \"loss\": 2.5}\r\nno json\n{\"step\": 2, \"loss\": 2.5,}\n{\"step\": 2\n"
      "{\"step\": 3, \"loss\": \"x\"}\n{\"step\": 4, \"loss\": 1} {}\n{\"step\": -1, \"loss\": 1}\n"
      "\n{\"step\": 5, \"loss\": 2.25}\n{\"step\": 6, \"lo");
  EXPECT_EQ(steps_of(read), (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(read.notes.damaged, 6);
  EXPECT_EQ(read.notes.first_damaged, 2);
  EXPECT_TRUE(read.notes.truncated);
  // A last line that is whole but for its line end.
  EXPECT_EQ(steps_of(json("{\"step\": 1, \"loss\": 2.5}\n{\"step\": 2, \"loss\": 2.5}")),
            (std::vector<int64_t>{1, 2}));
}

TEST(JsonLinesLog, RefusesWhatItCannotRead) {
  EXPECT_EQ(refusal([] { return json_lines_log(memory_source("{\"a\": 1}\n", "a.jsonl"), {}); }),
            "no key is known to be the step: a.jsonl (say which with --map step=KEY)");
  const auto last_error = [](const std::string& text, const ImportOptions& options) {
    auto log = json_lines_log(memory_source(text, "a.jsonl"), options).take_value();
    TraceRecord record;
    while (true) {
      const Result<bool> got = log->next(record);
      if (!got.ok()) return got.error().message();
      if (!*got) return std::string();
    }
  };
  EXPECT_EQ(last_error("{\"step\": 1, \"train/loss\": 1, \"train_loss\": 2}\n", {}),
            "both 'train/loss' and 'train_loss' could be the same: a.jsonl:1 (say which with "
            "--map KEY=NAME)");
  EXPECT_EQ(last_error("{\"step\": 1, \"loss\": 1}\n", mapping({{"lr", "rate"}})),
            "nothing is called 'rate': a.jsonl (--map lr)");
}

}  // namespace
}  // namespace ballast
