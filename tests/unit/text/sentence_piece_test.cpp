#include <gtest/gtest.h>

#include "libcore/base/bytes.h"
#include "libcore/io/json.h"
#include "libcore/text/tokenizer.h"

namespace ballast {
namespace {

const std::string kFolder = BALLAST_SOURCE_DIR "/tests/golden/tokenizer/";

std::string file_text(const std::string& name) {
  auto text = read_file(posix_file_system(), kFolder + name);
  EXPECT_TRUE(text.ok());
  return text.take_value();
}

// The kinds of make_sentence_piece.py and what its library says.
TEST(SentencePiece, GivesTheIdsAndTextsOfItsLibrary) {
  const Json expected = *parse_json(file_text("sentence_piece.json"), "golden");
  for (const auto& [kind, golden] : expected.items()) {
    const auto tokenizer = Tokenizer::parse(file_text(kind + ".model"), kind);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
    EXPECT_EQ(tokenizer->vocab_size(), golden.at("size").get<int64_t>());
    EXPECT_EQ(tokenizer->bos(), golden.at("bos").get<int32_t>());
    EXPECT_EQ(tokenizer->eos(), golden.at("eos").get<int32_t>());
    for (const Json& one : golden.at("texts")) {
      const auto text = one.at("text").get<std::string>();
      std::vector<int32_t> ids;
      ASSERT_TRUE(Encoder(*tokenizer).encode(text, ids).ok());
      EXPECT_EQ(ids, one.at("ids").get<std::vector<int32_t>>()) << kind << ": " << text;
      EXPECT_EQ(*tokenizer->decode(ids, false), one.at("back").get<std::string>()) << kind;
    }
  }
}

TEST(SentencePiece, KeepsTheSpaceOfAPieceInTheMiddleOfAText) {
  const auto tokenizer = Tokenizer::parse(file_text("bpe.model"), "bpe");
  ASSERT_TRUE(tokenizer.ok());
  std::vector<int32_t> ids;
  ASSERT_TRUE(Encoder(*tokenizer).encode("the ship", ids).ok());
  EXPECT_EQ(*tokenizer->decode(ids, false), "the ship");
  EXPECT_EQ(*tokenizer->decode(ids, false, false), " the ship");
  ids.clear();
  ASSERT_TRUE(Encoder(*tokenizer).encode("\xF0\x9F\x9A\xA2", ids).ok());  // by bytes
  EXPECT_GE(ids.size(), 4U);
  EXPECT_EQ(*tokenizer->decode(ids, false, false), " \xF0\x9F\x9A\xA2");
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{100000}, false).error().kind,
            ErrorKind::corrupt);
}

TEST(SentencePiece, DoesNotPretendToRecogniseSpecialTokens) {
  const auto tokenizer = Tokenizer::parse(file_text("bpe.model"), "bpe");
  ASSERT_TRUE(tokenizer.ok());
  std::vector<int32_t> ids;
  EXPECT_EQ(Encoder(*tokenizer).encode("a</s>", ids, SpecialTokens::recognised).error().kind,
            ErrorKind::usage);
}

TEST(SentencePiece, RefusesATextThatItsLibraryCannotHold) {
  const auto model = SentencePiece::parse(file_text("char.model"), "char");
  ASSERT_TRUE(model.ok());
  std::vector<int32_t> ids;
  const auto refused =
      model->encode(std::string(static_cast<size_t>(SentencePiece::kMaxTextBytes) + 1, 'a'), ids);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("at most 67108864"), std::string::npos);
}

// A cut between two pieces leaves a smaller model, which may lack what the library asks for.
TEST(SentencePiece, RefusesCutModelsOrReadsWhatIsWhole) {
  const std::string good = file_text("unigram.model");
  int refused = 0;
  for (size_t size = 0; size < good.size(); size += 13)
    refused += !Tokenizer::parse(good.substr(0, size), "cut").ok();
  EXPECT_GT(refused, 100);
}

std::string with_piece(std::string fields) {
  const std::string piece =
      std::string("\x0A") + static_cast<char>(fields.size()) + std::move(fields);
  return piece + file_text("char.model");
}

TEST(SentencePiece, RefusesWhatTheLibraryTakesOnTrust) {
  const std::string huge("\x0A\x01x\x15\x00\x00\x80\x7F", 8);  // "x" with an infinite score
  const auto infinite = SentencePiece::parse(with_piece(huge), "m");
  ASSERT_FALSE(infinite.ok());
  EXPECT_NE(infinite.error().message().find("score inf is out of range: m, piece 0"),
            std::string::npos)
      << infinite.error().message();
  EXPECT_NE(SentencePiece::parse(with_piece(std::string("\x0A\x02x\x00", 4)), "m")
                .error()
                .message()
                .find("not UTF-8 text"),
            std::string::npos);
  EXPECT_NE(
      SentencePiece::parse(with_piece("\x0A\x01x\x18\x09"), "m").error().message().find("type 9"),
      std::string::npos);
  EXPECT_NE(SentencePiece::parse(with_piece(std::string("\x0A\x00", 2)), "m")
                .error()
                .message()
                .find("a piece of 0 bytes"),
            std::string::npos);
}

// Every unit of the automaton that normalises text, sent far away: the library would follow it.
// Protobuf keeps 32 bits of a tag, so what passes here as an unknown field would be the normaliser.
TEST(SentencePiece, RefusesTagsThatTheLibraryCutsDown) {
  const std::string field("\x9A\x80\x80\x80\x10\x00", 6);
  const auto refused = Tokenizer::parse(file_text("bpe.model") + field, "tag");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::corrupt);
}

TEST(SentencePiece, RefusesAnAutomatonThatLeadsOutside) {
  const std::string good = file_text("unigram.model");
  // normalizer_spec (field 3) { ... precompiled_charsmap (field 2)
  size_t at = 0;
  for (size_t i = 0; i + 8 < good.size(); ++i)
    if (good[i] == '\x12' && load_le<uint32_t>(&good[i + 3]) == 1024) at = i + 3;
  ASSERT_GT(at, 0U);
  int refused = 0;
  for (size_t unit = 0; unit < 64; ++unit) {
    std::string bad = good;
    store_le(&bad[at + 4 + 4 * unit], uint32_t{0x7FFFFE00});
    const auto parsed = SentencePiece::parse(bad, "m");
    refused += !parsed.ok() &&
               parsed.error().message().find("rules of normalisation") != std::string::npos;
  }
  EXPECT_EQ(refused, 64);
}

}  // namespace
}  // namespace ballast
