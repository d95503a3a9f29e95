#include "libcore/text/document.h"

#include <gtest/gtest.h>

#include <string>

namespace ballast {
namespace {

Result<Document> parse(std::string_view line) {
  DocumentParser parser;
  return parser.parse(line, "f.jsonl:7");
}
Document good(std::string_view line) {
  Result<Document> document = parse(line);
  EXPECT_TRUE(document.ok()) << (document.ok() ? "" : document.error().message());
  return document.ok() ? *document : Document{};
}
std::string written(const Document& document) {
  std::string out;
  append_document(out, document);
  return out;
}
std::string why(std::string_view line) {
  Result<Document> document = parse(line);
  if (document.ok()) return "accepted";
  EXPECT_EQ(document.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(document.error().where, "f.jsonl:7");
  return document.error().why;
}

TEST(Document, WritesKeysInOneOrderAndKeepsTheOthers) {
  Document document = good(
      R"({"dump":"CC-1","source":"web","id":"a","score":1.50,"text":"t","url":"http://h/","n":[1, {"k":null}]})");
  EXPECT_EQ(
      written(document),
      R"({"text":"t","id":"a","url":"http://h/","source":"web","dump":"CC-1","score":1.5,"n":[1,{"k":null}]})"
      "\n");
}

TEST(Document, ReadingBackGivesTheSameLine) {
  std::string line = written(good(
      R"({"text":"a\u0000\"\\\n\ud83d\ude00","id":7,"metadata":{"url":"http://h/x"},"ballast":{"pii":{"ip":1}}})"));
  EXPECT_EQ(written(good(line)), line);
}

TEST(Document, FindsFieldsWhereDatatroveAndDolmaPutThem) {
  Document datatrove = good(
      R"({"text":"t","id":"i","metadata":{"url":"u","date":"d","language":"de","license":"l"}})");
  EXPECT_EQ(datatrove.url, "u");
  EXPECT_EQ(datatrove.date, "d");
  EXPECT_EQ(datatrove.language, "de");
  EXPECT_EQ(datatrove.license, "l");
  Document dolma = good(
      R"({"id":"i","text":"t","source":"s","added":"x","created":"2024-01-01","metadata":{"url":"u"}})");
  EXPECT_EQ(dolma.date, "2024-01-01");
  EXPECT_EQ(dolma.url, "u");
  EXPECT_EQ(dolma.extra.size(), 3u);
  EXPECT_EQ(good(R"({"text":"t","url":"top","metadata":{"url":"inner","date":3}})").url, "top");
}

TEST(Document, NumbersAndNullsAreTakenWhereTheyMakeSense) {
  EXPECT_EQ(good(R"({"text":"t","id":12})").id, "12");
  EXPECT_EQ(good(R"({"text":"t","id":null,"url":null})").id, "");
  EXPECT_EQ(why(R"({"text":"t","url":5})"), "'url' is no string");
  EXPECT_EQ(why(R"({"text":"t","ballast":5})"), "'ballast' is no object");
}

TEST(Document, RefusesWhatIsNoDocument) {
  EXPECT_EQ(why(R"({"id":"x"})"), "no 'text'");
  EXPECT_EQ(why(R"({"text":null})"), "no 'text'");
  EXPECT_EQ(why(R"([1])"), "not a JSON object");
  EXPECT_NE(why(R"({"text":"x")"), "accepted");
  EXPECT_NE(why(""), "accepted");
  EXPECT_NE(why(R"({"text":"x"} {"text":"y"})"), "accepted");
}

TEST(Document, RefusesDuplicateKeysAtAnyLevel) {
  EXPECT_EQ(why(R"({"text":"a","text":"b"})"), "duplicate key 'text'");
  EXPECT_EQ(why(R"({"text":"a","te\u0078t":"b"})"), "duplicate key 'text'");
  EXPECT_EQ(why(R"({"text":"a","m":[{"k":1,"k":2}]})"), "duplicate key 'k'");
  std::string many = R"({"text":"a")";
  for (int i = 0; i < 100; ++i) many += ",\"k" + std::to_string(i) + "\":0";
  EXPECT_EQ(good(many + "}").extra.size(), 100u);
  EXPECT_EQ(why(many + ",\"k3\":1}"), "duplicate key 'k3'");
}

TEST(Document, RefusesDeepNesting) {
  std::string deep = R"({"text":"a","m":)" + std::string(70, '[') + std::string(70, ']') + "}";
  EXPECT_EQ(why(deep), "over 64 levels deep");
}

TEST(Document, ReplacesInvalidUtf8AndCountsIt) {
  Document document = good("{\"text\":\"a\xff\xe2\x82z\"}");
  EXPECT_EQ(document.text, "a\uFFFD\uFFFDz");
  EXPECT_EQ(document.replaced, 2);
}

TEST(Document, ReplacesLoneSurrogatesAndCountsThem) {
  Document document = good(R"({"text":"a\ud800b\\ud800 \ud83d\ude00 \udc00"})");
  EXPECT_EQ(document.text, "a\uFFFDb\\ud800 \U0001F600 \uFFFD");
  EXPECT_EQ(document.replaced, 2);
}

TEST(Document, DefaultIdDependsOnUrlAndText) {
  Document a, b;
  a.text = b.text = "t";
  a.url = "u";
  EXPECT_EQ(default_document_id(a).size(), 32u);
  EXPECT_NE(default_document_id(a), default_document_id(b));
}

}  // namespace
}  // namespace ballast
