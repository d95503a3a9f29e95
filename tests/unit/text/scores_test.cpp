#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "libcore/text/language/language_policy.h"
#include "libcore/text/scores/quantiles.h"
#include "libcore/text/scores/score_plan.h"

namespace ballast {
namespace {

std::string golden_path(const std::string& name) {
  return std::string(BALLAST_SOURCE_DIR) + "/tests/golden/fasttext/" + name;
}
std::shared_ptr<const FastTextModel> language_model() {
  return FastTextModel::load(posix_file_system(), golden_path("softmax.bin")).take_value();
}

TEST(LanguageCode, TwoAndThreeLettersScriptsAndRegions) {
  EXPECT_EQ(parse_language("en"), parse_language("__label__eng"));
  EXPECT_EQ(parse_language("eng_latn"), (LanguageCode{"eng", "Latn"}));
  EXPECT_EQ(parse_language("zh-Hant-TW"), (LanguageCode{"zho", "Hant"}));
  EXPECT_EQ(parse_language("en-US"), (LanguageCode{"eng", ""}));
  EXPECT_TRUE(language_matches(parse_language("zh"), parse_language("zho_Hans")));
  EXPECT_FALSE(language_matches(parse_language("zho_Hant"), parse_language("zho_Hans")));
  EXPECT_FALSE(language_matches(parse_language("zho_Hant"), parse_language("zh")));
}

TEST(LanguagePolicy, GivenLabelsWithoutAModel) {
  const LanguagePolicy policy = LanguagePolicy::make("en,deu", "", nullptr).take_value();
  FastTextBuffers buffers;
  EXPECT_EQ(policy.judge("x", "en-GB", buffers).outcome, LanguageOutcome::wanted);
  EXPECT_EQ(policy.judge("x", "de", buffers).outcome, LanguageOutcome::wanted);
  EXPECT_EQ(policy.judge("x", "fr", buffers).outcome, LanguageOutcome::other);
  EXPECT_EQ(policy.judge("x", "", buffers).outcome, LanguageOutcome::missing);
  EXPECT_FALSE(LanguagePolicy::make("en", "0.5", nullptr).ok());
  for (const char* bad : {"en,,de", "en,", "_Latn", "__label__", "de _Latn"})
    EXPECT_FALSE(LanguagePolicy::make(bad, "", nullptr).ok()) << bad;
}

TEST(LanguagePolicy, ModelsNameTheLanguageWhateverIsSaid) {
  const LanguagePolicy policy = LanguagePolicy::make("de", "", language_model()).take_value();
  FastTextBuffers buffers;
  LanguageVerdict verdict = policy.judge("Das Haus und der Garten im Winter", "en", buffers);
  EXPECT_EQ(verdict.outcome, LanguageOutcome::wanted);
  EXPECT_EQ(verdict.label, "de");
  EXPECT_GT(verdict.score, 0.9);
  verdict = policy.judge("les enfants et le pain", "", buffers);
  EXPECT_EQ(verdict.outcome, LanguageOutcome::other);
  EXPECT_EQ(verdict.label, "fr");
}

TEST(LanguagePolicy, ThresholdsByLanguage) {
  FastTextBuffers buffers;
  const std::string text = "Das Haus und der Garten im Winter";
  const auto outcome = [&](const char* thresholds) {
    return LanguagePolicy::make("", thresholds, language_model())
        .take_value()
        .judge(text, "", buffers);
  };
  EXPECT_EQ(outcome("").outcome, LanguageOutcome::wanted);
  EXPECT_EQ(outcome("1").outcome, LanguageOutcome::uncertain);
  EXPECT_EQ(outcome("1,de=0.5").outcome, LanguageOutcome::wanted);
  EXPECT_EQ(outcome("0.1,deu=1").outcome, LanguageOutcome::uncertain);
  EXPECT_DOUBLE_EQ(outcome("0.1,deu=1").limit, 1);
  EXPECT_EQ(outcome("1, deu_Latn = 1, de = 0.5").outcome, LanguageOutcome::wanted);
  for (const char* bad :
       {"2", "de=x", "-1", "de=", "nan", "=1", "_Latn=1", "0.5,0.6", "de=0.5,deu=0.6", "0.5,"}) {
    EXPECT_FALSE(LanguagePolicy::make("", bad, language_model()).ok()) << bad;
  }
  EXPECT_FALSE(LanguagePolicy::make("ja", "", language_model()).ok());
}

TEST(TextChunks, EndAtWhiteSpaceAndAreTheText) {
  EXPECT_EQ(text_chunks("ab cd ef", 4), (std::vector<std::string_view>{"ab ", "cd ", "ef"}));
  EXPECT_EQ(text_chunks("abcdef", 4), (std::vector<std::string_view>{"abcd", "ef"}));
  EXPECT_EQ(text_chunks("\u00e9\u00e9\u00e9", 2),
            (std::vector<std::string_view>{"\u00e9\u00e9", "\u00e9"}));
  EXPECT_TRUE(text_chunks("", 4).empty());
}

Document document(const std::string& line) {
  return DocumentParser().parse(line, "line").take_value();
}

TEST(ScorePlan, NumbersOfMetadata) {
  const Document doc = document(R"({"text":"x","score":2,"metadata":{"edu":{"s":0.5},"t":"no"},)"
                                R"("ballast":{"scores":{"q":0.25}}})");
  EXPECT_EQ(document_number(doc, "score"), 2);
  EXPECT_EQ(document_number(doc, "metadata.edu.s"), 0.5);
  EXPECT_EQ(document_number(doc, "ballast.scores.q"), 0.25);
  for (const char* none :
       {"metadata", "metadata.t", "metadata.edu.s.x", "none", "ballast.scores.r"}) {
    EXPECT_EQ(document_number(doc, none), std::nullopt) << none;
  }
}

ScoreVerdict judged(const std::vector<std::string>& scores, const std::vector<std::string>& limits,
                    Document& doc) {
  ScorePlan plan;
  for (const std::string& spec : scores) {
    Result<void> added = plan.add_score(spec, posix_file_system());
    EXPECT_TRUE(added.ok()) << (added.ok() ? "" : added.error().message());
  }
  for (const std::string& spec : limits) EXPECT_TRUE(plan.add_limit(spec).ok()) << spec;
  ScoreBuffers buffers;
  return plan.judge(doc, buffers);
}

TEST(ScorePlan, LimitsAndTheirReasons) {
  Document doc = document(R"({"text":"x","score":2})");
  EXPECT_EQ(judged({"a=metadata:score"}, {"a>=2", "a<=2", "a > 1.5", "a<2.1"}, doc).reason, "");
  EXPECT_EQ(doc.ballast["scores"]["a"], 2);
  const ScoreVerdict verdict = judged({"a=metadata:score"}, {"a>2"}, doc);
  EXPECT_EQ(verdict.reason, "a");
  EXPECT_EQ(verdict.value, 2);
  EXPECT_EQ(judged({}, {"a<2"}, doc).reason, "a");  // of the earlier run
  EXPECT_EQ(judged({"b=metadata:none"}, {"b<2"}, doc).reason, "b.missing");
}

TEST(ScorePlan, FastTextOverTextChunksAndTheFirst) {
  const std::string whole = "=fasttext:" + golden_path("softmax.bin") + ",label=de";
  const std::string spec = whole + ",chunk=40,over=";
  Document doc = document(
      R"({"text":"the river goes over the small bridge in the evening Das Haus und der Garten im Winter"})");
  judged({"max" + spec + "max", "first" + spec + "first", "text" + whole}, {}, doc);
  const Json& scores = doc.ballast["scores"];
  EXPECT_GT(scores["max"], 0.9);
  EXPECT_LT(scores["first"], 0.1);
  EXPECT_GT(scores["text"], scores["first"]);
  EXPECT_LT(scores["text"], scores["max"]);
}

TEST(ScorePlan, LinearModelsBesideFastText) {
  const std::string file = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/linear/counts.json";
  const std::string chunks = "=linear:" + file + ",chunk=8,over=";
  Document doc = document(R"({"text":"careful casino casino"})");
  EXPECT_EQ(judged({"all=linear:" + file, "max" + chunks + "max", "first" + chunks + "first",
                    "de=fasttext:" + golden_path("softmax.bin") + ",label=de"},
                   {"all<0.5", "max>0.5", "first>0.5", "de>=0"}, doc)
                .reason,
            "");
  const Json scores = doc.ballast["scores"];
  EXPECT_EQ(scores.size(), 4u);
  EXPECT_EQ(scores["max"], scores["first"]);
  // Of an empty text the bias speaks; it has no chunk.
  Document empty = document(R"({"text":""})");
  EXPECT_EQ(judged({"all=linear:" + file}, {"all<0.5"}, empty).reason, "");
  EXPECT_EQ(judged({"max" + chunks + "max"}, {"max<0.5"}, empty).reason, "max.missing");
}

TEST(ScoreSpec, OptionsComeOffTheEndOfAFileWithCommas) {
  const ScoreSpec spec =
      parse_score_spec("q-1=linear:dir=x/a,b:c.json,over=max,chunk=2K").take_value();
  EXPECT_EQ(spec.name, "q-1");
  EXPECT_EQ(spec.kind, ScoreKind::linear);
  EXPECT_EQ(spec.source, "dir=x/a,b:c.json");
  EXPECT_EQ(spec.over, ScoreOver::max);
  EXPECT_EQ(spec.chunk, 2000);
  EXPECT_TRUE(spec.reads_file());
  EXPECT_EQ(parse_score_spec("t=fasttext:m,over=first,label=a=b").take_value().label, "a=b");
  EXPECT_FALSE(parse_score_spec("t=metadata:a,over=max").take_value().reads_file());
}

TEST(ScorePlan, RefusesWhatItDoesNotKnow) {
  ScorePlan plan;
  const std::string model = golden_path("softmax.bin");
  for (const std::string& bad :
       {std::string("a"), std::string("a=metadata:"), std::string("a b=metadata:x"),
        std::string("a=onnx:x"), "a=fasttext:" + model, "a=fasttext:" + model + ",label=xx",
        "a=fasttext:" + model + ",label=de,over=mean", "a=fasttext:" + model + ",label=de,chunk=0",
        "a=fasttext:" + model + ",label=de,chunk=9",
        "a=fasttext:" + model + ",label=de,over=max,over=max",
        std::string("a=fasttext:none.bin,label=de"), std::string("a=fasttext:,label=de"),
        std::string("a=linear:"), std::string("a=linear:none.json"), "a=linear:" + model,
        "a=linear:" + model + ",label=de", "a=linear:" + model + ",label="}) {
    EXPECT_FALSE(plan.add_score(bad, posix_file_system()).ok()) << bad;
  }
  for (const char* bad : {"a", "a=2", "a>=", "a>=x", ">=1", "a>=nan", "a>=1x"}) {
    EXPECT_FALSE(plan.add_limit(bad).ok()) << bad;
  }
}

TEST(Thresholds, AreReadAsTheyAreWritten) {
  ScoreLimit limit;
  limit.score = "quality";
  limit.comparison = Comparison::at_most;
  limit.value = 0.1;
  limit.by_language = {{"de", 0.25}};
  const std::string text = thresholds_text(limit, "bottom:10%", 7, 0);
  const ScoreLimit again = parse_thresholds(text, "file").take_value();
  EXPECT_EQ(again.score, "quality");
  EXPECT_EQ(again.comparison, Comparison::at_most);
  EXPECT_EQ(again.of("de"), 0.25);
  EXPECT_EQ(again.of("fr"), 0.1);
  EXPECT_FALSE(parse_thresholds("{}", "file").ok());
  const std::string_view nan =
      R"({"v":1,"type":"thresholds","score":"a","keep":">","limit":"NaN"})";
  EXPECT_FALSE(parse_thresholds(nan, "file").ok());
  EXPECT_FALSE(
      parse_thresholds(R"({"v":2,"type":"thresholds","score":"a","keep":">","limit":1})", "file")
          .ok());
}

// As many as the share allows, and not one more, wherever values are equal.
TEST(Quantiles, KeepNoMoreThanTheShare) {
  std::mt19937 random(3);
  std::vector<double> values;
  QuantileCounter counter(1 << 20);
  for (int i = 0; i < 5000; ++i) {
    values.push_back(static_cast<double>(random() % 700) / 700 - 0.2);
    counter.add(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.05, 0.1, 0.33, 0.5, 0.95, 1.0}) {
    const double top = counter.limit(share, true), bottom = counter.limit(share, false);
    const auto above = values.end() - std::lower_bound(values.begin(), values.end(), top);
    const auto below = std::upper_bound(values.begin(), values.end(), bottom) - values.begin();
    if (share > 0.01) {
      EXPECT_LE(static_cast<double>(above), share * 5000);
      EXPECT_LE(static_cast<double>(below), share * 5000);
    }
    EXPECT_GT(static_cast<double>(above), share * 5000 - 20);
    EXPECT_GT(static_cast<double>(below), share * 5000 - 20);
  }
  EXPECT_EQ(counter.dropped_bits(), 0);
}

TEST(Quantiles, BoundedMemoryCostsTheBitsThatItSays) {
  QuantileCounter exact(1 << 20), coarse(256);
  std::mt19937 random(4);
  for (int i = 0; i < 20000; ++i) {
    const double value = static_cast<double>(random()) / 4294967296.0;
    exact.add(value);
    coarse.add(value);
  }
  ASSERT_GT(coarse.dropped_bits(), 0);
  const double step = std::ldexp(1.0, coarse.dropped_bits() - 52);
  for (const double share : {0.1, 0.5, 0.9}) {
    const double want = exact.limit(share, true);
    EXPECT_NEAR(coarse.limit(share, true), want, 2 * step * want + 1e-9);
  }
}

}  // namespace
}  // namespace ballast
