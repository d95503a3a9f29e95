#include "libcore/text/quality/quality.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/text/quality/words.h"

namespace ballast {
namespace {

Json golden(const char* name) {
  const std::string path = std::string(BALLAST_SOURCE_DIR) + "/tests/golden/quality/" + name;
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return parse_json(text.str(), path).take_value();
}

std::vector<std::string> words_of(std::string_view text) {
  WordSplitter splitter;
  std::vector<Word> words;
  splitter.split(text, words);
  std::vector<std::string> strings;
  for (const Word& word : words) strings.emplace_back(word.of(text));
  return strings;
}

QualityPlan plan(const std::string& text) {
  return QualityPlan::parse(text, "--quality").take_value();
}
QualityVerdict check(const std::string& rules, std::string text) {
  QualityBuffers buffers;
  return plan(rules).check(text, buffers);
}
std::string usage(const std::string& text) {
  Result<QualityPlan> plan = QualityPlan::parse(text, "--quality");
  return plan.ok() ? "" : plan.take_error().message();
}

using Words = std::vector<std::string>;

TEST(Words, AffixesInfixesAndExceptions) {
  EXPECT_EQ(words_of("(Don't go!)"), (Words{"(", "Do", "n't", "go", "!", ")"}));
  EXPECT_EQ(words_of("10km, well-known a.b"),
            (Words{"10", "km", ",", "well", "-", "known", "a.b"}));
  EXPECT_EQ(words_of("see www.example.org/x, OK."),
            (Words{"see", "www.example.org/x", ",", "OK", "."}));
  EXPECT_EQ(words_of(" \n\u00a0"), Words{});
}

TEST(Words, AreThoseOfDatatrove) {
  const Json texts = golden("words.json").at("texts");
  ASSERT_GT(texts.size(), 450u);
  WordSplitter splitter;
  for (const Json& row : texts) {
    const auto text = row.at("text").get<std::string>();
    EXPECT_EQ(words_of(text), row.at("words").get<Words>()) << text;
    EXPECT_EQ(splitter.count_sentences(text), row.at("sentences").get<int64_t>()) << text;
  }
}

TEST(Words, KnowCharactersAndKinds) {
  WordSplitter splitter;
  std::vector<Word> words;
  splitter.split("naïve … 42", words);
  ASSERT_EQ(words.size(), 3u);
  EXPECT_EQ(words[0].chars, 5u);
  EXPECT_TRUE(words[0].letters);
  EXPECT_FALSE(words[2].letters);
  EXPECT_FALSE(words[2].symbols);
}

TEST(Words, AreFoundInLinearTime) {
  for (const char* piece : {"a.", "(", "':", "x@", "…", "-", "1", "co.\u00a0", "http://"}) {
    std::string text;
    while (text.size() < 1'000'000) text += piece;
    EXPECT_LE(words_of(text).size(), text.size());
  }
}

TEST(Quality, DecidesAsDatatrove) {
  const Json file = golden("decisions.json");
  const auto lines = file.at("lines").get<std::vector<std::string>>();
  ASSERT_GE(file.at("documents").size(), 200u);
  for (size_t i = 0; i < file.at("plans").size(); ++i) {
    const QualityPlan rules = plan(file.at("plans")[i].get<std::string>());
    QualityBuffers buffers;
    for (const Json& row : file.at("documents")) {
      std::string text;
      for (const Json& line : row.at("lines")) {
        if (&line != &row.at("lines").front()) text += row.at("separator").get<std::string>();
        text += lines[line.get<size_t>()];
      }
      const std::string before = text;
      const QualityVerdict verdict = rules.check(text, buffers);
      const std::string decision =
          verdict.kept() ? "kept " + sha256_hex(text).substr(0, 10) : verdict.drop.rule;
      EXPECT_EQ(decision, row.at("decisions")[i]) << file.at("plans")[i] << ": " << before;
      EXPECT_TRUE(verdict.kept() || text == before);
    }
  }
}

TEST(Quality, SaysWhatItMeasured) {
  const QualityVerdict words = check("gopher", "only four words here");
  EXPECT_EQ(words.reason(), "gopher.short_doc");
  EXPECT_EQ(words.drop.value, 4.0);
  EXPECT_EQ(words.drop.limit, 50.0);
  const QualityVerdict lines = check("gopher-repetition", "a b\na b\nc d");
  EXPECT_EQ(lines.reason(), "gopher_repetition.dup_line_frac");
  EXPECT_EQ(lines.drop.value, 1.0 / 3);
  const QualityVerdict braces = check("c4", "One two three.\nint main() { return 0.");
  EXPECT_EQ(braces.reason(), "c4.curly_bracket");
  EXPECT_EQ(braces.drop.line, 2);
  EXPECT_FALSE(braces.drop.value.has_value());
}

TEST(Quality, C4CountsWhatItTookOut) {
  std::string text = "Menu\nIt is so [12].  \nEnable JavaScript, please do.\nThe end is near.";
  QualityBuffers buffers;
  const QualityVerdict verdict = plan("c4:min_num_sentences=off").check(text, buffers);
  EXPECT_TRUE(verdict.rewritten);
  EXPECT_EQ(text, "It is so .\nThe end is near.");
  EXPECT_EQ(line_counts_json(verdict.lines).dump(),
            R"({"lines":4,"kept":2,"no_terminal_punct":1,"javascript":1,"citations":1})");
}

TEST(Quality, LaterFiltersSeeWhatC4Left) {
  const std::string text = "menu\nmenu\nmenu\nThis is one. And two. And three. And four. And five.";
  EXPECT_EQ(check("fineweb", text).reason(), "fineweb.short_line_ratio");
  EXPECT_TRUE(check("c4,fineweb", text).kept());
  EXPECT_EQ(check("fineweb,c4", text).reason(), "fineweb.short_line_ratio");
}

TEST(Quality, TextsWithoutWordsGo) {
  EXPECT_EQ(check("gopher:min_doc_words=off", " \n").reason(), "gopher.short_doc");
  EXPECT_EQ(check("fineweb", " \n").reason(), "fineweb.empty");
  EXPECT_EQ(check("gopher-repetition", "").reason(), "gopher_repetition.empty");
  EXPECT_EQ(check("c4:min_num_sentences=off", "Menu").reason(), "c4.empty");
}

TEST(Quality, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(usage("gopher,dolma").find("unknown filter 'dolma'"), std::string::npos);
  EXPECT_NE(usage("gopher:min_words=4").find("unknown key 'min_words'"), std::string::npos);
  EXPECT_NE(usage("c4,gopher,c4").find("'c4' is named twice"), std::string::npos);
  EXPECT_NE(usage("gopher:min_doc_words=-1").find("min_doc_words=-1"), std::string::npos);
  EXPECT_NE(usage("gopher:min_doc_words=nan").find("min_doc_words=nan"), std::string::npos);
  EXPECT_NE(usage("min_doc_words=4").find("is not KIND"), std::string::npos);
  EXPECT_NE(usage("").find("is not KIND"), std::string::npos);
  EXPECT_EQ(usage("gopher:min_doc_words=4,min_stop_words=off,c4,fineweb:new_line_ratio=1"), "");
}

}  // namespace
}  // namespace ballast
