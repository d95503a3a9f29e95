#include "libcore/guard/diagnosis.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ballast {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kOnset = 1201;

// A run of 1500 steps, its loss spike at kOnset with the norm one step ahead. Everything else is
// quiet and recorded, so that each test changes what one cause would leave behind.
struct Made {
  RunHistory history;

  Made() {
    history.path = "made";
    start(0, std::nullopt, std::nullopt);
    for (int64_t step = 1; step <= 1500; ++step) add(0, step);
    spike(kOnset);
  }

  void start(int64_t id, std::optional<int64_t> parent, std::optional<int64_t> parent_step) {
    Segment segment;
    segment.id = id;
    segment.parent = parent;
    segment.parent_step = parent_step;
    segment.surviving = true;
    history.segments.push_back(segment);
    RunRecord run;
    run.segment = id;
    run.parent = parent;
    run.parent_step = parent_step;
    run.ranks = 4;
    run.optimizer = "adamw:beta1=0.9,beta2=0.98,eps=1e-08,decay=0.1";
    history.runs.push_back(run);
  }

  void add(int64_t segment, int64_t step) {
    const auto t = static_cast<double>(step);
    StepRow row;
    row.segment = segment;
    row.step = step;
    row.time_us = step * 1000000;
    row.tokens = step * 1000;
    row.samples = step * 10;
    row.batch_start = (step - 1) * 10;
    row.loss = 3 + 0.02 * std::sin(2.1 * t);
    row.norm = 1 + 0.05 * std::cos(1.3 * t);
    row.norm_clipped = row.norm;
    row.threshold = kNone;
    row.lr = 1e-4;
    row.tokens_per_s = 1000;
    row.step_ms = 1000;
    row.param_norm = 100;
    row.v_norm = 1;
    row.update_rms = 1;
    row.loss_max_rank = static_cast<float>(row.loss * 1.05);
    row.has_loss = row.has_norm = row.surviving = true;
    history.rows.push_back(row);
    if (step == 1300) history.rows.back().lr = 1e-3;  // the peak is elsewhere
    for (int32_t source = 0; source < 2; ++source)
      history.source_losses.push_back(
          {history.rows.size() - 1, source, static_cast<float>(row.loss + source)});
    if (history.sources.empty()) history.sources = {"web", "code"};
    if (step % 50 == 0) history.layers.push_back({segment, step, 10, 2});
  }

  StepRow& at(int64_t step, int64_t segment = 0) {
    for (StepRow& row : history.rows)
      if (row.step == step && row.segment == segment) return row;
    throw std::logic_error("no such step");
  }

  // Norm up at the step before, loss up for ten steps.
  void spike(int64_t onset, int64_t segment = 0) {
    at(onset - 1, segment).norm = 3.5;
    at(onset - 1, segment).v_norm = 6;
    for (int64_t step = onset; step < onset + 10; ++step) {
      StepRow& row = at(step, segment);
      row.loss = 5;
      row.loss_max_rank = 5.2F;
      row.norm = 3.5;
      row.v_norm = 8;
    }
  }

  void event(int64_t step, const std::string& name, const Json& details = nullptr,
             const std::string& reason = "why") {
    EventRecord event;
    event.step = step;
    event.event = name;
    event.reason = reason;
    event.details = details;
    history.events.push_back(event);
  }

  // Of the incident at `onset`, which must be there.
  Diagnosis diagnose(int64_t onset = kOnset, int64_t segment = 0,
                     const TokenEvidence& tokens = {}) const {
    const std::vector<RunIncident> incidents = find_incidents(history);
    for (const RunIncident& incident : incidents)
      if (incident.segment == segment && incident.first <= onset && incident.last >= onset)
        return Diagnoser(history, incidents).diagnose(incident, tokens);
    ADD_FAILURE() << "no incident at " << onset;
    Diagnosis none;
    none.causes.emplace_back();
    return none;
  }
};

double weight_of(const Diagnosis& diagnosis, Cause cause) {
  for (const WeighedCause& weighed : diagnosis.causes)
    if (weighed.cause == cause) return weighed.weight;
  return kNone;
}

bool has(const Diagnosis& diagnosis, Cause cause, Evidence::Kind kind) {
  for (const WeighedCause& weighed : diagnosis.causes)
    for (const Evidence& evidence : weighed.evidence)
      if (weighed.cause == cause && evidence.kind == kind) return true;
  return false;
}

