// The faults and freedoms of Protego 0.4 and 0.5, each checked against those versions.
#include <gtest/gtest.h>

#include <string>

#include "libcore/text/robots.h"

namespace ballast {
namespace {

bool allowed(std::string_view content, std::string_view agent, std::string_view url) {
  return decide_robots(content, agent, url, RobotsMode::protego).allowed;
}

bool blocks(std::string_view pattern, std::string_view target) {
  return !allowed("User-agent: Foo\nDisallow: " + std::string(pattern) + "\n", "Foo",
                  "http://h.example" + std::string(target));
}

TEST(RobotsProtego, NameOfAGroupIsLookedForAnywhereInTheNameAskedFor) {
  EXPECT_FALSE(allowed("User-agent: bot\nDisallow: /\n", "GPTBot", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: CCBot\nDisallow: /\n", "CCBot/2.0", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: CCBot/2.0\nDisallow: /\n", "CCBot", "http://h/x"));
  std::string file = "User-agent: bot\nDisallow: /\nUser-agent: GPTBot\nAllow: /\n";
  EXPECT_TRUE(allowed(file, "GPTBot", "http://h/x"));
  EXPECT_FALSE(allowed(file, "CCBot", "http://h/x"));
  // '*' and a name of one letter weigh the same: the first in the file counts.
  EXPECT_FALSE(
      allowed("User-agent: *\nDisallow: /\nUser-agent: g\nAllow: /\n", "GPTBot", "http://h/x"));
  EXPECT_TRUE(
      allowed("User-agent: g\nAllow: /\nUser-agent: *\nDisallow: /\n", "GPTBot", "http://h/x"));
}

TEST(RobotsProtego, StarInsideANameIsTakenOutForASecondName) {
  EXPECT_FALSE(allowed("User-agent: GPT*\nDisallow: /\n", "GPTBot", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: *bot\nDisallow: /\n", "GPTBot", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: **\nDisallow: /\n", "GPTBot", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: *\nDisallow: /\n", "*", "http://h/x"));
}

TEST(RobotsProtego, AnyOtherFieldEndsARunOfNames) {
  for (const char* other : {"Sitemap: x", "Crawl-delay: 3", "Unknown: y", "Disallow:", "Host:"}) {
    std::string file = std::string("User-agent: A\n") + other + "\nUser-agent: *\nDisallow: /\n";
    EXPECT_TRUE(allowed(file, "A", "http://h/x")) << other;
    EXPECT_FALSE(allowed(file, "C", "http://h/x")) << other;
  }
  for (const char* other : {"", "# note", "no field here", ": x", "User-agent:"}) {
    std::string file = std::string("User-agent: A\n") + other + "\nUser-agent: *\nDisallow: /\n";
    EXPECT_FALSE(allowed(file, "A", "http://h/x")) << other;
  }
}

TEST(RobotsProtego, LineWithoutFieldNameJoinsWhatARuleHadParted) {
  std::string file = "User-agent: A\nDisallow: /a\n: x\nUser-agent: B\nDisallow: /b\n";
  EXPECT_FALSE(allowed(file, "A", "http://h/a"));
  EXPECT_FALSE(allowed(file, "A", "http://h/b"));
  EXPECT_TRUE(allowed(file, "B", "http://h/a"));
  EXPECT_FALSE(allowed(file, "B", "http://h/b"));
}

TEST(RobotsProtego, FieldsAreExactAndLackTheirColonOnlyInLowerCase) {
  EXPECT_TRUE(allowed("User-agent: A\nDisallowed: /\n", "A", "http://h/x"));
  EXPECT_FALSE(allowed("User agent: A\nDissalow: /\n", "A", "http://h/x"));
  EXPECT_FALSE(allowed("user agent A\ndisallow /\n", "A", "http://h/x"));
  EXPECT_TRUE(allowed("user agent A\nDisallow /\n", "A", "http://h/x"));
  EXPECT_TRUE(allowed("user-agent A\ndisallow\t/\n", "A", "http://h/x"));
}

TEST(RobotsProtego, LinesAndBlanksAreThoseOfPython) {
  for (const char* end :
       {"\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1e", "\xC2\x85", "\xE2\x80\xA8"}) {
    EXPECT_FALSE(allowed(std::string("User-agent: A") + end + "Disallow: /", "A", "http://h/x"));
  }
  EXPECT_TRUE(
      allowed("User-agent: A\x1f"
              "Disallow: /",
              "A", "http://h/x"));
  EXPECT_FALSE(
      allowed("\xC2\xA0User-agent:\xE3\x80\x80"
              "A\nDisallow: /x\x1f\n",
              "A", "http://h/x"));
  EXPECT_TRUE(allowed("\xEF\xBB\xBFUser-agent: A\nDisallow: /\n", "A", "http://h/x"));
  EXPECT_FALSE(
      allowed("User-agent: \xE2\x84\xAA"
              "angaroo\nDisallow: /\n",
              "Kangaroo", "http://h/x"));
  EXPECT_EQ(
      decide_robots("User-agent: A\n\fDisallow: /", "A", "http://h/x", RobotsMode::protego).line,
      3);
}

TEST(RobotsProtego, DollarInsideAPatternIsTriedLiterallyToo) {
  EXPECT_TRUE(blocks("/a$", "/a"));
  EXPECT_TRUE(blocks("/a$", "/a$"));
  EXPECT_TRUE(blocks("/a$", "/a%24b"));
  EXPECT_FALSE(blocks("/a$", "/ab"));
  EXPECT_TRUE(blocks("/a$b", "/a$b"));
}

TEST(RobotsProtego, QueriesLoseTheirAnchor) {
  EXPECT_FALSE(blocks("/a?b$", "/a?b"));
  EXPECT_TRUE(blocks("/a?b", "/a?bc"));
  EXPECT_FALSE(blocks("/a?", "/a?"));  // the URL loses its empty query
  EXPECT_TRUE(blocks("/a?", "/a?b"));
}

TEST(RobotsProtego, PathsAreEscapedAnewAndQueriesKept) {
  EXPECT_TRUE(blocks("/%62%61", "/ba"));
  EXPECT_TRUE(blocks("/\xE3\x83\x84", "/%e3%83%84"));
  EXPECT_TRUE(blocks("/a,b", "/a%2Cb"));
  EXPECT_FALSE(blocks("/a%2Fb", "/a/b"));
  EXPECT_FALSE(blocks("/a=b", "/a=b"));  // the URL becomes /a%3Db, the pattern does not
  EXPECT_TRUE(blocks("/a?x=y", "/a?x=y"));
  EXPECT_FALSE(blocks("/a?%62", "/a?b"));
}

TEST(RobotsProtego, FragmentIsComparedAndRobotsTxtIsNoException) {
  EXPECT_TRUE(blocks("/*f", "/a#f"));
  EXPECT_FALSE(blocks("/a$", "/a#f"));
  EXPECT_TRUE(blocks("/", "/robots.txt"));
  EXPECT_FALSE(allowed("User-agent: A\nDisallow: /$\n", "A", "http://h"));
}

TEST(RobotsProtego, UrlInAPatternIsAPathOrLosesItsAuthority) {
  EXPECT_TRUE(blocks("https://h.example/x", "/https://h.example/x"));
  EXPECT_TRUE(blocks("ftp://h.example/x", "/x"));
  EXPECT_TRUE(blocks("//x", "//x"));
}

TEST(RobotsProtego, PriorityCountsCodePoints) {
  // /aa?\u30c4 has 5, /aa?b* has 6.
  EXPECT_FALSE(allowed("User-agent: A\nAllow: /a?\xE3\x83\x84\nDisallow: /a?**\n", "A",
                       "http://h/a?\xE3\x83\x84"));
  EXPECT_TRUE(allowed("User-agent: A\nDisallow: /x\nAllow: /x\n", "A", "http://h/x"));
}

TEST(RobotsProtego, AllowOfAnIndexPageAllowsItsFolder) {
  std::string file = "User-agent: A\nAllow: /a/index.html\nDisallow: /\n";
  EXPECT_TRUE(allowed(file, "A", "http://h/a/"));
  EXPECT_FALSE(allowed(file, "A", "http://h/a/b"));
  EXPECT_FALSE(allowed("User-agent: A\nAllow: /a/index.htm\nDisallow: /\n", "A", "http://h/a/"));
}

TEST(RobotsProtego, WhatPythonRefusesToSplitForbidsNothing) {
  std::string file = "User-agent: *\nDisallow: /\n";
  EXPECT_TRUE(allowed(file, "A", "http://[bad]/x"));
  EXPECT_TRUE(allowed(file, "A", "http://[::1/x"));
  EXPECT_TRUE(allowed(file, "A", "http://\xE2\x84\x80/x"));  // NFKC of U+2100 is "a/c"
  EXPECT_FALSE(allowed(file, "A", "http://[::1]/x"));
  EXPECT_TRUE(allowed(file + "Disallow: x://[bad]/\n", "A", "http://h/x"));
}

}  // namespace
}  // namespace ballast
