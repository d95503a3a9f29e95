#include "libcore/shard/exclusion.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

Exclusion sample() {
  return {.shard = "data/web",
          .document = 7,
          .id = "d7",
          .url = "http://h.example/7",
          .host = "h.example",
          .sha256 = std::string(64, 'a'),
          .tokens = 12,
          .reason = "robots",
          .rule = "Disallow: /",
          .agents = {"GPTBot", "*"},
          .line = 2};
}

TEST(Exclusion, ComesBackAsItWasWritten) {
  const std::string line = exclusion_line(sample());
  EXPECT_EQ(
      line,
      R"({"shard":"data/web","document":7,"id":"d7","url":"http://h.example/7","host":"h.example","sha256":")" +
          std::string(64, 'a') +
          R"(","tokens":12,"reason":"robots","rule":"Disallow: /","agents":["GPTBot","*"],"line":2})");
  const auto again = parse_exclusion(line, "out:1");
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(*again, sample());
}

TEST(Exclusion, NeedsOnlyWhatNamesTheDocument) {
  const auto least = parse_exclusion(
      R"({"shard":"s","document":0,"tokens":0,"more":1,"sha256":")" + std::string(64, '0') + "\"}",
      "x");
  ASSERT_TRUE(least.ok()) << least.error().message();
  EXPECT_EQ(least->url, "");
}

TEST(Exclusion, RefusesWhatIsNoDocument) {
  const std::string hash = R"("sha256":")" + std::string(64, '0') + "\"";
  for (const std::string& line :
       {std::string("[]"), std::string("{}"),
        R"({"shard":"s","document":-1,"tokens":1,)" + hash + "}",
        R"({"shard":"s","document":1,"tokens":-1,)" + hash + "}",
        std::string(R"({"shard":"s","document":1,"tokens":1,"sha256":"AB"})"),
        R"({"shard":"s","document":1,"tokens":1,"agents":"x",)" + hash + "}"}) {
    const auto parsed = parse_exclusion(line, "out:1");
    ASSERT_FALSE(parsed.ok()) << line;
    EXPECT_EQ(parsed.error().kind, ErrorKind::corrupt);
  }
}

}  // namespace
}  // namespace ballast
