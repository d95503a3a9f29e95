#include "libcore/text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "libcore/io/json.h"
#include "libcore/io/utf8.h"
#include "libcore/text/bpe_trainer.h"

namespace ballast {
namespace {

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> texts = [] {
    std::mt19937 random(301);
    std::vector<std::string> made;
    const std::vector<std::string> words = {"the ",  "ballast ",  "keeps ", "a ",
                                            "ship ", "upright, ", "and ",   "Wörter ",
                                            "上海 ", "12345 ",    "it's ",  "\n\n"};
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (int k = 0; k < 40; ++k) text += words[random() % words.size()];
      made.push_back(text);
    }
    return made;
  }();
  return texts;
}

TrainedBpe trained(int64_t size = 300, int threads = 1,
                   SplitPattern pattern = SplitPattern::llama3) {
  ThreadPool pool(threads);
  PieceCounter counter(pattern);
  counter.add(corpus());
  auto result = train_bpe(counter, size, pool);
  EXPECT_TRUE(result.ok()) << result.error().message();
  return result.take_value();
}

Json base_json() { return *parse_json(tokenizer_json_text(trained()), "test"); }

Result<Tokenizer> parse(const Json& json) { return Tokenizer::parse(json.dump(), "t.json"); }

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text,
                            SpecialTokens special = SpecialTokens::as_text) {
  std::vector<int32_t> ids;
  EXPECT_TRUE(Encoder(tokenizer).encode(text, ids, special).ok());
  return ids;
}

TEST(BpeTrainer, PutsLeadingTokensThenBytesThenMerges) {
  const TrainedBpe bpe = trained(290);
  ASSERT_EQ(bpe.tokens.size(), 290U);
  EXPECT_EQ(bpe.tokens[0], "<s>");
  EXPECT_EQ(bpe.tokens[5], "<iban-pii>");
  EXPECT_EQ(bpe.tokens[6], "!");
  EXPECT_EQ(bpe.merges.size(), 290U - 262);
}

TEST(BpeTrainer, DoesNotDependOnThreadsOrOrder) {
  const std::string one = tokenizer_json_text(trained(310, 1));
  EXPECT_EQ(tokenizer_json_text(trained(310, 4)), one);
  std::vector<std::string> reversed(corpus().rbegin(), corpus().rend());
  ThreadPool pool(3);
  PieceCounter counter(SplitPattern::llama3);
  for (size_t i = 0; i < reversed.size(); i += 50) counter.add(std::span(reversed).subspan(i, 50));
  EXPECT_EQ(tokenizer_json_text(*train_bpe(counter, 310, pool)), one);
}

TEST(BpeTrainer, TakesTheMostFrequentPairAndTheSmallerOfEquals) {
  ThreadPool pool(1);
  PieceCounter counter(SplitPattern::llama3);
  counter.add(std::vector<std::string>{"zz zz zz", "ab", "cd", "aaa"});
  const auto bpe = train_bpe(counter, 265, pool);
  ASSERT_TRUE(bpe.ok());
  const auto id = [](char byte) { return 6 + byte - '!'; };
  // " z" and "zz" stand 2 and 3 times, "aa" twice (overlaps count).
  EXPECT_EQ(bpe->tokens[262], "zz");
  EXPECT_EQ(bpe->merges[0].left, id('z'));
  EXPECT_EQ(bpe->tokens[263], "aa");
  EXPECT_EQ(bpe->tokens[264], " zz");
}

TEST(BpeTrainer, SaysWhenThereIsTooLittleText) {
  ThreadPool pool(1);
  PieceCounter counter(SplitPattern::llama3);
  counter.add(std::vector<std::string>{"ab ab"});
  const auto bpe = train_bpe(counter, 300, pool);
  ASSERT_FALSE(bpe.ok());
  EXPECT_EQ(bpe.error().kind, ErrorKind::insufficient);
  EXPECT_EQ(train_bpe(counter, 261, pool).error().kind, ErrorKind::usage);
}

TEST(BpeTrainer, LeavesMarkersOutOfTheCount) {
  ThreadPool pool(1);
  PieceCounter counter(SplitPattern::llama3);
  counter.add(std::vector<std::string>{"x<email-pii>y"});
  EXPECT_EQ(counter.distinct_pieces(), 2);
}

