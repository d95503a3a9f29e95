// Hugging Face's trainer_state.json and MLflow's file store.
#include <cmath>

#include "libcore/trace/foreign/mlflow.h"
#include "libcore/trace/foreign/trainer_state.h"
#include "tests/unit/trace/foreign_logs.h"

namespace ballast {
namespace {

constexpr const char* kState = R"({
  "best_metric": null, "epoch": 1.0, "global_step": 30,
  "log_history": [
    {"epoch": 0.1, "grad_norm": 1.5, "learning_rate": 0.001, "loss": 5.25, "step": 10},
    {"epoch": 0.2, "grad_norm": NaN, "learning_rate": 0.002, "loss": NaN, "step": 20},
    {"epoch": 0.2, "eval_loss": 4.5, "eval_runtime": 1.0, "step": 20},
    {"epoch": 0.3, "eval_wiki_loss": 4.25, "eval_code_loss": 3, "eval_accuracy": 0.5, "step": 20},
    7, {"loss": 3},
    {"epoch": 0.3, "learning_rate": 0.003, "loss": 4.0, "step": 30},
    {"epoch": 0.3, "total_flos": 1e12, "train_loss": 4.4, "train_runtime": 9.0, "step": 30}
  ],
  "logging_steps": 10, "max_steps": 30,
  "stateful_callbacks": {"log_history": [{"loss": 99, "step": 1}]}
})";

TEST(TrainerState, ItemsBecomeStepsAndEvaluations) {
  ASSERT_TRUE(looks_like_trainer_state(kState));
  const ReadLog log = read_log(trainer_state_log, kState);
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{10, 20, 30}));
  EXPECT_EQ(order_of(log), "ssvvvs");
  EXPECT_EQ(log.steps[0].loss, 5.25);
  EXPECT_EQ(log.steps[0].lr, 0.001);
  EXPECT_EQ(log.steps[0].grad_norm, 1.5);
  EXPECT_TRUE(std::isnan(*log.steps[1].loss));
  EXPECT_EQ(log.steps[2].loss, 4.0);  // not the mean of the whole run
  EXPECT_EQ(log.steps[2].grad_norm, std::nullopt);
  EXPECT_EQ(log.evals[0].loss, 4.5);
  EXPECT_EQ(log.evals[0].set, "");
  EXPECT_EQ(log.evals[1].set, "wiki");
  EXPECT_EQ(log.evals[2].set, "code");
  EXPECT_EQ(log.notes.averaged, "loss over 10 steps, grad_norm of the last step alone");
  EXPECT_EQ(log.notes.damaged, 2);  // 7, and the item without a step
  EXPECT_EQ(log.notes.first_damage, "an item of the history is no object");
}

TEST(TrainerState, EveryStepLoggedIsNoMean) {
  const ReadLog each = read_log(trainer_state_log,
                                R"({"log_history": [{"loss": 1, "step": 1}], "logging_steps": 1})");
  EXPECT_EQ(each.notes.averaged, "");
  const ReadLog old = read_log(trainer_state_log, R"({"log_history": [{"loss": 1, "step": 1}]})");
  EXPECT_EQ(old.notes.averaged,
            "loss over the steps since the record before, grad_norm of the last step alone");
}

TEST(TrainerState, ATornFileGivesWhatIsWhole) {
  const std::string text = kState;
  const ReadLog log =
      read_log(trainer_state_log, text.substr(0, text.find("\"learning_rate\": 0.002")));
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{10}));
  EXPECT_TRUE(log.notes.truncated);
  EXPECT_EQ(log.notes.damaged, 0);
  std::string bad = text;
  bad.replace(bad.find("NaN"), 3, "oop");
  const ReadLog damaged = read_log(trainer_state_log, bad);
  EXPECT_EQ(steps_of(damaged), (std::vector<int64_t>{10}));
  EXPECT_EQ(damaged.notes.damaged, 1);
  EXPECT_FALSE(damaged.notes.truncated);
}

TEST(TrainerState, IsToldByItsContent) {
  for (const char* text :
       {"", "{}", "[]", R"({"log_history": 3})", R"({"a": {"log_history": []}})", "{\"loss\": 1}"})
    EXPECT_FALSE(looks_like_trainer_state(text)) << text;
  EXPECT_EQ(error_of(trainer_state_log(memory_source("[]"), {})),
            "the file is no JSON object: memory");
}

