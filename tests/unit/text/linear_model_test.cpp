#include "libcore/text/scores/linear_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "libcore/io/json.h"
#include "libcore/text/scores/word_features.h"

namespace ballast {
namespace {

std::string golden_path(const std::string& name) {
  return std::string(BALLAST_SOURCE_DIR) + "/tests/golden/linear/" + name;
}

std::vector<std::string> words_of(std::string_view text, bool lower_case = true) {
  WordBuffers buffers;
  find_words(text, lower_case, buffers);
  std::vector<std::string> words;
  for (int64_t i = 0; i < buffers.words(); ++i) words.emplace_back(buffers.words_from(i, 1));
  return words;
}

// scikit-learn's CountVectorizer().build_analyzer() says the same.
TEST(WordFeatures, AreRunsOfTwoOrMoreLettersNumbersAndUnderscores) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of("It's a b-side, No_2 of 10."), (Words{"it", "side", "no_2", "of", "10"}));
  EXPECT_EQ(words_of("\u03a3\u0391\u03a3 stra\u00dfe"),
            (Words{"\u03c3\u03b1\u03c2", "stra\u00dfe"}));
  // The dotted I becomes i and a combining dot, which is no letter.
  EXPECT_EQ(words_of("\u0130stanbul"), (Words{"stanbul"}));
  EXPECT_EQ(words_of("x\u00b2\u00bd \u65e5\u672c \u0661\u0662"),
            (Words{"x\u00b2\u00bd", "\u65e5\u672c", "\u0661\u0662"}));
  EXPECT_EQ(words_of(std::string_view("ab\0cd\xff"
                                      "ef",
                                      8)),
            (Words{"ab", "cd", "ef"}));
  EXPECT_EQ(words_of("Ab CD", false), (Words{"Ab", "CD"}));
  EXPECT_EQ(words_of(""), Words{});
}

TEST(WordFeatures, JoinedWordsHaveOneBlankBetween) {
  WordBuffers buffers;
  find_words("one,  two...three", true, buffers);
  ASSERT_EQ(buffers.words(), 3);
  EXPECT_EQ(buffers.words_from(0, 3), "one two three");
  EXPECT_EQ(buffers.words_from(1, 2), "two three");
}

// Each of two computations of bias + sum rounds a term's product, its parts and the sum over n
// terms and over n terms of the length: at most 2n + 8 roundings of size u each. The slope of the
// sigmoid is at most 1/4; it adds the roundings of exp, + and /.
double tolerance(bool sigmoid, double size, double terms) {
  constexpr double u = std::numeric_limits<double>::epsilon() / 2;
  const double sum = 2 * (2 * terms + 8) * u * size;
  return sigmoid ? sum / 4 + 8 * u : sum;
}

TEST(LinearModel, SaysWhatScikitLearnSays) {
  const std::string lines =
      read_file(posix_file_system(), golden_path("expected.jsonl"), 1 << 20).take_value();
  std::istringstream stream(lines);
  std::map<std::string, std::shared_ptr<const LinearModel>> models;
  LinearBuffers buffers;
  int asked = 0;
  for (std::string line; std::getline(stream, line); ++asked) {
    const Json expected = parse_json(line, "expected").take_value();
    const auto name = expected["model"].get<std::string>();
    auto& model = models[name];
    if (model == nullptr) {
      auto loaded = LinearModel::load(posix_file_system(), golden_path(name));
      ASSERT_TRUE(loaded.ok()) << loaded.error().message();
      model = loaded.take_value();
    }
    const auto text = expected["text"].get<std::string>();
    EXPECT_NEAR(model->score(text, buffers), expected["score"].get<double>(),
                tolerance(model->has_sigmoid(), expected["size"], expected["terms"]))
        << name << ": " << text;
    EXPECT_EQ(buffers.found.size(), expected["terms"].get<size_t>()) << name << ": " << text;
  }
  EXPECT_EQ(models.size(), 6u);
  EXPECT_GT(asked, 80);
}

Result<std::shared_ptr<const LinearModel>> model_of(const std::string& members) {
  return LinearModel::parse(R"({"v":1,"type":"linear",)" + members + "}", "model.json");
}

double score_of(const std::string& members, const std::string& text) {
  LinearBuffers buffers;
  return model_of(members).take_value()->score(text, buffers);
}

TEST(LinearModel, CountsLogarithmsAndNorms) {
  const std::string terms = R"("bias":1,"terms":["aa","bb"],"weights":[2,-8],"output":"raw")";
  const std::string text = "aa bb AA aa";
  EXPECT_EQ(score_of(terms, text), 1 + 2 * 3 - 8);
  EXPECT_EQ(score_of(terms + R"(,"tf":"binary")", text), 1 + 2 - 8);
  EXPECT_EQ(score_of(terms + R"(,"tf":"log")", text), 1 + (2 * (1 + std::log(3.0)) - 8));
  EXPECT_EQ(score_of(terms + R"(,"norm":"l1")", text), 1 + (2 * 3 - 8) / 4.0);
  EXPECT_EQ(score_of(terms + R"(,"norm":"l2")", text), 1 + (2 * 3 - 8) / std::sqrt(10.0));
  EXPECT_EQ(score_of(terms + R"(,"idf":[0.5,0.25])", text), 1 + 2 * 1.5 - 8 * 0.25);
  EXPECT_EQ(score_of(terms + R"(,"lower_case":false)", text), 1 + 2 * 2 - 8);
  EXPECT_EQ(score_of(terms + R"(,"norm":"l2")", "cc"), 1);  // no term: nothing to divide
}

