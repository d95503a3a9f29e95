// The readers against files that the programs themselves wrote: every number, bit by bit. The files
// and the numbers beside them come from tests/golden/trace/foreign/peers.py.
#include <bit>

#include "libcore/io/json.h"
#include "libcore/trace/foreign/mlflow.h"
#include "libcore/trace/foreign/tfevents.h"
#include "libcore/trace/foreign/trainer_state.h"
#include "libcore/trace/foreign/wandb_history.h"
#include "libcore/trace/foreign/wandb_run.h"
#include "tests/unit/trace/foreign_logs.h"

namespace ballast {
namespace {

const std::string kFolder = BALLAST_SOURCE_DIR "/tests/golden/trace/foreign/";

std::string content(const std::string& name) {
  return read_file(posix_file_system(), kFolder + name).take_value();
}

Json truth_of(const std::string& name) {
  return parse_json(content(name + ".json"), name).take_value();
}

// `got` is what stands under `key` of the row: nothing when the key is not there.
void expect_number(const Json& row, const char* key, const std::optional<double>& got) {
  if (!row.contains(key)) {
    EXPECT_FALSE(got.has_value()) << key << " of " << row;
    return;
  }
  const double expected = number_of(row[key], key).take_value();
  ASSERT_TRUE(got.has_value()) << key << " of " << row;
  EXPECT_EQ(std::bit_cast<uint64_t>(*got), std::bit_cast<uint64_t>(expected))
      << key << " of " << row << ": " << *got;
}

void expect_truth(const ReadLog& log, const Json& truth) {
  EXPECT_EQ(log.notes.damaged, 0) << log.notes.first_damage;
  EXPECT_FALSE(log.notes.truncated);
  ASSERT_EQ(log.steps.size(), truth["steps"].size());
  ASSERT_GT(log.steps.size(), 0u);
  for (size_t i = 0; i < log.steps.size(); ++i) {
    const Json& row = truth["steps"][i];
    EXPECT_EQ(log.steps[i].step, row["step"].get<int64_t>());
    expect_number(row, "loss", log.steps[i].loss);
    expect_number(row, "lr", log.steps[i].lr);
    expect_number(row, "grad_norm", log.steps[i].grad_norm);
  }
  ASSERT_EQ(log.evals.size(), truth["evals"].size());
  for (size_t i = 0; i < log.evals.size(); ++i) {
    const Json& row = truth["evals"][i];
    EXPECT_EQ(log.evals[i].step, row["step"].get<int64_t>());
    EXPECT_EQ(log.evals[i].set, row["set"].get<std::string>());
    expect_number(row, "loss", log.evals[i].loss);
    expect_number(row, "perplexity", log.evals[i].perplexity);
  }
  const auto name = truth["run"].get<std::string>();
  ASSERT_EQ(runs_of(log).size(), name.empty() ? 0u : 1u);
  EXPECT_EQ(name, name.empty() ? "" : runs_of(log)[0].run);
}

TEST(Peers, TensorBoardWithTensorsInTwoFiles) {
  const std::string folder = kFolder + "tensorboard";
  ASSERT_TRUE(is_tfevents_folder(posix_file_system(), folder));
  const ReadLog log = read_log(tfevents_folder_log(posix_file_system(), folder, {}));
  expect_truth(log, truth_of("tensorboard"));
  EXPECT_EQ(log.steps[0].time_us, 1700000001000000);
  EXPECT_EQ(log.steps[40].time_us, 1700001031000000);
  EXPECT_TRUE(log.notes.unused.empty()) << log.notes.unused[0];
}

TEST(Peers, TorchWriterThatPurges) {
  const ReadLog log = read_log(tfevents_folder_log(posix_file_system(), kFolder + "torch", {}));
  expect_truth(log, truth_of("torch"));
  ASSERT_EQ(log.events.size(), 1u);
  EXPECT_EQ(log.events[0].event, "resume");
  EXPECT_EQ(log.events[0].step, 21);
  EXPECT_EQ(order_of(log).find('e'), 27u);  // after 25 steps with two evaluations
}

TEST(Peers, WandbRunFile) {
  const std::string folder = kFolder + "wandb/offline-run-20260101_000000-tiny";
  ASSERT_TRUE(is_wandb_run_folder(posix_file_system(), folder));
  const ReadLog log = read_log(wandb_run_folder_log(posix_file_system(), folder, {}));
  expect_truth(log, truth_of("wandb"));
  EXPECT_EQ(runs_of(log)[0].host, "host");
  EXPECT_EQ(runs_of(log)[0].details["config"]["model"]["widths"], Json::parse("[8,16]"));
  EXPECT_GT(runs_of(log)[0].time_us, 0);
  EXPECT_GE(log.steps[0].time_us, runs_of(log)[0].time_us);
  EXPECT_EQ(log.notes.unused, std::vector<std::string>{"flag"});
}

TEST(Peers, MlflowRunThatStartsAgain) {
  ASSERT_TRUE(is_mlflow_folder(posix_file_system(), kFolder + "mlflow"));
  const ReadLog log = read_log(mlflow_log(posix_file_system(), kFolder + "mlflow", {}));
  expect_truth(log, truth_of("mlflow"));
  EXPECT_EQ(log.steps[0].time_us, 1700000001500000);
  EXPECT_EQ(runs_of(log)[0].details["config"]["layers"], "2");
}

TEST(Peers, TransformersTrainer) {
  const std::string text = content("trainer_state.log");
  ASSERT_TRUE(looks_like_trainer_state(text));
  const ReadLog log = read_log(trainer_state_log, text);
  expect_truth(log, truth_of("trainer_state"));
  EXPECT_EQ(log.notes.averaged, "loss over 5 steps, grad_norm of the last step alone");
}

TEST(Peers, HistoriesOfPandas) {
  for (const char* name : {"pandas.jsonl", "pandas-records.json", "pandas-columns.json"}) {
    SCOPED_TRACE(name);
    const std::string text = content(name);
    ASSERT_TRUE(looks_like_wandb_history(text));
    const ReadLog log = read_log(wandb_history_log, text);
    expect_truth(log, truth_of("pandas"));
    EXPECT_EQ(log.steps[39].time_us, 1700000039000000);
  }
}

}  // namespace
}  // namespace ballast
