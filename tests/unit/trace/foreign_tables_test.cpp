// The readers of tables against files that pandas and Lightning wrote: every number, bit by bit.
// The files and the numbers beside them come from tests/golden/trace/foreign/tables.py.
#include <cmath>

#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/trace/foreign/json_lines.h"
#include "libcore/trace/foreign/table.h"
#include "libcore/trace/foreign/wandb_csv.h"
#include "tests/unit/trace/foreign_support.h"

namespace ballast {
namespace {

std::string content(const std::string& name) {
  return read_file(posix_file_system(), BALLAST_SOURCE_DIR "/tests/golden/trace/foreign/" + name)
      .take_value();
}

// `inf_is_lost`: the format has no word for it.
void expect_truth(const ReadLog& log, bool inf_is_lost = false) {
  const Json truth = parse_json(content("tables.json"), "").take_value();
  EXPECT_EQ(log.notes.damaged, 0) << log.notes.first_damage;
  EXPECT_FALSE(log.notes.truncated);
  ASSERT_EQ(log.steps.size(), 24u);
  ASSERT_EQ(truth["steps"].size(), 24u);
  for (size_t i = 0; i < log.steps.size(); ++i) {
    const Json& row = truth["steps"][i];
    EXPECT_EQ(log.steps[i].step, row["step"].get<int64_t>());
    EXPECT_EQ(log.steps[i].loss, number_of(row["loss"], "").take_value());
    EXPECT_EQ(log.steps[i].lr, number_of(row["lr"], "").take_value());
    const double norm = number_of(row["grad_norm"], "").take_value();
    if (inf_is_lost && std::isinf(norm)) {
      EXPECT_FALSE(log.steps[i].grad_norm);
    } else {
      EXPECT_EQ(log.steps[i].grad_norm, norm);
    }
  }
  ASSERT_EQ(log.evals.size(), 3u);
  ASSERT_EQ(truth["evals"].size(), 3u);
  for (size_t i = 0; i < log.evals.size(); ++i) {
    EXPECT_EQ(log.evals[i].step, truth["evals"][i]["step"].get<int64_t>());
    EXPECT_EQ(log.evals[i].loss, truth["evals"][i]["loss"].get<double>());
  }
}

TEST(TablePeers, PandasCsvAndTsv) {
  for (const char* name : {"pandas.csv", "pandas.tsv"}) {
    SCOPED_TRACE(name);
    const std::string text = content(name);
    ASSERT_TRUE(looks_like_table(text));
    const ReadLog log = read_log(table_log(memory_source(text), {}).take_value());
    expect_truth(log);
    EXPECT_EQ(log.notes.unused, (std::vector<std::string>{"a \"note\", in\nquotes"}));
  }
}

TEST(TablePeers, PandasChart) {
  const std::string text = content("chart.csv");
  ASSERT_TRUE(looks_like_wandb_csv(text));
  const ReadLog log = read_log(wandb_csv_log(memory_source(text), {}).take_value());
  expect_truth(log);
  EXPECT_EQ(log.notes.averaged, "");
}

TEST(TablePeers, PandasJsonLines) {
  const std::string text = content("tables.jsonl");
  ASSERT_TRUE(looks_like_json_lines(text));
  expect_truth(read_log(json_lines_log(memory_source(text), {}).take_value()), true);
}

TEST(TablePeers, LightningCsvLogger) {
  const std::string text = content("lightning.csv");
  ASSERT_TRUE(looks_like_table(text));
  expect_truth(read_log(table_log(memory_source(text), {}).take_value()));
}

}  // namespace
}  // namespace ballast
