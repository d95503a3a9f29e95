#include <cmath>

#include "libcore/trace/foreign/wandb_history.h"
#include "libcore/trace/foreign/wandb_run.h"
#include "tests/support/foreign_build.h"
#include "tests/unit/trace/foreign_logs.h"

namespace ballast {
namespace {

using namespace build;

std::string loss_row(int step) {
  const std::string text = std::to_string(step);
  return wandb_history({{"_step", text.c_str()}, {"loss", text.c_str()}});
}
std::vector<std::string> loss_rows(int first, int last) {
  std::vector<std::string> rows;
  for (int step = first; step <= last; ++step) rows.push_back(loss_row(step));
  return rows;
}

TEST(WandbRun, KeysNestedKeysAndTypes) {
  const auto item = [](const std::string& fields) { return text(1, fields); };
  const std::string history = item(text(1, "train/loss") + text(16, "0.5")) +  // old clients
                              item(text(2, "optim") + text(2, "lr") + text(16, "1e-3")) +  // nested
                              item(text(2, "grad_norm") + text(16, "NaN")) +               // bare
                              item(text(2, "val/loss") + float64(6, 2.5)) +  // typed, from 0.31 on
                              item(text(2, "tokens") + whole(5, 2048)) +     // zigzag: 1024
                              item(text(2, "param_norm") + text(16, "\"Infinity\"")) +  //
                              item(text(2, "val/perplexity") + text(7, "NaN")) +        //
                              item(text(2, "skipped") + whole(4, 1)) +                  //
                              item(text(2, "update_norm") + text(8, "7")) +             //
                              item(text(2, "_timestamp") + text(16, "1.7953621104836895e+09"));
  const ReadLog log =
      read_log(wandb_run_log, wandb_file({text(2, history + text(2, whole(1, 40)))}));
  ASSERT_EQ(order_of(log), "sv");
  const StepRecord& step = log.steps[0];
  EXPECT_EQ(step.step, 40);
  EXPECT_EQ(step.loss, 0.5);
  EXPECT_EQ(step.lr, 1e-3);
  EXPECT_TRUE(std::isnan(*step.grad_norm));
  EXPECT_EQ(step.tokens, 1024);
  EXPECT_TRUE(std::isinf(*step.param_norm));
  EXPECT_EQ(step.update_norm, 7);
  EXPECT_TRUE(step.skipped);
  EXPECT_EQ(step.time_us, 1795362110483690);
  EXPECT_EQ(log.evals[0].loss, 2.5);
  EXPECT_TRUE(std::isnan(*log.evals[0].perplexity));
}

TEST(WandbRun, TimeCountsFromTheStart) {
  const std::string run = text(17, text(1, "id") + text(8, "name") + text(13, "host") +
                                       text(17, whole(1, 1700000000) + whole(2, 500000000)));
  const ReadLog log = read_log(
      wandb_run_log,
      wandb_file({run, wandb_history({{"_step", "1"}, {"loss", "1"}, {"_runtime", "1.25"}}), run}));
  ASSERT_EQ(order_of(log), "rs");
  EXPECT_EQ(runs_of(log)[0].run, "name");
  EXPECT_EQ(runs_of(log)[0].time_us, 1700000000500000);
  EXPECT_EQ(log.steps[0].time_us, 1700000001750000);
}

TEST(WandbRun, KeysOfTheConfigurationAreWellFormed) {
  const auto update = [](const std::string& key) { return text(1, text(1, key) + text(16, "1")); };
  const std::string config = text(4, update("a\xff") + update("a\xfe") + update("lr"));
  const ReadLog log = read_log(wandb_run_log, wandb_file({text(17, text(1, "id") + config)}));
  ASSERT_EQ(order_of(log), "r");
  EXPECT_EQ(runs_of(log)[0].details["config"].size(), 2u);
  EXPECT_TRUE(runs_of(log)[0].details["config"].contains("a\uFFFD"));
}

TEST(WandbRun, RecordsOverManyBlocks) {
  std::vector<std::string> rows = loss_rows(1, 5);
  const std::string long_text = "\"" + std::string(100000, 'x') + "\"";
  rows[2] = wandb_history({{"_step", "3"}, {"long", long_text.c_str()}, {"loss", "3"}});
  const std::string file = wandb_file(rows);
  ASSERT_GT(file.size(), size_t{3} * 32768);
  const ReadLog log = read_log(wandb_run_log, file);
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(log.notes.records, 5);
}

// Whatever is left of a block: padding below 7 bytes, an empty first part at 7.
TEST(WandbRun, EveryRestOfABlock) {
  for (size_t left = 0; left < 20; ++left) {
    std::vector<std::string> rows{""};
    const std::string tail = loss_row(1);
    rows[0] = text(200, std::string(32768 - 7 - 7 - left - 5, 'x'));
    rows.push_back(tail);
    rows.push_back(loss_row(2));
    const ReadLog log = read_log(wandb_run_log, wandb_file(rows));
    ASSERT_EQ(steps_of(log), (std::vector<int64_t>{1, 2})) << left;
    ASSERT_EQ(log.notes.damaged, 0) << left;
  }
}

TEST(WandbRun, DamageCostsTheRestOfItsBlock) {
  const std::vector<std::string> rows = loss_rows(1, 3000);
  std::string file = wandb_file(rows);
  ASSERT_GT(file.size(), size_t{3} * 32768);
  const size_t at = 32768 + 1000;
  file[at] ^= 1;
  const ReadLog log = read_log(wandb_run_log, file);
  EXPECT_EQ(log.notes.damaged, 1);
  EXPECT_GT(log.notes.first_damaged, 32768);
  EXPECT_LE(log.notes.first_damaged, static_cast<int64_t>(at));
  EXPECT_EQ(log.steps.front().step, 1);
  EXPECT_EQ(log.steps.back().step, 3000);
  EXPECT_LT(log.steps.size(), 3000u);
  EXPECT_GT(log.steps.size(), 3000u - 32768 / 30);
  for (const StepRecord& step : log.steps) ASSERT_EQ(step.loss, static_cast<double>(step.step));
}

TEST(WandbRun, ALiveFileGivesWhatIsWhole) {
  const std::string whole_file = wandb_file(loss_rows(1, 3));
  const std::string four = wandb_file(loss_rows(1, 4));
  for (size_t size = whole_file.size(); size < four.size(); ++size) {
    const ReadLog log = read_log(wandb_run_log, four.substr(0, size));
    ASSERT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3})) << size;
    ASSERT_EQ(log.notes.truncated, size > whole_file.size()) << size;
    ASSERT_EQ(log.notes.damaged, 0) << size;
  }
}