TEST(Tokenizer, GivesTextBackOnRandomUnicode) {
  const auto tokenizer = parse(base_json());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->vocab_size(), 300);
  EXPECT_EQ(tokenizer->bos(), 0);
  EXPECT_EQ(tokenizer->eos(), 1);
  std::mt19937 random(5);
  int64_t replaced = 0;
  Encoder encoder(*tokenizer);
  for (int round = 0; round < 500; ++round) {
    std::string text = corpus()[static_cast<size_t>(round) % corpus().size()].substr(0, 30);
    text = replace_invalid_utf8(text, &replaced);
    for (int i = 0; i < 50; ++i) {
      char32_t point;
      do point = static_cast<char32_t>(random() % 0x110000);
      while (point >= 0xD800 && point < 0xE000);
      append_utf8(text, random() % 2 ? point : point % 128);
    }
    std::vector<int32_t> ids, again;
    ASSERT_TRUE(encoder.encode(text, ids).ok());
    ASSERT_TRUE(encoder.encode(text, again).ok());  // now out of the cache
    ASSERT_EQ(ids, again);
    ASSERT_EQ(*tokenizer->decode(ids, false), text);
  }
}

TEST(Tokenizer, LeavesSpecialTokensOfDocumentsAsText) {
  const auto tokenizer = parse(base_json());
  ASSERT_TRUE(tokenizer.ok());
  const auto escaped = encode(*tokenizer, "a</s><ip-pii>b");
  EXPECT_EQ(std::count(escaped.begin(), escaped.end(), 1), 0);
  EXPECT_EQ(std::count(escaped.begin(), escaped.end(), 4), 1);
  const auto matched = encode(*tokenizer, "a</s>b", SpecialTokens::recognised);
  EXPECT_EQ(std::count(matched.begin(), matched.end(), 1), 1);
  EXPECT_EQ(*tokenizer->decode(matched, false), "a</s>b");
  EXPECT_EQ(*tokenizer->decode(matched, true), "ab");
}

TEST(Tokenizer, RegexPathAgreesWithTheScanner) {
  Json json = base_json();
  const auto fast = parse(json);
  auto& pattern = json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
  pattern = "(?:" + pattern.get<std::string>() + ")";
  const auto slow = parse(json);
  ASSERT_TRUE(fast.ok() && slow.ok());
  for (const std::string& text : corpus()) ASSERT_EQ(encode(*fast, text), encode(*slow, text));
}

TEST(Tokenizer, PrependsASpaceToEveryPieceWhenAskedTo) {
  Json json = base_json();
  json["pre_tokenizer"] = Json{{"type", "ByteLevel"}, {"add_prefix_space", true}};
  const auto tokenizer = parse(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ(*tokenizer->decode(encode(*tokenizer, "ab<ip-pii>cd"), false), " ab<ip-pii> cd");
}

TEST(Tokenizer, NormalisesBeforeItLooksForNormalisedTokens) {
  Json json = base_json();
  json["normalizer"] = Json{{"type", "NFC"}};
  json["added_tokens"].push_back(
      Json{{"id", 300}, {"content", "\u00E9\u00E9"}, {"normalized", true}, {"special", false}});
  json["added_tokens"].push_back(Json{{"id", 301}, {"content", "e\u0301"}, {"normalized", false}});
  const auto tokenizer = parse(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ(encode(*tokenizer, "\u00E9\u00E9"), (std::vector<int32_t>{300}));
  EXPECT_EQ(encode(*tokenizer, "e\u0301\u00E9"), encode(*tokenizer, "e\u0301\u00E9"));
  EXPECT_EQ(encode(*tokenizer, "e\u0301").front(), 301);  // raw text first
  EXPECT_EQ(*tokenizer->decode(encode(*tokenizer, "o\u0308"), false), "\u00F6");
}

TEST(Tokenizer, TakesBothFormsOfMerges) {
  Json json = base_json();
  const auto strings = parse(json);
  for (Json& merge : json["model"]["merges"]) {
    const auto line = merge.get<std::string>();
    const size_t space = line.find(' ');
    merge = Json::array({line.substr(0, space), line.substr(space + 1)});
  }
  const auto arrays = parse(json);
  ASSERT_TRUE(strings.ok() && arrays.ok());
  EXPECT_EQ(encode(*strings, corpus()[0]), encode(*arrays, corpus()[0]));
}

// [INST] and [/INST] at the ids that Mistral gives them, in a tokenizer of that split pattern.
Json mistral_json(SplitPattern pattern) {
  std::string text = tokenizer_json_text(trained(300, 1, pattern));
  const std::pair<std::string, std::string> renamed[] = {{"<email-pii>", "[INST]"},
                                                         {"<ip-pii>", "[/INST]"}};
  for (const auto& [from, to] : renamed)
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;)
      text.replace(at, from.size(), to);
  Json json = *parse_json(text, "test");
  for (Json& added : json["added_tokens"]) added["special"] = true;
  return json;
}

TEST(Tokenizer, WarnsOfMistralsFilesWithTheSplitPatternOfLlama) {
  const Json wrong = mistral_json(SplitPattern::llama3);
  ASSERT_EQ(wrong["model"]["vocab"]["[INST]"], 3) << wrong["added_tokens"];
  const auto tokenizer = parse(wrong);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->warning().find("t.json: a tokenizer of Mistral's"), 0U);
  EXPECT_EQ(parse(mistral_json(SplitPattern::tekken))->warning(), "");
  EXPECT_EQ(parse(base_json())->warning(), "");

  Json elsewhere = wrong;
  for (Json& added : elsewhere["added_tokens"]) added["special"] = false;
  EXPECT_EQ(parse(elsewhere)->warning(), "");
}

