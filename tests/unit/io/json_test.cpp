#include "libcore/io/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ballast {
namespace {

std::string message_of(std::string_view text) {
  const auto parsed = parse_json(text, "x.json");
  EXPECT_FALSE(parsed.ok()) << text;
  if (parsed.ok()) return "";
  EXPECT_EQ(parsed.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(parsed.error().where, "x.json");
  return parsed.error().what + " | " + parsed.error().why;
}

TEST(Json, KeepsTheOrderOfKeys) {
  const auto parsed = parse_json(R"({"z":1,"a":[true,null,-2,3.5,"x"],"m":{}})", "x");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(to_json_line(*parsed), R"({"z":1,"a":[true,null,-2,3.5,"x"],"m":{}})");
}

TEST(Json, RefusesDuplicateKeysInEverySpelling) {
  EXPECT_EQ(message_of(R"({"a":1,"a":2})"), "malformed JSON at byte 10 | duplicate key 'a'");
  EXPECT_EQ(message_of(R"({"a":1,"\u0061":2})"), "malformed JSON at byte 15 | duplicate key 'a'");
  EXPECT_TRUE(parse_json(R"({"a":{"a":1},"b":{"a":1}})", "x").ok());
}

TEST(Json, FindsDuplicatesInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(parse_json(text + "\"k1000\":0}", "x").ok());
  EXPECT_NE(message_of(text + "\"k3\":0}").find("duplicate key 'k3'"), std::string::npos);
  EXPECT_NE(message_of(text + "\"k999\":0}").find("duplicate key 'k999'"), std::string::npos);
}

TEST(Json, NamesTheByteOfAnError) {
  EXPECT_TRUE(message_of("{\"a\":tru}").starts_with("malformed JSON at byte 9 |"));
  EXPECT_TRUE(message_of("").starts_with("malformed JSON at byte 0 |"));
}

TEST(Json, RefusesWhatTheGrammarDoesNotHave) {
  for (const char* text : {"{",           "[1,]",
                           "{\"a\" 1}",   "{\"a\":1,}",
                           "01",          "+1",
                           ".5",          "1.",
                           "1e",          "NaN",
                           "Infinity",    "'a'",
                           "\"\x01\"",    "\"\\x41\"",
                           "\"\\uD800\"", "\"\\uDC00x\"",
                           "1 2",         "{} x",
                           "/**/1",       "1e999",
                           "\"\xFF\"",    "\"\xED\xA0\x80\"",
                           "{\"a\":1}}",  "nul"})
    message_of(text);
}

TEST(Json, RefusesBytesBehindANul) {
  EXPECT_EQ(message_of(std::string_view("{}\0garbage", 10)), "malformed JSON at byte 2 | NUL byte");
}

TEST(Json, BoundsTheDepth) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(64), "x").ok());
  EXPECT_EQ(message_of(nested(65)), "malformed JSON at byte 65 | over 64 levels deep");
  message_of(std::string(1000000, '['));
}

TEST(Json, KeysInMessagesAreHarmlessOnATerminal) {
  EXPECT_EQ(message_of("{\"\\u001b[2J\":1,\"\\u001b[2J\":1}"),
            "malformed JSON at byte 26 | duplicate key '\\x1B[2J'");
}

TEST(Json, WritesDoublesThatReadBackTheSame) {
  for (const double value : {0.1, 1.0, -0.0, 1e300, 5e-324, 1.0 / 3, 1e22, 123456789.125}) {
    const std::string text = to_json_line(Json(value));
    const auto back = parse_json(text, "x");
    ASSERT_TRUE(back.ok()) << text;
    EXPECT_TRUE(back->is_number_float()) << text;
    const auto again = back->get<double>();
    EXPECT_EQ(std::memcmp(&again, &value, sizeof value), 0) << text;
  }
  EXPECT_EQ(to_json_line(Json(1.0)), "1.0");
  EXPECT_EQ(to_json_line(Json(0.1)), "0.1");
}

TEST(Json, WritesNonFiniteNumbersAsStrings) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_json_line(Json::array({json_number(infinity), -infinity, std::nan("")})),
            R"(["Infinity","-Infinity","NaN"])");
  EXPECT_EQ(*number_of(Json("-Infinity"), "x"), -infinity);
  EXPECT_TRUE(std::isnan(*number_of(Json("NaN"), "x")));
  EXPECT_FALSE(number_of(Json("1"), "x").ok());
  EXPECT_FALSE(number_of(Json(true), "x").ok());
}

TEST(Json, EscapesAndRepairsStrings) {
  EXPECT_EQ(to_json_line(Json("a\"b\\c\n\t\r\x01\x7F\xC3\xA9")),
            "\"a\\\"b\\\\c\\n\\t\\r\\u0001\x7F\xC3\xA9\"");
  EXPECT_EQ(to_json_line(Json("x\xFFy")), "\"x\xEF\xBF\xBDy\"");
}

TEST(Json, IndentsForPeople) {
  EXPECT_EQ(to_json_text(Json{{"a", {1, 2}}, {"b", Json::object()}}),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}\n");
}

TEST(Json, MembersSayWhatIsWrong) {
  const Json object = {{"n", 3}, {"f", 3.5}, {"w", 3.0}, {"s", "t"}, {"big", 1ull << 63}};
  EXPECT_EQ(*integer_member(object, "n", "x"), 3);
  EXPECT_EQ(*integer_member(object, "w", "x"), 3);
  EXPECT_EQ(*number_member(object, "f", "x"), 3.5);
  EXPECT_EQ(*string_member(object, "s", "x"), "t");
  EXPECT_EQ(integer_member(object, "f", "x").error().what, "'f' is not a whole number");
  EXPECT_EQ(integer_member(object, "big", "x").error().what, "'big' is not a whole number");
  EXPECT_EQ(string_member(object, "n", "x").error().what, "'n' is not a string");
  EXPECT_EQ(number_member(object, "s", "x").error().what, "'s' is not a number");
  EXPECT_EQ(member(object, "q", "x").error().what, "missing key 'q'");
  EXPECT_EQ(member(Json(1), "q", "x").error().what, "not a JSON object");
}

}  // namespace
}  // namespace ballast