TEST(WandbRun, AFileThatEndsBetweenTheBlocksOfARecord) {
  std::vector<std::string> rows = loss_rows(1, 2);
  rows.push_back(text(200, std::string(100000, 'x')));
  const std::string file = wandb_file(rows).substr(0, 2 * 32768);
  const ReadLog log = read_log(wandb_run_log, file);
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(log.notes.truncated);
  // Without the beginning of the record, all of it is one damage.
  std::string lost = wandb_file(rows) + wandb_file(loss_rows(3, 3)).substr(7);
  lost.erase(7, 32768 - 7);
  lost.insert(7, 32768 - 7, '\0');
  const ReadLog rest = read_log(wandb_run_log, lost);
  EXPECT_EQ(steps_of(rest), (std::vector<int64_t>{3}));
  EXPECT_EQ(rest.notes.damaged, 1);
  EXPECT_EQ(rest.notes.first_damage, "a record has no beginning");
}

TEST(WandbRun, ADamagedMessageIsPassedOver) {
  const ReadLog log = read_log(
      wandb_run_log, wandb_file({loss_row(1), "\x12\xff", text(2, text(1, text(16, "{\"a\":"))),
                                 wandb_history({{"loss", "1"}}), loss_row(2)}));
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(log.notes.damaged, 3);
}

