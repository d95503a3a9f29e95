#include "libcore/guard/incidents.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

RunHistory golden(const std::string& name) {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/trace/v1/" + name;
  return load_history(posix_file_system(), path, false).take_value();
}

TEST(RunHistory, KnowsTheLineThatSurvivedAndThoseThatWereLeft) {
  const RunHistory history = golden("branches.jsonl");
  ASSERT_EQ(history.segments.size(), 3u);
  EXPECT_EQ(history.rows.size(), 199u);
  EXPECT_EQ(history.health.hidden_steps, 39);
  const std::vector<size_t> line = history.surviving_line();
  ASSERT_EQ(line.size(), 160u);
  for (size_t i = 0; i < line.size(); ++i)
    EXPECT_EQ(history.rows[line[i]].step, static_cast<int64_t>(i) + 1);
  EXPECT_EQ(history.line_of(0).size(), 70u);
  EXPECT_EQ(history.line_of(1).size(), 129u);
  EXPECT_EQ(history.line_of(2), line);
}

TEST(Incidents, CleanRunHasNone) { EXPECT_TRUE(find_incidents(golden("clean.jsonl")).empty()); }

TEST(Incidents, JoinWhatTheDetectorSawWithTheVerdictInHindsight) {
  const std::vector<RunIncident> found = find_incidents(golden("incidents.jsonl"));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].first, 90);
  EXPECT_EQ(found[0].onset, 91);
  EXPECT_EQ(found[0].detected, 90);
  EXPECT_TRUE(found[0].detected_norm);
  EXPECT_EQ(found[0].verdict.type, IncidentType::recoverable);
  EXPECT_EQ(found[0].verdict.lead, 1);
  EXPECT_EQ(found[1].first, 130);
  EXPECT_EQ(found[1].last, 130);
  EXPECT_TRUE(found[1].nonfinite);
  EXPECT_EQ(found[1].skipped_steps, 1);
  EXPECT_EQ(found[1].samples_begin, 129 * 16);
  EXPECT_EQ(found[1].samples_end, 130 * 16);
  EXPECT_EQ(found[1].tokens_lost, 4096);
}

TEST(Incidents, OnAnAbandonedBranchAreFoundAndMarked) {
  const std::vector<RunIncident> found = find_incidents(golden("branches.jsonl"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].segment, 1);
  EXPECT_TRUE(found[0].abandoned);
  EXPECT_EQ(found[0].onset, 120);
  EXPECT_EQ(found[0].last, 129);
  EXPECT_EQ(found[0].verdict.type, IncidentType::divergent);
  EXPECT_TRUE(found[0].verdict.provisional);
}

TEST(Incidents, JsonNamesWhatARollbackNeeds) {
  const Json json = to_json(find_incidents(golden("incidents.jsonl")).front());
  for (const char* key : {"id", "segment", "first", "onset", "last", "class", "samples_begin",
                          "samples_end", "recovery", "norm_onset", "lead"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["first"], 90);
}

}  // namespace
}  // namespace ballast
