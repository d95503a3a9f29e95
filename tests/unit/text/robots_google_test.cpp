// What google/robotstxt promises in its own tests and documentation, in our own files and URLs.
#include <gtest/gtest.h>

#include <string>

#include "libcore/text/robots.h"

namespace ballast {
namespace {

bool allowed(std::string_view content, std::string_view agent, std::string_view url) {
  return decide_robots(content, agent, url, RobotsMode::google).allowed;
}

bool blocks(std::string_view pattern, std::string_view target) {
  return !allowed("User-agent: Foo\nDisallow: " + std::string(pattern) + "\n", "Foo",
                  "http://h.example" + std::string(target));
}

std::string target_of(std::string_view url) {
  return std::string(RobotsTarget(url, RobotsMode::google).path());
}

TEST(RobotsGoogle, FieldsAreTakenByPrefixAndWithTheUsualMisspellings) {
  for (const char* agent : {"User-agent", "USER-AGENT", "useragent", "User agent", "User-agents"}) {
    for (const char* field : {"Disallow", "disallow", "Dissallow", "Dissalow", "Disalow",
                              "Diasllow", "Disallaw", "Disallowed"}) {
      std::string file = std::string(agent) + ": Foo\n" + field + ": /\n";
      EXPECT_FALSE(allowed(file, "Foo", "http://h/x")) << file;
    }
  }
  EXPECT_TRUE(allowed("User-agent: Foo\nDisallow: /\nAllowed: /x\n", "Foo", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: Foo\nDisallow: /\nAlow: /x\n", "Foo", "http://h/x"));
  EXPECT_TRUE(allowed("Foo: User-agent\nDisallow: /\n", "Foo", "http://h/x"));
}

TEST(RobotsGoogle, ColonMayBeMissingBetweenExactlyTwoWords) {
  EXPECT_FALSE(allowed("user-agent Foo\ndisallow /\n", "Foo", "http://h/x"));
  EXPECT_FALSE(allowed("user-agent\tFoo\ndisallow \t /\n", "Foo", "http://h/x"));
  EXPECT_TRUE(allowed("user-agent Foo Bar\ndisallow /\n", "Foo", "http://h/x"));
  EXPECT_TRUE(allowed("user-agent: Foo\ndisallow\n", "Foo", "http://h/x"));
}

TEST(RobotsGoogle, NamesInTheFileAreCutAndNamesAskedForAreNot) {
  EXPECT_FALSE(allowed("User-agent: Foo Bar\nDisallow: /\n", "Foo", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: Foo/2.1\nDisallow: /\n", "foo", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: foo_bar-x!\nDisallow: /\n", "Foo_Bar-X", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: Foo Bar\nDisallow: /\n", "Foo Bar", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: CCBot/2.0\nDisallow: /\n", "CCBot/2.0", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: CCBot/2.0\nDisallow: /\n", "CCBot", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: AI2Bot\nDisallow: /\n", "AI2Bot", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: Foobar\nDisallow: /\n", "Foo", "http://h/x"));
}

TEST(RobotsGoogle, StarAndABlankIsTheGlobalGroup) {
  EXPECT_FALSE(allowed("User-agent: * all of you\nDisallow: /\n", "Foo", "http://h/x"));
  EXPECT_FALSE(allowed("User-agent: *\tx\nDisallow: /\n", "*", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: *Foo\nDisallow: /\n", "Foo", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: **\nDisallow: /\n", "Foo", "http://h/x"));
}

TEST(RobotsGoogle, OnlyRulesEndARunOfNames) {
  std::string file =
      "User-agent: A\nSitemap: s\nCrawl-delay: 3\nx: y\n\nUser-agent: B\nDisallow: /\n";
  EXPECT_FALSE(allowed(file, "A", "http://h/x"));
  EXPECT_FALSE(allowed(file, "B", "http://h/x"));
  // A line that names nobody ends a group all the same.
  file = "User-agent: A\nDisallow: /a\nUser-agent: 2\nDisallow: /b\n";
  EXPECT_TRUE(allowed(file, "A", "http://h/b"));
  EXPECT_TRUE(allowed("Disallow: /\nUser-agent: A\nAllow: /x\n", "A", "http://h/y"));
}

TEST(RobotsGoogle, SpecificGroupReplacesTheGlobalOneEvenWhenItsRulesAreEmpty) {
  std::string global = "User-agent: *\nDisallow: /\n";
  EXPECT_TRUE(allowed(global + "User-agent: Foo\nDisallow:\n", "Foo", "http://h/x"));
  EXPECT_TRUE(allowed(global + "User-agent: Foo\n", "Foo", "http://h/x"));
  EXPECT_FALSE(allowed(global + "User-agent: Foo\n", "Bar", "http://h/x"));
  EXPECT_TRUE(allowed("User-agent: *\nUser-agent: Foo\nAllow: /\n" + global, "Foo", "http://h/x"));
}

TEST(RobotsGoogle, LongestPatternWinsByItsEscapedBytesAndATieAllows) {
  auto verdict = [](const std::string& rules, std::string_view path) {
    return allowed("User-agent: Foo\n" + rules, "Foo", "http://h" + std::string(path));
  };
  EXPECT_TRUE(verdict("Allow: /p\nDisallow: /\n", "/page"));
  EXPECT_TRUE(verdict("Allow: /folder\nDisallow: /folder\n", "/folder/page"));
  EXPECT_FALSE(verdict("Allow: /page\nDisallow: /*.htm\n", "/page.htm"));
  EXPECT_TRUE(verdict("Allow: /$\nDisallow: /\n", "/"));
  EXPECT_FALSE(verdict("Allow: /$\nDisallow: /\n", "/page.htm"));
  // Each '*' counts, also at the end; an octet from 0x80 counts three.
  EXPECT_FALSE(verdict("Allow: /abc\nDisallow: /a***\n", "/abc"));
  EXPECT_FALSE(verdict("Allow: /%C3%A9a\nDisallow: /\xC3\xA9**\n", "/%C3%A9a"));
  EXPECT_TRUE(verdict("Disallow: /x\nAllow:\n", "/y"));
}

TEST(RobotsGoogle, PathsOfTheDocumentation) {
  EXPECT_TRUE(blocks("/fish", "/fish.html"));
  EXPECT_TRUE(blocks("/fish", "/fishheads/yummy.html"));
  EXPECT_FALSE(blocks("/fish", "/Fish.asp"));
  EXPECT_FALSE(blocks("/fish", "/catfish"));
  EXPECT_TRUE(blocks("/fish*", "/fish.php?id=anything"));
  EXPECT_FALSE(blocks("/fish/", "/fish"));
  EXPECT_TRUE(blocks("/*.php", "/folder/any.php.file.html"));
  EXPECT_FALSE(blocks("/*.php", "/windows.PHP"));
  EXPECT_TRUE(blocks("/*.php$", "/folder/filename.php"));
  EXPECT_FALSE(blocks("/*.php$", "/filename.php?parameters"));
  EXPECT_FALSE(blocks("/*.php$", "/filename.php5"));
  EXPECT_TRUE(blocks("/fish*.php", "/fishheads/catfish.php?parameters"));
  EXPECT_FALSE(blocks("/fish*.php", "/Fish.PHP"));
  EXPECT_TRUE(blocks("/a$b", "/a$b"));
}

TEST(RobotsGoogle, NothingIsDecodedAndUrlsAreTakenAsTheyCome) {
  EXPECT_TRUE(blocks("/foo/bar?qux=taz&baz=http://foo.bar", "/foo/bar?qux=taz&baz=http://foo.bar"));
  EXPECT_TRUE(blocks("/foo/bar/\xE3\x83\x84", "/foo/bar/%E3%83%84"));
  EXPECT_FALSE(blocks("/foo/bar/\xE3\x83\x84", "/foo/bar/\xE3\x83\x84"));
  EXPECT_TRUE(blocks("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84"));
  EXPECT_FALSE(blocks("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"));
  EXPECT_FALSE(blocks("/foo/bar/%62%61%7A", "/foo/bar/baz"));
  EXPECT_TRUE(blocks("/foo/bar/%62%61%7A", "/foo/bar/%62%61%7A"));
  EXPECT_FALSE(blocks("/x%2Ay", "/x*y"));
  EXPECT_TRUE(blocks("/%zz", "/%zz"));
}

TEST(RobotsGoogle, AllowOfAnIndexPageAllowsItsFolder) {
  std::string file = "User-agent: *\nAllow: /allowed-slash/index.html\nDisallow: /\n";
  EXPECT_TRUE(allowed(file, "Foo", "http://h/allowed-slash/"));
  EXPECT_TRUE(allowed(file, "Foo", "http://h/allowed-slash/index.html"));
  EXPECT_FALSE(allowed(file, "Foo", "http://h/allowed-slash/index.htm"));
  EXPECT_FALSE(allowed(file, "Foo", "http://h/anyother-url"));
  EXPECT_TRUE(allowed("User-agent: *\nAllow: /a/index.htmx\nDisallow: /\n", "Foo", "http://h/a/"));
  EXPECT_TRUE(allowed("User-agent: *\nDisallow: /a/index.html\n", "Foo", "http://h/a/"));
}

TEST(RobotsGoogle, LinesAreCutAt16663BytesAndAtANul) {
  std::string padding(2083 * 8 - 1 - std::string("disallow: /").size(), 'a');
  std::string file = "user-agent: Foo\ndisallow: /" + padding + "XY\n";
  EXPECT_FALSE(allowed(file, "Foo", "http://h/" + padding));
  EXPECT_TRUE(allowed(file, "Foo", "http://h/" + padding.substr(1)));
  std::string nul = std::string("user-agent: Foo\ndisallow: /a") + '\0' + "b\n";
  EXPECT_FALSE(allowed(nul, "Foo", "http://h/ac"));
}

TEST(RobotsGoogle, ByteOrderMarkIsPassedOverAtTheStartEvenInPart) {
  std::string file = "User-Agent: Foo\nAllow: /AnyValue\nUser-Agent: *\nDisallow: /\n";
  for (const char* mark : {"", "\xEF\xBB\xBF", "\xEF\xBB", "\xEF"}) {
    EXPECT_TRUE(allowed(mark + file, "Foo", "http://h/AnyValue")) << mark;
  }
  EXPECT_FALSE(allowed("\xEF\x11\xBF" + file, "Foo", "http://h/AnyValue"));
  std::string later =
      "User-Agent: Foo\n\xEF\xBB\xBF"
      "Allow: /AnyValue\nDisallow: /\n";
  EXPECT_FALSE(allowed(later, "Foo", "http://h/AnyValue"));
}

TEST(RobotsGoogle, LinesAreCountedByAnyLineEnd) {
  auto line = [](std::string_view file) {
    return decide_robots(file, "Foo", "http://h/x", RobotsMode::google).line;
  };
  EXPECT_EQ(line("User-Agent: Foo\r\n\r\nDisallow: /x\r\n"), 3);
  EXPECT_EQ(line("User-Agent: Foo\r\rDisallow: /x"), 3);
  EXPECT_EQ(line("User-Agent: Foo\n\rDisallow: /x"), 3);
  EXPECT_EQ(line("User-Agent: Foo\n\nDisallow: /y\nDisallow: /x\nDisallow: /x\n"), 4);
}

TEST(RobotsGoogle, TargetRunsFromTheFirstMarkAfterTheAuthorityToTheFragment) {
  EXPECT_EQ(target_of(""), "/");
  EXPECT_EQ(target_of("http://www.example.com"), "/");
  EXPECT_EQ(target_of("http://www.example.com/a"), "/a");
  EXPECT_EQ(target_of("http://www.example.com/a/b?c=http://d.e/"), "/a/b?c=http://d.e/");
  EXPECT_EQ(target_of("http://www.example.com/a/b;c?d=e&f#fragment"), "/a/b;c?d=e&f");
  EXPECT_EQ(target_of("http://www.example.com?a"), "/?a");
  EXPECT_EQ(target_of("http://www.example.com;a#b"), "/;a");
  EXPECT_EQ(target_of("http://www.example.com#a/b"), "/");
  EXPECT_EQ(target_of("example.com/a"), "/a");
  EXPECT_EQ(target_of("//a/b/c"), "/b/c");
  EXPECT_EQ(target_of("//a"), "/");
  EXPECT_EQ(target_of("/a://b"), "/a://b");
  EXPECT_TRUE(blocks("/", "/robots.txt"));
}

TEST(RobotsGoogle, NoLimitOfSize) {
  std::string file = "User-agent: Foo\n" + std::string(600000, '#') + "\nDisallow: /x\n";
  EXPECT_FALSE(allowed(file, "Foo", "http://h/x"));
  EXPECT_FALSE(RobotsFile::parse(file, RobotsMode::google).truncated());
}

}  // namespace
}  // namespace ballast