TEST(WandbRun, RefusesOtherFiles) {
  EXPECT_FALSE(looks_like_wandb_run("{\"_step\": 1}"));
  EXPECT_TRUE(looks_like_wandb_run(wandb_file({})));
  std::string newer = wandb_file({});
  newer[6] = 1;
  EXPECT_EQ(error_of(wandb_run_log(memory_source(newer), {})),
            "the run file's version is not known: memory (0 is)");
  EXPECT_EQ(error_of(wandb_run_log(memory_source(":W"), {})),
            "the file is no W&B run file: memory");
}

TEST(WandbRun, AFolderHasOneRun) {
  MemoryFileSystem fs;
  put_file(fs, "/run-1/run-a.wandb", wandb_file(loss_rows(1, 2)));
  put_file(fs, "/run-1/files/config.yaml", "");
  EXPECT_TRUE(is_wandb_run_folder(fs, "/run-1"));
  EXPECT_FALSE(is_wandb_run_folder(fs, "/run-1/files"));
  EXPECT_EQ(read_log(wandb_run_folder_log(fs, "/run-1", {})).steps.size(), 2u);
  put_file(fs, "/run-1/run-b.wandb", wandb_file({}));
  EXPECT_EQ(error_of(wandb_run_folder_log(fs, "/run-1", {})),
            "the folder has several runs: /run-1 (name the .wandb file)");
}

TEST(WandbHistory, OneObjectALine) {
  const std::string text = R"({"_step": 0, "loss": 1, "_timestamp": 1700000000.5}
{"_step": 1, "loss": "NaN", "train": {"grad_norm": 2}}

{"_step": 2, "loss": }
{"_step": 3, "loss": NaN, "val/loss": 4} x
{"_step": 4, "loss": Infinity}
{"_step": 5, "lo)";
  ASSERT_TRUE(looks_like_wandb_history(text));
  const ReadLog log = read_log(wandb_history_log, text);
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{0, 1, 4}));
  EXPECT_EQ(log.steps[0].time_us, 1700000000500000);
  EXPECT_TRUE(std::isnan(*log.steps[1].loss));
  EXPECT_EQ(log.steps[1].grad_norm, 2);
  EXPECT_EQ(log.notes.records, 3);
  EXPECT_EQ(log.notes.damaged, 2);
  EXPECT_EQ(log.notes.first_damaged, 4);
  EXPECT_TRUE(log.notes.truncated);
}

// The shape of the dumps of the schedule papers: a restart that goes back, evaluations that do so
// too, a pass that was exported twice, columns of another length, empty groups.
TEST(WandbHistory, ColumnArraysInGroups) {
  const std::string text = R"({
    "summary": {"_step": 7, "iter": 300},
    "config": {"lr": 0.001, "sched": "cos"},
    "name": "a run",
    "history": {
      "final-val": {"iter": [300], "final_val_loss": [2.9]},
      "val": {"iter": [0, 100, 200, 100, 200, 300, 100, 200, 300],
              "val_loss": [9, 8, 7, 6.5, 6, 5, 6.5, 6, 5], "val_acc": [0.1, 0.2]},
      "train": {"iter": [50, 100, 150, 200, 250, 150, 200, 250, 300],
                "train_lr": [5, 10, 15, 20, 25, 16, 21, 26, 31],
                "train_loss": [9, 8, 7, 6, 5, 7.5, 6.5, 5.5, 4.5],
                "grad_norm": [1, 2, 3, NaN, 5, "NaN", 7, null, 9]},
      "wa": {"iter": [], "val_loss_wa": []}
    }
  })";
  ASSERT_TRUE(looks_like_wandb_history(text));
  const ReadLog log = read_log(wandb_history_log, text);
  ASSERT_EQ(runs_of(log).size(), 1u);
  EXPECT_EQ(runs_of(log)[0].run, "a run");
  EXPECT_EQ(runs_of(log)[0].details["config"]["sched"], "cos");
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{50, 100, 150, 200, 250, 150, 200, 250, 300}));
  EXPECT_EQ(order_of(log),
            "rv"
            "ssvssvs"
            "v"
            "ssvssv");
  EXPECT_EQ(log.evals.size(), 6u);
  EXPECT_EQ(log.steps[5].loss, 7.5);
  EXPECT_EQ(log.steps[5].lr, 16);
  EXPECT_TRUE(std::isnan(*log.steps[3].grad_norm));
  EXPECT_TRUE(std::isnan(*log.steps[5].grad_norm));
  EXPECT_EQ(log.steps[7].grad_norm, std::nullopt);  // null is no number
  EXPECT_EQ(log.notes.unused,
            (std::vector<std::string>{"final_val_loss", "val_acc", "val_loss_wa"}));
}