TEST(Tokenizer, RefusesByName) {
  struct Case {
    const char* path;
    Json value;
    ErrorKind kind;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"/version", "2.0", ErrorKind::usage, "version '2.0'"},
      {"/model/type", "WordPiece", ErrorKind::usage, "WordPiece"},
      {"/model/type", "Unigram", ErrorKind::usage, "Unigram"},
      {"/model/dropout", 0.1, ErrorKind::usage, "dropout"},
      {"/model/end_of_word_suffix", "</w>", ErrorKind::usage, "end_of_word_suffix"},
      {"/normalizer", Json{{"type", "Lowercase"}}, ErrorKind::usage, "Lowercase"},
      {"/pre_tokenizer", Json{{"type", "Metaspace"}}, ErrorKind::usage, "Metaspace"},
      {"/pre_tokenizer", nullptr, ErrorKind::usage, "pre_tokenizer"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\p{N}{1,3}+", ErrorKind::usage,
       "'{n,m}+'"},
      {"/decoder", Json{{"type", "WordPiece"}}, ErrorKind::usage, "WordPiece"},
      {"/post_processor", Json{{"type", "BertProcessing"}}, ErrorKind::usage, "BertProcessing"},
      {"/truncation", Json{{"max_length", 512}}, ErrorKind::usage, "truncates"},
      {"/padding", Json{{"strategy", {{"Fixed", 8}}}}, ErrorKind::usage, "pads"},
      {"/added_tokens/0/id", 77, ErrorKind::corrupt, "says id 77"},
      {"/model/merges/0", "a b c", ErrorKind::corrupt, "merge 1 is not two tokens"},
      {"/model/merges/0", "ab cd", ErrorKind::corrupt, "needs a token"},
      {"/model/merges", 1, ErrorKind::corrupt, "merges"},
      {"/model/vocab/!", 0, ErrorKind::corrupt, "two tokens have the id 0"},
      {"/model/vocab/!", -1, ErrorKind::corrupt, "bad id"},
      {"/model/vocab/!", 1LL << 40, ErrorKind::corrupt, "bad id"},
      {"/model/vocab/!", 5000, ErrorKind::corrupt, ""},
      {"/post_processor/special_tokens/<s>/ids", Json::array({9999}), ErrorKind::corrupt,
       "outside the vocabulary"},
  };
  for (const Case& c : cases) {
    Json json = base_json();
    json[Json::json_pointer(c.path)] = c.value;
    const auto tokenizer = parse(json);
    if (std::string_view(c.says).empty()) {  // a hole in the ids is legal
      EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
      continue;
    }
    ASSERT_FALSE(tokenizer.ok()) << c.path << c.says;
    EXPECT_EQ(tokenizer.error().kind, c.kind) << tokenizer.error().message();
    EXPECT_NE(tokenizer.error().message().find(c.says), std::string::npos)
        << tokenizer.error().message();
  }
}

TEST(Tokenizer, RefusesBrokenJson) {
  const std::string good = base_json().dump();
  for (size_t size = 0; size < good.size(); size += 97)
    EXPECT_EQ(Tokenizer::parse(good.substr(0, size), "t").error().kind, ErrorKind::corrupt);
  EXPECT_FALSE(Tokenizer::parse(R"({"version":"1.0","version":"1.0"})", "t").ok());
}

TEST(Tokenizer, NamesAnUnknownIdWhenDecoding) {
  const auto tokenizer = parse(base_json());
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{300}, false).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{-1}, false).error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace ballast
