#include "libcore/text/pii.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace ballast {
namespace {

using Found = std::vector<std::string_view>;

std::string redacted(std::string text) {
  redact_pii(text);
  return text;
}

TEST(PiiEmail, FindsDotAtomsBeforeTwoOrMoreLabels) {
  EXPECT_EQ(find_emails("write to ann.b+c@mail.example.org today"),
            Found{"ann.b+c@mail.example.org"});
  EXPECT_EQ(find_emails("a@b.c d@e.f"), (Found{"a@b.c", "d@e.f"}));
  EXPECT_EQ(find_emails("x@localhost"), Found{});
  EXPECT_EQ(find_emails("x@-a.com y@a..com"), Found{});
  EXPECT_EQ(find_emails("@a.com"), Found{});
  EXPECT_EQ(find_emails("a@"), Found{});
}

TEST(PiiEmail, HasNoTrailingBoundaryAndNoListOfDomains) {
  EXPECT_EQ(find_emails("a@b.c-d_"), Found{"a@b.c-d"});
  EXPECT_EQ(find_emails("a@b.c-."), Found{"a@b.c"});
  EXPECT_EQ(find_emails("mail a@b.zzz."), Found{"a@b.zzz"});
}

TEST(PiiEmail, StartsAtAWordBoundary) {
  EXPECT_EQ(find_emails(" +x@a.bc"), Found{"x@a.bc"});
  EXPECT_EQ(find_emails("y+x@a.bc"), Found{"y+x@a.bc"});
  EXPECT_EQ(find_emails("a..x@a.bc"), Found{"x@a.bc"});
  EXPECT_EQ(find_emails("++@a.bc"), Found{});
  EXPECT_EQ(find_emails("\u00e9x@a.bc"), Found{});            // a letter before: no boundary
  EXPECT_EQ(find_emails("\u00e9-x@a.bc"), Found{"-x@a.bc"});  // letter, then '-': a boundary
  EXPECT_EQ(find_emails("\u3002x@a.bc"), Found{"x@a.bc"});  // an ideographic full stop is no letter
}

TEST(PiiEmail, TakesAddressLiterals) {
  EXPECT_EQ(find_emails("x@[10.0.0.1]"), Found{"x@[10.0.0.1]"});
  EXPECT_EQ(find_emails("x@[10.0.0.ab:]"), Found{"x@[10.0.0.ab:]"});
  EXPECT_EQ(find_emails("x@[10.0.0.256]"), Found{});
  EXPECT_EQ(find_emails("x@[10.0.0.1"), Found{});
}

TEST(PiiEmail, MatchesDoNotOverlap) { EXPECT_EQ(find_emails("a@b.c@d.e"), Found{"a@b.c"}); }

TEST(PiiIp, HasNoBoundaries) {
  EXPECT_EQ(find_ipv4("host 192.168.0.1, 8.8.8.8"), (Found{"192.168.0.1", "8.8.8.8"}));
  EXPECT_EQ(find_ipv4("version 1.2.3.4.5"), Found{"1.2.3.4"});
  EXPECT_EQ(find_ipv4("256.1.1.1"), Found{"56.1.1.1"});
  EXPECT_EQ(find_ipv4("1.1.1.256"), Found{"1.1.1.25"});
  EXPECT_EQ(find_ipv4("1234.5.6.7"), Found{"234.5.6.7"});
  EXPECT_EQ(find_ipv4("001.002.003.004"), Found{"001.002.003.004"});
  EXPECT_EQ(find_ipv4("1.2.3"), Found{});
  EXPECT_EQ(find_ipv4("1.2.1000.4"), Found{});
  EXPECT_EQ(find_ipv4("1.2.3.4.5.6.7.8"), (Found{"1.2.3.4", "5.6.7.8"}));
  EXPECT_EQ(find_ipv4("1.2.3.400"), Found{"1.2.3.40"});
}

TEST(PiiIban, MatchesOnlyFourGroupsOfFourDigits) {
  EXPECT_EQ(find_ibans("CH93 0076 2011 6238 5295 7"), Found{"CH93 0076 2011 6238 5295 7"});
  EXPECT_EQ(find_ibans("DE89 3704 0044 0532 0130 00."), Found{"DE89 3704 0044 0532 0130 00"});
  EXPECT_EQ(find_ibans("DE89370400440532013000"), Found{});
  EXPECT_EQ(find_ibans("GB29 NWBK 6016 1331 9268 19"), Found{});
  EXPECT_EQ(find_ibans("de89 3704 0044 0532 0130 00"), Found{});
  EXPECT_EQ(find_ibans("XDE89 3704 0044 0532 0130 000"), Found{"DE89 3704 0044 0532 0130 00"});
  EXPECT_EQ(find_ibans("CH93 0076 2011 6238 5295"), Found{});
  EXPECT_EQ(find_ibans("CH93 0076 2011 6238 5295 "), Found{});
}

TEST(Pii, ReplacesEveryKindByItsMarker) {
  std::string text = "ann@b.org from 10.1.2.3 paid CH93 0076 2011 6238 5295 7";
  PiiCounts counts = redact_pii(text);
  EXPECT_EQ(text, "<email-pii> from <ip-pii> paid <iban-pii>");
  EXPECT_EQ(counts.email, 1);
  EXPECT_EQ(counts.ip, 1);
  EXPECT_EQ(counts.iban, 1);
}

TEST(Pii, CountsDistinctStrings) {
  std::string text = "a@b.c a@b.c A@b.c";
  EXPECT_EQ(redact_pii(text).email, 2);
  EXPECT_EQ(text, "<email-pii> <email-pii> <email-pii>");
}

// The quirk of the published formatter: the shorter address was found first, so it is also replaced
// inside the longer one, which then is not there any more.
TEST(Pii, ShortAddressDamagesALongerOne) {
  EXPECT_EQ(redacted("b@c.de and ab@c.de"), "<email-pii> and a<email-pii>");
  EXPECT_EQ(redacted("ab@c.de and b@c.de"), "<email-pii> and <email-pii>");
  EXPECT_EQ(redacted("1.1.1.1 and 1.1.1.12"), "<ip-pii> and <ip-pii>2");
}

TEST(Pii, LaterKindsSearchTheTextThatEarlierKindsLeft) {
  EXPECT_EQ(redacted("x@[10.0.0.1] 10.0.0.1"), "<email-pii> <ip-pii>");
  EXPECT_EQ(redacted("nothing here"), "nothing here");
}

// The published algorithm to the letter: one replacement over the whole text per distinct hit.
std::string redacted_one_by_one(std::string text) {
  std::set<std::string> seen;
  auto run = [&](std::vector<std::string_view> (*find)(std::string_view), std::string_view marker) {
    std::vector<std::string> hits;
    for (std::string_view hit : find(text)) hits.emplace_back(hit);
    for (const std::string& hit : hits) {
      if (!seen.insert(hit).second) continue;
      for (size_t at = text.find(hit); at != std::string::npos; at = text.find(hit, at)) {
        text.replace(at, hit.size(), marker);
        at += marker.size();
      }
    }
  };
  run(find_emails, kEmailMarker);
  run(find_ipv4, kIpMarker);
  run(find_ibans, kIbanMarker);
  return text;
}

TEST(Pii, ManyHitsInOnePassEqualOnePassEach) {
  const std::vector<std::string> pieces = {
      "a",        "b.",          "@a.b", "@b.cd", "@",  ".",    " ", "1.2.3.4",
      "11.2.3.4", "1.",          "2.3.", "255",   "-x", "DE11", "7", " 1111 2222 3333 4444 5",
      " 1111",    "x@[1.2.3.4]", ","};
  std::mt19937 random(301);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 400; ++i) text += pieces[random() % pieces.size()];
    ASSERT_EQ(redacted(text), redacted_one_by_one(text)) << text;
  }
}

TEST(Pii, ManyDistinctHitsAreNotQuadratic) {
  std::string text;
  for (int i = 0; i < 60000; ++i) {
    text += "u" + std::to_string(i) + "@h.org 10." + std::to_string(i / 250) + ".0." +
            std::to_string(i % 250) + "\n";
  }
  PiiCounts counts = redact_pii(text);
  EXPECT_EQ(counts.email, 60000);
  EXPECT_GT(counts.ip, 50000);
  EXPECT_EQ(text.substr(0, 23), "<email-pii> <ip-pii>\n<e");
}

TEST(Pii, LongRunsAreNotQuadratic) {
  std::string text =
      std::string(1 << 20, 'a') + "@" + std::string(1 << 20, '1') + "." + std::string(1 << 20, '.');
  EXPECT_EQ(redact_pii(text).total(), 0);
}

}  // namespace
}  // namespace ballast