TEST(Mlflow, LinesOfTwoThreeAndMoreFields) {
  const auto line = [](const char* text) { return parse_mlflow_line(text); };
  ASSERT_TRUE(line("1700000000123 0.5 7").has_value());
  EXPECT_EQ(line("1700000000123 0.5 7")->time_ms, 1700000000123);
  EXPECT_EQ(line("1700000000123 0.5 7")->value, 0.5);
  EXPECT_EQ(line("1700000000123 0.5 7")->step, 7);
  EXPECT_EQ(line("1 2.5")->step, 0);
  EXPECT_EQ(line("1 2.5 3 data set")->step, 3);
  EXPECT_EQ(line("1 2.5 3\r")->step, 3);
  EXPECT_TRUE(std::isnan(line("1 nan 3")->value));
  EXPECT_TRUE(std::isinf(line("1 -inf 3")->value));
  for (const char* bad :
       {"", "1", "1 x 3", "x 1 3", "1 2 x", "1 2 -3", "1  2 3", "1 2 3.5", "1.5 2 3"})
    EXPECT_FALSE(line(bad).has_value()) << bad;
}

struct MlflowFolder : testing::Test {
  MlflowFolder() {
    put_file(
        fs, "/run/meta.yaml",
        "run_id: abc\nrun_name: 'my run'\nstart_time: 1700000000000\nstatus: 3\nend_time: null\n");
    put_file(fs, "/run/metrics/train/loss",
             "1000 5 1\n2000 4 2\n3000 3 3\n4000 4.5 2\n5000 3.5 3\n");
    put_file(fs, "/run/metrics/lr", "1001 0.1 1\n2001 0.2 2\n3001 0.3 3\n4001 0.4 2\n5001 0.5 3\n");
    put_file(fs, "/run/metrics/eval_loss", "3002 9 3\n");
    put_file(fs, "/run/metrics/system/gpu", "1 1 1\n");
    put_file(fs, "/run/params/layers", "2");
  }
  MemoryFileSystem fs;
};

TEST_F(MlflowFolder, MetricsAreJoinedByStep) {
  ASSERT_TRUE(is_mlflow_folder(fs, "/run"));
  EXPECT_FALSE(is_mlflow_folder(fs, "/run/metrics"));
  const ReadLog log = read_log(mlflow_log(fs, "/run", {}));
  EXPECT_EQ(order_of(log),
            "rsssv"
            "ss");
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 2, 3}));
  EXPECT_EQ(log.steps[3].loss, 4.5);
  EXPECT_EQ(log.steps[3].lr, 0.4);
  EXPECT_EQ(log.steps[0].time_us, 1000000);
  EXPECT_EQ(runs_of(log)[0].run, "my run");
  EXPECT_EQ(runs_of(log)[0].time_us, 1700000000000000);
  EXPECT_EQ(runs_of(log)[0].details["config"]["layers"], "2");
  EXPECT_EQ(log.notes.records, 11);
  EXPECT_EQ(log.notes.unused, std::vector<std::string>{"system/gpu"});
}

TEST_F(MlflowFolder, DamagedLinesAreNamed) {
  put_file(fs, "/run/metrics/grad_norm", "1000 1 1\noops\n3000 3 3\n4000 4");
  const ReadLog log = read_log(mlflow_log(fs, "/run", {}));
  EXPECT_EQ(log.notes.damaged, 1);
  EXPECT_EQ(log.notes.first_damaged, 2);
  EXPECT_EQ(log.notes.first_damage, "a line is no metric in grad_norm");
  EXPECT_TRUE(log.notes.truncated);
  EXPECT_EQ(log.steps[2].grad_norm, 3);
}

TEST_F(MlflowFolder, SaysWhichColumnsItHas) {
  ImportOptions options;
  options.map = {{"loss", "mine"}};
  EXPECT_EQ(
      error_of(mlflow_log(fs, "/run", options)),
      "no column 'mine': /run/metrics (it has 'eval_loss', 'lr', 'system/gpu', 'train/loss')");
}

}  // namespace
}  // namespace ballast
