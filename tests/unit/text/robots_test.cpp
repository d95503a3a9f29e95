#include "libcore/text/robots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "libcore/text/robots_policy.h"

namespace ballast {
namespace {

bool allowed(std::string_view content, std::string_view agent, std::string_view target) {
  return decide_robots(content, agent, std::string("http://h.example") + std::string(target))
      .allowed;
}

// One rule for every robot.
bool blocks(std::string_view pattern, std::string_view target) {
  return !allowed("User-agent: *\nDisallow: " + std::string(pattern) + "\n", "AnyBot", target);
}

TEST(Robots, EmptyFileAllowsEverything) {
  EXPECT_TRUE(allowed("", "GPTBot", "/x"));
  EXPECT_TRUE(allowed("\n\n# nothing\n", "GPTBot", "/x"));
  EXPECT_TRUE(allowed("<html><body>404: not here</body></html>", "GPTBot", "/x"));
}

TEST(Robots, ProductTokenIsComparedWholeAndWithoutCase) {
  std::string file = "user-AGENT : gptbot\nDISALLOW : /x\n";
  EXPECT_FALSE(allowed(file, "GPTBot", "/x"));
  EXPECT_TRUE(allowed(file, "GPT", "/x"));
  EXPECT_TRUE(allowed(file, "GPTBot2", "/x"));
  EXPECT_TRUE(allowed("User-agent: bot\nDisallow: /\n", "GPTBot", "/x"));
}

TEST(Robots, NamesOutsideTheCharsetAreComparedWholeOrByTheirToken) {
  EXPECT_FALSE(allowed("User-agent: CCBot/2.0\nDisallow: /\n", "CCBot/2.0", "/x"));
  EXPECT_FALSE(allowed("User-agent: CCBot/2.0\nDisallow: /\n", "CCBot", "/x"));
  EXPECT_TRUE(allowed("User-agent: CCBot\nDisallow: /\n", "CCBot/2.0", "/x"));
  EXPECT_FALSE(allowed("User-agent: AI2Bot\nDisallow: /\n", "AI2Bot", "/x"));
  EXPECT_FALSE(allowed("User-agent: Kangaroo Bot\nDisallow: /\n", "Kangaroo Bot", "/x"));
  EXPECT_FALSE(allowed("User-agent: GPTBot, CCBot\nDisallow: /\n", "GPTBot", "/x"));
}

TEST(Robots, GroupsOfOneTokenAreMergedWhereverTheyStand) {
  std::string file =
      "User-agent: GPTBot\nDisallow: /a\n\nUser-agent: other\nDisallow: /o\n\n"
      "User-agent: gptbot\nDisallow: /b\n";
  EXPECT_FALSE(allowed(file, "GPTBot", "/a"));
  EXPECT_FALSE(allowed(file, "GPTBot", "/b"));
  EXPECT_TRUE(allowed(file, "GPTBot", "/o"));
}

TEST(Robots, NamedGroupReplacesTheGlobalOne) {
  std::string file = "User-agent: *\nDisallow: /g\n\nUser-agent: GPTBot\nDisallow: /a\n";
  EXPECT_TRUE(allowed(file, "GPTBot", "/g"));
  EXPECT_FALSE(allowed(file, "GPTBot", "/a"));
  EXPECT_FALSE(allowed(file, "CCBot", "/g"));
  EXPECT_FALSE(allowed(file, "*", "/g"));
}

TEST(Robots, EmptyDisallowOfNamedGroupFreesItFromTheGlobalOne) {
  std::string file = "User-agent: GPTBot\nDisallow:\n\nUser-agent: *\nDisallow: /\n";
  EXPECT_TRUE(allowed(file, "GPTBot", "/x"));
  EXPECT_FALSE(allowed(file, "CCBot", "/x"));
}

TEST(Robots, GlobalGroupsAreMerged) {
  std::string file =
      "User-agent: *\nDisallow: /a\nUser-agent: X\nDisallow: /x\n"
      "User-agent: *\nDisallow: /b\n";
  EXPECT_FALSE(allowed(file, "GPTBot", "/a"));
  EXPECT_FALSE(allowed(file, "GPTBot", "/b"));
  EXPECT_TRUE(allowed(file, "GPTBot", "/x"));
}

TEST(Robots, ConsecutiveNamesShareTheRules) {
  std::string file = "User-agent: A\nUser-agent: B\nDisallow: /x\n";
  EXPECT_FALSE(allowed(file, "A", "/x"));
  EXPECT_FALSE(allowed(file, "B", "/x"));
  EXPECT_TRUE(allowed(file, "C", "/x"));
}

TEST(Robots, OtherRecordsAndBlankLinesDoNotEndAGroup) {
  std::string file =
      "User-agent: A\nSitemap: http://h.example/s.xml\n\nUser-agent: B\nCrawl-delay: 3\n\n"
      "Disallow: /x\nUnknown: y\nDisallow: /z\n";
  EXPECT_FALSE(allowed(file, "A", "/x"));
  EXPECT_FALSE(allowed(file, "A", "/z"));
  EXPECT_FALSE(allowed(file, "B", "/z"));
}

TEST(Robots, RulesBeforeAnyNameAreIgnored) {
  EXPECT_TRUE(allowed("Disallow: /\nUser-agent: A\nDisallow: /a\n", "A", "/x"));
  EXPECT_TRUE(allowed("Disallow: /\n", "A", "/x"));
}

TEST(Robots, LongestPatternWinsAndATieAllows) {
  EXPECT_TRUE(allowed("User-agent: *\nDisallow: /\nAllow: /x\n", "A", "/x/y"));
  EXPECT_FALSE(allowed("User-agent: *\nAllow: /x\nDisallow: /x/y\n", "A", "/x/y"));
  EXPECT_TRUE(allowed("User-agent: *\nDisallow: /x\nAllow: /x\n", "A", "/x"));
  EXPECT_TRUE(allowed("User-agent: *\nAllow: /x\nDisallow: /x\n", "A", "/x"));
  // RFC 9309 5.2: /example/page/ is longer than /example/.
  std::string rfc =
      "User-agent: foobot\nAllow: /example/page/\n"
      "Disallow: /example/page/disallowed.gif\n";
  EXPECT_TRUE(allowed(rfc, "foobot", "/example/page/index.html"));
  EXPECT_FALSE(allowed(rfc, "foobot", "/example/page/disallowed.gif"));
}

TEST(Robots, PathIsCaseSensitiveAndMatchedFromItsFirstOctet) {
  EXPECT_FALSE(blocks("/X", "/x"));
  EXPECT_FALSE(blocks("/b", "/a/b"));
  EXPECT_FALSE(blocks("b", "/b"));
  EXPECT_TRUE(blocks("/a", "/abc"));
  EXPECT_TRUE(blocks("/a", "/a?q=1"));
  EXPECT_FALSE(blocks("/a/", "/a"));
}

TEST(Robots, StarAndDollar) {
  EXPECT_TRUE(blocks("*.gif$", "/a/b.gif"));
  EXPECT_FALSE(blocks("*.gif$", "/a/b.gif?x"));
  EXPECT_TRUE(blocks("/a*c", "/abbbcd"));
  EXPECT_FALSE(blocks("/a*c$", "/abbbcd"));
  EXPECT_TRUE(blocks("/a*c$", "/abcbc"));
  EXPECT_TRUE(blocks("/a**c", "/ac"));
  EXPECT_TRUE(blocks("/$", "/"));
  EXPECT_FALSE(blocks("/$", "/a"));
  EXPECT_FALSE(blocks("$", "/a"));
  EXPECT_TRUE(blocks("*", "/"));
  EXPECT_TRUE(blocks("/a*$", "/abc"));
  EXPECT_FALSE(blocks("/ab*b$", "/ab"));  // the tail may not reuse octets of the head
}

TEST(Robots, DollarInsideAPatternIsLiteral) {
  EXPECT_TRUE(blocks("/a$b", "/a$b"));
  EXPECT_FALSE(blocks("/a$b", "/a"));
  EXPECT_TRUE(blocks("/price%24", "/price$9"));
  EXPECT_TRUE(blocks("/x%2Ay", "/x*y"));
  EXPECT_FALSE(blocks("/x%2Ay", "/xzy"));
}

TEST(Robots, CommentsStartAnywhere) {
  EXPECT_FALSE(allowed("User-agent: A # me\nDisallow: /x # why\n", "A", "/x"));
  EXPECT_TRUE(allowed("User-agent: A\n#Disallow: /x\n", "A", "/x"));
  EXPECT_TRUE(blocks("/x#y", "/xz"));  // the pattern is /x
}

// The table of RFC 9309, section 2.2.2.
TEST(Robots, EscapesFollowTheTableOfTheRfc) {
  EXPECT_TRUE(blocks("/foo/bar?baz=quz", "/foo/bar?baz=quz"));
  EXPECT_TRUE(blocks("/foo/bar?baz=http://foo.bar", "/foo/bar?baz=http%3A%2F%2Ffoo.bar"));
  EXPECT_TRUE(blocks("/foo/bar?baz=http%3A%2F%2Ffoo.bar", "/foo/bar?baz=http://foo.bar"));
  EXPECT_TRUE(blocks("/foo/bar/\xE3\x83\x84", "/foo/bar/%E3%83%84"));
  EXPECT_TRUE(blocks("/foo/bar/%E3%83%84", "/foo/bar/\xE3\x83\x84"));
  EXPECT_TRUE(blocks("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84"));
  EXPECT_TRUE(blocks("/foo/bar/%62%61%7A", "/foo/bar/baz"));
  EXPECT_TRUE(blocks("/foo/bar/baz", "/foo/bar/%62%61%7A"));
}

TEST(Robots, EscapedDelimitersOfThePathStayApart) {
  EXPECT_FALSE(blocks("/a/b", "/a%2Fb"));
  EXPECT_FALSE(blocks("/a%2Fb", "/a/b"));
  EXPECT_TRUE(blocks("/a%2fb", "/a%2Fb"));
  EXPECT_FALSE(blocks("/a?b", "/a%3Fb"));
  EXPECT_TRUE(blocks("/a,b", "/a%2Cb"));
  EXPECT_TRUE(blocks("/*url=http://", "/go?url=http://other.example/"));
  EXPECT_TRUE(blocks("/100%", "/100%25"));
}

TEST(Robots, UrlsLoseFragmentAndGainAPath) {
  std::string all = "User-agent: *\nDisallow: /\n";
  EXPECT_FALSE(decide_robots(all, "A", "http://h.example").allowed);
  EXPECT_FALSE(decide_robots(all, "A", "http://h.example?q").allowed);
  EXPECT_FALSE(decide_robots(all, "A", "http://h.example#f").allowed);
  std::string root = "User-agent: *\nDisallow: /$\n";
  EXPECT_FALSE(decide_robots(root, "A", "http://h.example#f").allowed);
  EXPECT_TRUE(decide_robots("User-agent: *\nDisallow: /*f\n", "A", "http://h.example/#f").allowed);
}

TEST(Robots, RobotsTxtItselfIsAlwaysAllowed) {
  EXPECT_TRUE(blocks("/", "/robots.txt.bak"));
  EXPECT_FALSE(blocks("/", "/robots.txt"));
}

TEST(Robots, AnyLineEndAndABomAreTaken) {
  EXPECT_FALSE(allowed("User-agent: A\rDisallow: /x\r", "A", "/x"));
  EXPECT_FALSE(allowed("User-agent: A\r\nDisallow: /x\r\n", "A", "/x"));
  EXPECT_FALSE(allowed("\xEF\xBB\xBFUser-agent: A\nDisallow: /x", "A", "/x"));
  EXPECT_EQ(decide_robots("User-agent: A\r\n\r\nDisallow: /x", "A", "http://h/x").line, 3);
  EXPECT_EQ(decide_robots("User-agent: A\r\rDisallow: /x", "A", "http://h/x").line, 3);
}

TEST(Robots, DecisionNamesItsLine) {
  RobotsDecision decision =
      decide_robots("# c\nUser-agent: *\nDisallow: /p/\nAllow: /p/q\n", "A", "http://h/p/q1");
  EXPECT_TRUE(decision.allowed);
  EXPECT_TRUE(decision.allow_rule);
  EXPECT_EQ(decision.line, 4);
  EXPECT_EQ(decision.pattern, "/p/q");
  EXPECT_EQ(decide_robots("User-agent: *\nDisallow: /p\n", "A", "http://h/q").line, 0);
}

TEST(Robots, ReadsExactly500KiBAndNoHalfLine) {
  std::string head = "User-agent: *\nDisallow: /a\n";
  std::string rule = "\nDisallow: /bbbb\n";
  std::string padding(kRobotsLimitBytes - head.size() - rule.size(), '#');
  RobotsFile fits = RobotsFile::parse(head + padding + rule);
  EXPECT_FALSE(fits.truncated());
  EXPECT_FALSE(allowed(head + padding + rule, "A", "/bbbb"));
  // One octet more cuts the terminator only; four more would leave "Disallow: /b".
  EXPECT_FALSE(allowed(head + padding + "#" + rule, "A", "/bbbb"));
  EXPECT_TRUE(RobotsFile::parse(head + padding + "####" + rule).truncated());
  EXPECT_TRUE(allowed(head + padding + "####" + rule, "A", "/bcd"));
  EXPECT_FALSE(allowed(head + padding + "####" + rule, "A", "/a"));
}

TEST(Robots, HostilePatternsTakeLinearTime) {
  std::string pattern = "/";
  for (int i = 0; i < 2000; ++i) pattern += "*a";
  std::string path = "/" + std::string(4000, 'a') + "b";
  EXPECT_TRUE(blocks(pattern, path));
  EXPECT_FALSE(blocks(pattern + "c", path));
  EXPECT_FALSE(blocks(pattern + "$", path));
}

TEST(RobotsPolicy, DefaultListIsThatOfApertus) {
  EXPECT_EQ(apertus_agents().size(), 15u);
  EXPECT_EQ(std::count(apertus_agents().begin(), apertus_agents().end(), "FacebookBot"), 1);
  EXPECT_EQ(apertus_agents().back(), "*");
}

TEST(RobotsPolicy, NamesEveryBlockingRobotAndTheRuleOfTheFirst) {
  RobotsPolicy policy(
      "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /x\n\n"
      "User-agent: PanguBot\nDisallow: /\n",
      {"CCBot", "CCBot/2.0", "PanguBot", "GPTBot"});
  RobotsVerdict verdict = policy.decide(RobotsTarget("http://h/x/1"));
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(verdict.agents, (std::vector<int>{0, 2, 3}));
  ASSERT_NE(verdict.rule, nullptr);
  EXPECT_EQ(verdict.rule->line, 3);
  EXPECT_EQ(policy.decide(RobotsTarget("http://h/y")).agents, std::vector<int>{2});
}

TEST(RobotsPolicy, GlobalBlockExcludesEvenWhereNamedRobotsAreFree) {
  RobotsPolicy policy("User-agent: GPTBot\nAllow: /\n\nUser-agent: *\nDisallow: /x\n",
                      {"GPTBot", "*"});
  EXPECT_EQ(policy.decide(RobotsTarget("http://h/x")).agents, std::vector<int>{1});
  EXPECT_TRUE(policy.decide(RobotsTarget("http://h/y")).allowed);
}

TEST(RobotsPolicy, AgentListRefusesEmptyAndRepeatedNames) {
  EXPECT_EQ(parse_agent_list("apertus", "--agents")->size(), 15u);
  EXPECT_EQ(*parse_agent_list("A, *", "--agents"), (std::vector<std::string>{"A", "*"}));
  EXPECT_FALSE(parse_agent_list("", "--agents").ok());
  EXPECT_FALSE(parse_agent_list("A,,B", "--agents").ok());
  EXPECT_EQ(parse_agent_list("A,a", "--agents").error().kind, ErrorKind::usage);
}

TEST(RobotsPolicy, NamedListsMayBeJoinedWithEachOtherAndWithNames) {
  std::vector<std::string> report = *parse_agent_list("apertus-report", "--agents");
  EXPECT_EQ(report.size(), 14u);
  EXPECT_EQ(std::count(report.begin(), report.end(), "FacebookBot"), 0);
  std::vector<std::string> public_list = *parse_agent_list("ai-robots", "--agents");
  EXPECT_EQ(std::count(public_list.begin(), public_list.end(), "*"), 0);
  EXPECT_EQ(std::count(public_list.begin(), public_list.end(), "Kangaroo Bot"), 1);
  std::vector<std::string> joined = *parse_agent_list("ai-robots, *, gptbot, Mine", "--agents");
  EXPECT_EQ(joined.size(), public_list.size() + 2);
  EXPECT_EQ(parse_agent_list("apertus-report,FacebookBot", "--agents")->size(), 15u);
}

}  // namespace
}  // namespace ballast