// Evaluations that were not made again stand in the pass to whose steps they belong.
TEST(WandbHistory, AGroupThatDoesNotGoBackIsLaidBesideThePasses) {
  const ReadLog log = read_log(wandb_history_log, R"({"history": {
      "val": {"step": [10, 40], "val_loss": [1, 2]},
      "train": {"step": [10, 20, 30, 20, 30, 40], "loss": [1, 2, 3, 4, 5, 6]}}})");
  EXPECT_EQ(order_of(log),
            "svss"
            "sssv");
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{10, 20, 30, 20, 30, 40}));
}

TEST(WandbHistory, BareColumnsAndRows) {
  for (const char* text : {R"({"_step": [0, 1], "loss": [5, 6]})",
                           R"({"_step": {"0": 0, "1": 1}, "loss": {"0": 5, "1": 6}})",
                           R"([{"_step": 0, "loss": 5}, {"_step": 1, "loss": 6}])",
                           R"({"name": "x", "history": [{"_step": 0, "loss": 5},
                               {"_step": 1, "loss": 6}]})",
                           "{\"_step\": 0, \"loss\": 5}\n{\"_step\": 1, \"loss\": 6}"}) {
    SCOPED_TRACE(text);
    ASSERT_TRUE(looks_like_wandb_history(text));
    const ReadLog log = read_log(wandb_history_log, text);
    EXPECT_EQ(steps_of(log), (std::vector<int64_t>{0, 1}));
    ASSERT_EQ(log.steps.size(), 2u);
    EXPECT_EQ(log.steps[1].loss, 6);
    EXPECT_EQ(log.notes.damaged, 0);
  }
}

TEST(WandbHistory, ATornDocumentGivesItsWholeColumns) {
  const ReadLog log = read_log(
      wandb_history_log, R"({"_step": [0, 1], "loss": [5, 6], "lr": [1, 1], "grad_norm": [7)");
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(log.steps[1].lr, 1);
  EXPECT_EQ(log.steps[0].grad_norm, std::nullopt);
  EXPECT_TRUE(log.notes.truncated);
  const ReadLog bad = read_log(wandb_history_log, R"({"_step": [0], "loss": [5], "lr": [oops]} )");
  EXPECT_EQ(bad.steps.size(), 1u);
  EXPECT_EQ(bad.notes.damaged, 1);
}

TEST(WandbHistory, MappedColumnsGoByTheirNameOrThatOfTheirGroup) {
  const std::string text =
      R"({"history": {"a": {"iter": [1], "l": [5], "m": [6]}, "b": {"iter": [1], "l": [7]}}})";
  ImportOptions options;
  options.map = {{"loss", "b/l"}, {"grad_norm", "m"}};
  const ReadLog log = read_log(wandb_history_log, text, options);
  ASSERT_EQ(log.steps.size(), 1u);
  EXPECT_EQ(log.steps[0].loss, 7);
  EXPECT_EQ(log.steps[0].grad_norm, 6);
}

TEST(WandbHistory, IsToldByItsContent) {
  for (const char* text : {"", "[]", "{}", "[1, 2]", "{\"step\": 1, \"loss\": 2}", "step,loss\n",
                           R"({"log_history": [{"_step": 1}]})", R"({"history": 3})",
                           R"({"type": "step", "v": 1, "step": 2})", "[{\"step\": 1}]"})
    EXPECT_FALSE(looks_like_wandb_history(text)) << text;
}

}  // namespace
}  // namespace ballast