TEST(Diagnosis, IsUndeterminedWhereNothingStandsOut) {
  const Diagnosis d = Made().diagnose();
  EXPECT_FALSE(d.verdict.has_value());
  EXPECT_EQ(d.weight(), 0);
  ASSERT_EQ(d.causes.size(), static_cast<size_t>(kCauses));
  for (const WeighedCause& cause : d.causes)
    EXPECT_LT(cause.weight, 0.5) << cause_name(cause.cause);
  EXPECT_EQ(to_json(d)["cause"], "undetermined");
  EXPECT_NE(diagnosis_sentence(d).find("undetermined"), std::string::npos);
}

TEST(Diagnosis, WithoutEvidenceIsNotConfident) {
  Made made;
  for (StepRow& row : made.history.rows) {
    row.param_norm = row.v_norm = row.update_rms = row.loss_max_rank = static_cast<float>(kNone);
    row.norm = row.lr = row.step_ms = kNone;
    row.has_norm = false;
    row.batch_start = -1;
  }
  made.history.sources.clear();
  made.history.source_losses.clear();
  made.history.layers.clear();
  made.history.runs.clear();
  const Diagnosis d = made.diagnose();
  EXPECT_FALSE(d.verdict.has_value());
  for (const WeighedCause& cause : d.causes) EXPECT_EQ(cause.weight, 0) << cause_name(cause.cause);
  for (const Cause cause :
       {Cause::hardware, Cause::rare_tokens, Cause::stale_beta2, Cause::learning_rate,
        Cause::parameter_norm, Cause::logit_growth, Cause::data})
    EXPECT_TRUE(has(d, cause, Evidence::Kind::not_recorded)) << cause_name(cause);
}

TEST(Diagnosis, AnInjectedFaultIsAProof) {
  Made made;
  made.event(kOnset - 1, "inject", nullptr, "spike@1200:x=30");
  made.event(kOnset, "hardware");  // comes after it in the table
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::injected);
  EXPECT_NEAR(d.weight(), .95, 1e-15);
  EXPECT_NE(diagnosis_sentence(d).find("injected fault (0.95)"), std::string::npos);
  made.history.events.front().step = kOnset - 100;
  EXPECT_NE(made.diagnose().verdict, Cause::injected);
}

TEST(Diagnosis, OtherBitsAreHardwareAndTheSameBitsAreNot) {
  Made made;
  made.event(kOnset, "hardware", Json{{"rank", 3}, {"host", "node7"}}, "other bits");
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::hardware);
  EXPECT_NE(d.causes[0].evidence[0].text.find("rank 3 host \"node7\""), std::string::npos);

  Made same;
  same.at(kOnset).step_ms = 4000;
  const double slow = weight_of(same.diagnose(), Cause::hardware);
  EXPECT_NEAR(slow, .15, 1e-12);
  same.event(kOnset, "spike", Json{{"rerun", "same bits"}});
  EXPECT_EQ(weight_of(same.diagnose(), Cause::hardware), 0);  // the slow step was the second pass
}

TEST(Diagnosis, ABranchThatPassesWithTheSameBitsBeforeItIsHardware) {
  Made made;
  made.start(1, 0, 1100);
  for (StepRow& row : made.history.rows) row.surviving = row.step <= 1100;
  made.history.segments[0].cut = 1100;
  for (int64_t step = 1101; step <= 1500; ++step) made.add(1, step);
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::hardware);
  EXPECT_NEAR(d.weight(), .7, 1e-12);
  EXPECT_TRUE(has(d, Cause::data, Evidence::Kind::contradicts));
  made.at(1150, 1).loss += 1e-9;  // other bits before it: nothing follows
  EXPECT_LT(weight_of(made.diagnose(), Cause::hardware), .5);
}

TEST(Diagnosis, APlannedChangeIsNoSpike) {
  Made made;
  for (int64_t step = kOnset - 1; step < kOnset + 10; ++step) {
    made.at(step).norm = 1;
    made.at(step).v_norm = 1;
  }
  made.event(kOnset - 2, "clip");  // does not restart the statistics, so the spike is seen
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::planned_change);
  EXPECT_NEAR(d.weight(), 1 - .4 * .7, 1e-12);
}