TEST(LinearModel, SigmoidUnlessRaw) {
  const std::string model = R"("bias":-1e100,"terms":["aa"],"weights":[1e100])";
  EXPECT_EQ(score_of(model, ""), 0);
  EXPECT_EQ(score_of(model, "aa"), 0.5);
  EXPECT_EQ(score_of(model, "aa aa"), 1);
}

TEST(LinearModel, BuffersServeSeveralModels) {
  LinearBuffers buffers;
  const auto large =
      model_of(R"("bias":0,"terms":["aa","bb","cc"],"weights":[1,2,4],"output":"raw")")
          .take_value();
  const auto small =
      model_of(R"("bias":0,"terms":["cc"],"weights":[8],"output":"raw")").take_value();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(large->score("aa bb cc cc", buffers), 11);
    EXPECT_EQ(small->score("aa cc", buffers), 8);
  }
}

TEST(LinearModel, RefusesWhatIsNoModelAndSaysWhy) {
  const std::string whole = R"("bias":0,"terms":["aa"],"weights":[1])";
  ASSERT_TRUE(model_of(whole).ok());
  const std::pair<std::string, std::string> cases[] = {
      {R"("terms":["aa"],"weights":[1])", "missing key 'bias'"},
      {R"("bias":0,"weights":[1])", "missing key 'terms'"},
      {R"("bias":0,"terms":["aa"])", "missing key 'weights'"},
      {R"("bias":"NaN","terms":["aa"],"weights":[1])", "'bias' has what is no number"},
      {R"("bias":0,"terms":["aa"],"weights":[1e101])", "'weights' has what is no number"},
      {R"("bias":0,"terms":["aa"],"weights":[null])", "'weights' has what is no number"},
      {R"("bias":0,"terms":["aa"],"weights":[1,2])", "'weights' is no list of 1 numbers"},
      {R"("bias":0,"terms":["aa"],"weights":{"aa":1})", "'weights' is no list of 1 numbers"},
      {R"("bias":0,"terms":["aa","aa"],"weights":[1,1])", "term 'aa' comes twice"},
      {R"("bias":0,"terms":["aa bb"],"weights":[1])", "term 'aa bb' has 2 words"},
      {R"("bias":0,"terms":[""],"weights":[1])", "term '' has 0 words"},
      {R"("bias":0,"terms":[7],"weights":[1])", "a term is no string"},
      {R"("bias":0,"terms":["Free"],"weights":[1])", "term 'Free' is not how texts are cut"},
      {R"("bias":0,"terms":["don't"],"weights":[1])", "is not how texts are cut"},
      {R"("bias":0,"terms":["a"],"weights":[1])", "is not how texts are cut"},
      {R"("bias":0,"terms":[" aa"],"weights":[1],"ngrams":[1,2])", "is not how texts are cut"},
      {R"("bias":0,"terms":["aa  bb"],"weights":[1],"ngrams":[1,3])", "is not how texts are cut"},
      {R"("bias":0,"terms":"aa","weights":[1])", "'terms' is no list"},
      {whole + R"(,"ngrams":[2,2])", "term 'aa' has 1 words"},
      {whole + R"(,"ngrams":[1,6])", "'ngrams' is not [LEAST,MOST]"},
      {whole + R"(,"ngrams":[0,1])", "'ngrams' is not [LEAST,MOST]"},
      {whole + R"(,"ngrams":[2,1])", "'ngrams' is not [LEAST,MOST]"},
      {whole + R"(,"ngrams":1)", "'ngrams' is not [LEAST,MOST]"},
      {whole + R"(,"idf":[-1])", "'idf' has a negative number"},
      {whole + R"(,"idf":[])", "'idf' is no list of 1 numbers"},
      {whole + R"(,"norm":"max")", "'norm' is 'max'"},
      {whole + R"(,"tf":"sqrt")", "'tf' is 'sqrt'"},
      {whole + R"(,"output":"logit")", "'output' is 'logit'"},
      {whole + R"(,"lower_case":1)", "'lower_case' is neither"},
      {whole + R"(,"lowercase":false)", "unknown key 'lowercase'"},
  };
  EXPECT_TRUE(model_of(R"("bias":0,"terms":["Free"],"weights":[1],"lower_case":false)").ok());
  for (const auto& [members, message] : cases) {
    const auto model = model_of(members);
    ASSERT_FALSE(model.ok()) << members;
    EXPECT_EQ(model.error().kind, ErrorKind::corrupt);
    EXPECT_NE(model.error().message().find(message), std::string::npos)
        << model.error().message() << " for " << members;
  }
  for (const char* text :
       {R"({"v":2,"type":"linear"})", R"({"v":1,"type":"thresholds"})", "[]", ""})
    EXPECT_FALSE(LinearModel::parse(text, "model.json").ok()) << text;
}

}  // namespace
}  // namespace ballast
