#include <gtest/gtest.h>

#include "libcore/io/json.h"
#include "libcore/text/tokenizer.h"

namespace ballast {
namespace {

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return text;
}

// The bytes and eight words; the last two entries are beyond the vocabulary's size.
Json tekken_json() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* word : {"th", "he", "the", " the", "\xC3\xA9", "ab", "cut", "off"})
    tokens.emplace_back(word);
  Json vocab = Json::array();
  for (const std::string& token : tokens)
    vocab.push_back(
        Json{{"rank", vocab.size()}, {"token_bytes", base64(token)}, {"token_str", nullptr}});
  const Json config = {{"pattern", R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+)"},
                       {"num_vocab_tokens", vocab.size()},
                       {"default_vocab_size", 30 + 262},
                       {"default_num_special_tokens", 30},
                       {"version", "v3"}};
  return Json{{"config", config}, {"vocab", vocab}};
}

Result<Tokenizer> parse(const Json& json) { return Tokenizer::parse(json.dump(), "tekken.json"); }

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text,
                            SpecialTokens special = SpecialTokens::as_text) {
  std::vector<int32_t> ids;
  EXPECT_TRUE(Encoder(tokenizer).encode(text, ids, special).ok());
  return ids;
}

constexpr int32_t kFirst = 30;  // id of rank 0

TEST(Tekken, NumbersRanksAfterTheControlTokens) {
  const auto tokenizer = parse(tekken_json());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->vocab_size(), 292);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_EQ(tokenizer->id_of("<pad>"), 11);
  EXPECT_EQ(tokenizer->id_of("[TOOL_CONTENT]"), 19);
  EXPECT_EQ(tokenizer->id_of("<SPECIAL_29>"), 29);
  EXPECT_EQ(encode(*tokenizer, "the"), (std::vector<int32_t>{kFirst + 258}));
  // A cut entry is not used: its bytes are.
  EXPECT_EQ(encode(*tokenizer, "off"),
            (std::vector<int32_t>{kFirst + 'o', kFirst + 'f', kFirst + 'f'}));
  EXPECT_FALSE(tokenizer->id_of("off"));
}

// "th" comes before "he", so " the" is made of nothing that merging yields within "xthe".
TEST(Tekken, JoinsTheLowestRankFirst) {
  const auto tokenizer = parse(tekken_json());
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(encode(*tokenizer, "ththe"), (std::vector<int32_t>{kFirst + 256, kFirst + 258}));
  EXPECT_EQ(encode(*tokenizer, "hhe"), (std::vector<int32_t>{kFirst + 'h', kFirst + 257}));
  EXPECT_EQ(encode(*tokenizer, "\xC3\xA9"), (std::vector<int32_t>{kFirst + 260}));
}

TEST(Tekken, LeavesControlTokensOfDocumentsAsText) {
  const auto tokenizer = parse(tekken_json());
  ASSERT_TRUE(tokenizer.ok());
  const std::string text = "a</s>the";
  EXPECT_EQ(*tokenizer->decode(encode(*tokenizer, text), false), text);
  for (const int32_t id : encode(*tokenizer, text)) EXPECT_GE(id, kFirst);
  const auto matched = encode(*tokenizer, text, SpecialTokens::recognised);
  EXPECT_EQ(matched, (std::vector<int32_t>{kFirst + 'a', 2, kFirst + 258}));
  EXPECT_EQ(*tokenizer->decode(matched, true), "athe");
}

TEST(Tekken, TakesListedControlTokens) {
  Json json = tekken_json();
  json["config"]["version"] = "v11";
  Json list = Json::array();
  for (const char* name : {"<unk>", "<s>", "</s>", "[X]"})
    list.push_back(Json{{"rank", list.size()}, {"token_str", name}, {"is_control", true}});
  json["special_tokens"] = list;
  const auto tokenizer = parse(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ(tokenizer->id_of("[X]"), 3);
  EXPECT_EQ(tokenizer->id_of("<SPECIAL_4>"), 4);
  EXPECT_FALSE(tokenizer->id_of("[INST]"));
}

TEST(Tekken, RefusesWhatTheFormatForbids) {
  const Json token = {{"rank", 0}, {"token_str", "<s>"}, {"is_control", true}};
  const Json second = {{"rank", 1}, {"token_str", "<s>"}, {"is_control", true}};
  struct Case {
    const char* path;
    Json value;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"/config", 1, "'config' is not an object"},
      {"/config/version", "v99", "version 'v99' is not supported"},
      {"/config/version", "v11", "'special_tokens' is missing"},
      {"/config/default_vocab_size", 255, "out of range"},
      {"/config/default_vocab_size", 1LL << 40, "out of range"},
      {"/config/default_vocab_size", 30 + 265, "264 entries"},
      {"/config/default_num_special_tokens", -1, "out of range"},
      {"/config/default_num_special_tokens", 37, "out of range"},
      {"/config/default_num_special_tokens", 19, "more special tokens"},
      {"/config/pattern", "(", "does not compile"},
      {"/special_tokens", Json::array({token, token}), "says rank 0"},
      {"/special_tokens", Json::array({token, second}), "there twice"},
      {"/special_tokens", Json::array({Json{{"rank", 0}, {"token_str", "<SPECIAL_1>"}}}),
       "there twice"},
      {"/special_tokens", 7, "not a list"},
      {"/vocab", 7, "not a list"},
      {"/vocab/3/rank", 4, "rank is not the entry's place"},
      {"/vocab/3/token_bytes", "AA==", "not the byte of its rank"},
      {"/vocab/260/token_bytes", base64("he"), "bytes of another"},
      {"/vocab/260/token_bytes", "", "not base64"},
      {"/vocab/260/token_bytes", "AAA", "not base64"},
      {"/vocab/260/token_bytes", "AA*=", "not base64"},
      {"/vocab/260/token_bytes", "A===", "not base64"},
      {"/vocab/260/token_bytes", base64(std::string(4097, 'x')), "4097 bytes"},
      {"/vocab/260/token_str", 3, "neither a string nor null"},
      {"/vocab/260/more", 3, "not an object of rank, token_bytes and token_str"},
  };
  for (const Case& c : cases) {
    Json json = tekken_json();
    json[Json::json_pointer(c.path)] = c.value;
    const auto tokenizer = parse(json);
    ASSERT_FALSE(tokenizer.ok()) << c.path << " " << c.says;
    EXPECT_NE(tokenizer.error().message().find(c.says), std::string::npos)
        << tokenizer.error().message();
  }
}

}  // namespace
}  // namespace ballast