TEST(Diagnosis, AChangeWithoutAnEventIsSeenInTheColumns) {
  Made made;
  for (StepRow& row : made.history.rows) {
    if (row.step < kOnset) continue;
    row.tokens += (row.step - kOnset + 1) * 1000;
    if (row.step < kOnset + 10) row.norm = 1;
  }
  made.at(kOnset - 1).norm = 1;
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::planned_change);
  EXPECT_NE(d.causes[0].evidence[0].text.find("2000 tokens, before 1000"), std::string::npos);
}

TEST(Diagnosis, AFewSequencesAndASuddenNormAreRareTokens) {
  Made made;
  made.event(kOnset - 1, "spike", Json{{"sample_losses", {14.2, 9.0, 3.4, 3.2, 3.1}}});
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::rare_tokens);
  EXPECT_NEAR(d.weight(), 1 - .6 * .75, 1e-12);
  // All sequences alike: the model is broken, not the data.
  made.history.events[0].details["sample_losses"] = {5.2, 5.1, 5.0};
  EXPECT_FALSE(made.diagnose().verdict.has_value());
}

TEST(Diagnosis, TokensThatAreRareSpeakForRareTokensAndOrdinaryOnesAgainst) {
  Made made;
  const auto weight = [&](double mean_z, double highest_z) {
    const TokenEvidence tokens{200, {kOnset, 9.5, 6.9, mean_z}, {kOnset, 13, 7.6, highest_z}};
    return weight_of(made.diagnose(kOnset, 0, tokens), Cause::rare_tokens);
  };
  const double rest = weight_of(made.diagnose(), Cause::rare_tokens);  // a sudden norm
  EXPECT_NEAR(rest, .25, 1e-12);
  EXPECT_NEAR(weight(6, 0), 1 - .75 * .55, 1e-12);
  EXPECT_NEAR(weight(5.9, 6), 1 - .75 * .65, 1e-12);
  EXPECT_NEAR(weight(3, 0), rest, 1e-12);
  EXPECT_NEAR(weight(1.9, 3.9), rest * .5, 1e-12);
  EXPECT_TRUE(has(made.diagnose(), Cause::rare_tokens, Evidence::Kind::not_recorded));
}

TEST(Diagnosis, ASecondMomentThatLagsIsStaleBeta2) {
  Made made;
  made.history.runs[0].optimizer = "adamw:beta1=0.9,beta2=0.999,eps=1e-08,decay=0.1";
  for (int64_t step = kOnset - 1; step < kOnset + 5; ++step) {
    made.at(step).norm = 10;
    made.at(step).v_norm = 1.1F;
    made.at(step).update_rms = 6;
  }
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::stale_beta2);
  EXPECT_NEAR(d.weight(), 1 - .55 * .55 * .8, 1e-12);
  made.history.runs[0].optimizer = "adamw:beta1=0.9,beta2=0.95,eps=1e-08,decay=0.1";
  EXPECT_NEAR(weight_of(made.diagnose(), Cause::stale_beta2), (1 - .55 * .55) * .5, 1e-12);
  made.history.runs[0].optimizer = "adamw:xbeta2=0.999";
  EXPECT_TRUE(has(made.diagnose(), Cause::stale_beta2, Evidence::Kind::not_recorded));
}

TEST(Diagnosis, SpikesAtThePeakAfterGrowingNormsAreTheLearningRate) {
  Made made;
  for (StepRow& row : made.history.rows) {
    row.lr = row.step >= 600 ? 1e-3 : 1e-4;
    if (row.step >= 1001 && row.step < kOnset - 1) row.norm *= 1 + .005 * double(row.step - 1001);
  }
  made.spike(800);
  made.spike(900);
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::learning_rate);
  EXPECT_NEAR(d.weight(), 1 - .85 * .65 * .75, 1e-12);
  for (StepRow& row : made.history.rows) row.lr = row.step < 600 ? 1e-3 : 1e-4;
  EXPECT_TRUE(has(made.diagnose(), Cause::learning_rate, Evidence::Kind::contradicts));
}

