#include "libcore/data/choices.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(ParseQuestion, ReadsHellaSwag) {
  const auto q = parse_question(
      R"({"ind":3,"ctx":"A man sits. he","endings":["runs. ","eats"," sleeps"],"label":"2"})",
      "f:1");
  ASSERT_TRUE(q.ok()) << q.error().message();
  ASSERT_EQ(q->choices.size(), 3u);
  EXPECT_EQ(q->choices[0].context, "A man sits. he");
  EXPECT_EQ(q->choices[0].continuation, " runs.");
  EXPECT_EQ(q->choices[2].continuation, " sleeps");
  EXPECT_EQ(q->label, 2);
}

TEST(ParseQuestion, ReadsWinoGrande) {
  const auto q = parse_question(
      R"({"sentence":"The cup broke the _ since it was soft.","option1":"cup","option2":"table","answer":"2"})",
      "f:1");
  ASSERT_TRUE(q.ok()) << q.error().message();
  EXPECT_EQ(q->choices[0].context, "The cup broke the cup");
  EXPECT_EQ(q->choices[1].context, "The cup broke the table");
  EXPECT_EQ(q->choices[1].continuation, " since it was soft.");
  EXPECT_EQ(q->label, 1);
}

TEST(ParseQuestion, RefusesWhatItCannotScore) {
  for (const char* line :
       {"[]", "{}", R"({"ctx":"a","endings":["b"],"label":0})",
        R"({"ctx":"a","endings":["b"," "],"label":0})",
        R"({"ctx":"a","endings":["b",3],"label":0})",
        R"({"ctx":"a","endings":["b","c"],"label":2})",
        R"({"ctx":"a","endings":["b","c"],"label":-1})",
        R"({"ctx":"a","endings":["b","c"],"label":""})", R"({"ctx":"a","endings":["b","c"]})",
        R"({"sentence":"no gap","option1":"b","option2":"c","answer":"1"})",
        R"({"sentence":"a _ _ gap","option1":"b","option2":"c","answer":"1"})",
        R"({"sentence":"a _ gap","option1":"b","option2":"c","answer":"0"})",
        R"({"sentence":"nothing after _","option1":"b","option2":"c","answer":"1"})"}) {
    const auto q = parse_question(line, "f:7");
    ASSERT_FALSE(q.ok()) << line;
    EXPECT_EQ(q.error().kind, ErrorKind::corrupt) << line;
    EXPECT_NE(q.error().message().find("f:7"), std::string::npos);
  }
}

}  // namespace
}  // namespace ballast