TEST(Diagnosis, AParameterNormThatSpeedsUpIsNamed) {
  Made made;
  for (StepRow& row : made.history.rows)
    if (row.step > 800) row.param_norm = static_cast<float>(100 + .05 * double(row.step - 800));
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::parameter_norm);
  EXPECT_NEAR(d.weight(), .55, 1e-12);
  made.history.runs[0].optimizer = "adamw:beta1=0.9,beta2=0.98,eps=1e-08,decay=0";
  EXPECT_NEAR(weight_of(made.diagnose(), Cause::parameter_norm), 1 - .45 * .85, 1e-12);
  EXPECT_TRUE(has(Made().diagnose(), Cause::parameter_norm, Evidence::Kind::contradicts));
}

TEST(Diagnosis, GrowingLogitsAreNamed) {
  Made made;
  for (LayersRow& row : made.history.layers)
    if (row.step == 1200) row = {0, 1200, 140, .5};
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::logit_growth);
  EXPECT_NEAR(d.weight(), 1 - .5 * .8 * .8, 1e-12);
  EXPECT_TRUE(has(Made().diagnose(), Cause::logit_growth, Evidence::Kind::contradicts));
}

TEST(Diagnosis, OneSourceThatJumpsIsTheDataAndAllOfThemAreNot) {
  Made made;
  for (SourceLoss& entry : made.history.source_losses)
    if (made.history.rows[entry.row].step == kOnset && entry.source == 1) entry.loss = 9;
  const Diagnosis d = made.diagnose();
  EXPECT_EQ(d.verdict, Cause::data);
  EXPECT_NEAR(d.weight(), .6, 1e-12);
  EXPECT_NE(d.causes[0].evidence[0].text.find("source code is 9, before 4"), std::string::npos);
  for (SourceLoss& entry : made.history.source_losses)
    if (made.history.rows[entry.row].step == kOnset) entry.loss = 9;
  EXPECT_EQ(weight_of(made.diagnose(), Cause::data), 0);
  EXPECT_TRUE(has(made.diagnose(), Cause::data, Evidence::Kind::contradicts));
}

TEST(Diagnosis, TheSameSamplesAgainPointToTheDataAndOtherOnesToTheRate) {
  Made made;
  made.start(1, 0, 1100);
  for (StepRow& row : made.history.rows) row.surviving = row.step <= 1100;
  made.history.segments[0].cut = 1100;
  for (int64_t step = 1101; step <= 1500; ++step) made.add(1, step);
  made.spike(kOnset, 1);
  const Diagnosis same = made.diagnose();
  EXPECT_NEAR(weight_of(same, Cause::data), .45, 1e-12);
  EXPECT_GE(weight_of(same, Cause::rare_tokens), .3);
  for (StepRow& row : made.history.rows)
    if (row.segment == 1) row.batch_start += 5000;
  const Diagnosis other = made.diagnose();
  EXPECT_EQ(weight_of(other, Cause::data), 0);
  EXPECT_GE(weight_of(other, Cause::learning_rate), weight_of(same, Cause::learning_rate));
  EXPECT_TRUE(has(other, Cause::learning_rate, Evidence::Kind::supports));
}

TEST(Diagnosis, TwoCausesOfLikeWeightLeaveItOpen) {
  Made made;
  for (SourceLoss& entry : made.history.source_losses)
    if (made.history.rows[entry.row].step == kOnset && entry.source == 1) entry.loss = 9;
  for (StepRow& row : made.history.rows)
    if (row.step > 800) row.param_norm = static_cast<float>(100 + .05 * double(row.step - 800));
  const Diagnosis d = made.diagnose();  // .6 and .55
  EXPECT_FALSE(d.verdict.has_value());
  EXPECT_EQ(d.causes[0].cause, Cause::data);
  EXPECT_EQ(diagnosis_sentence(d), "undetermined (heaviest: data, 0.60)");
}

TEST(Diagnosis, JsonListsEveryCauseWithItsEvidence) {
  Made made;
  made.event(kOnset, "hardware");
  const Json json = to_json(made.diagnose());
  EXPECT_EQ(json["cause"], "hardware");
  EXPECT_EQ(json["causes"].size(), static_cast<size_t>(kCauses));
  EXPECT_EQ(json["causes"][0]["proof"], true);
  EXPECT_EQ(json["causes"][0]["evidence"][0]["kind"], "for");
}

}  // namespace
}  // namespace ballast
