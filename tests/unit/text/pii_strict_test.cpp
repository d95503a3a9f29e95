#include "libcore/text/pii_strict.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libcore/text/iban.h"
#include "libcore/text/ip_address.h"

namespace ballast {
namespace {

PiiPolicy strict(bool public_only = false) {
  PiiPolicy policy;
  policy.mode = PiiMode::strict;
  policy.public_addresses_only = public_only;
  return policy;
}

std::string redacted(std::string text, const PiiPolicy& policy = strict()) {
  apply_pii(text, policy);
  return text;
}

std::vector<std::string> found(std::string_view text, const PiiPolicy& policy = strict()) {
  std::vector<std::string> hits;
  for (const PiiMatch& match : find_pii(text, policy)) {
    hits.emplace_back(text.substr(match.begin, match.end - match.begin));
  }
  return hits;
}

using Hits = std::vector<std::string>;

TEST(StrictEmail, TakesWholeAddressesAlone) {
  EXPECT_EQ(found("Mail <ann.b+c@mail.example.org>, please."), Hits{"ann.b+c@mail.example.org"});
  EXPECT_EQ(found("mailto:ann@b.org?subject=x"), Hits{"ann@b.org"});
  EXPECT_EQ(found("name=o'brien@b.org;"), Hits{"o'brien@b.org"});
  EXPECT_EQ(found("'ann@b.org'"), Hits{"ann@b.org"});
  EXPECT_EQ(found("_ann@b.org_"), Hits{"ann@b.org"});
  EXPECT_EQ(found("(ann@b.org.)"), Hits{"ann@b.org"});
  EXPECT_EQ(found("ann@b.xn--p1ai"), Hits{"ann@b.xn--p1ai"});
}

TEST(StrictEmail, HostEndsWithAName) {
  EXPECT_EQ(found("react@18.2.0 and pkg@1.0.0-beta"), Hits{});
  EXPECT_EQ(found("ann@localhost x@b.c"), Hits{});
  EXPECT_EQ(found("ann@b.org.5"), Hits{"ann@b.org"});
  EXPECT_EQ(found("logo@2x.png"), Hits{});
  EXPECT_EQ(found("ann@2x.de"), Hits{"ann@2x.de"});
}

TEST(StrictEmail, NothingLongerIsDamaged) {
  EXPECT_EQ(redacted("b@c.de and ab@c.de"), "<email-pii> and <email-pii>");
  EXPECT_EQ(redacted("m\u00fcller@c.de"), "<email-pii>");
  EXPECT_EQ(redacted("@ann@social.example"), "@ann@social.example");
  EXPECT_EQ(redacted("a@b.cd@e.fg"), "a@b.cd@e.fg");
  EXPECT_EQ(redacted("ann@b.org\u00e9"), "ann@b.org\u00e9");
  EXPECT_EQ(redacted(std::string(65, 'a') + "@b.org"), std::string(65, 'a') + "@b.org");
  EXPECT_EQ(redacted(std::string(64, 'a') + "@b.org"), "<email-pii>");
}

TEST(StrictEmail, ScriptsWithoutSpacesStandBesideIt) {
  EXPECT_EQ(redacted("\u8054\u7cfbann@b.org\u662f"), "\u8054\u7cfb<email-pii>\u662f");
  EXPECT_EQ(redacted("ann@b.org\uc73c\ub85c"), "<email-pii>\uc73c\ub85c");
}

TEST(StrictEmail, TakesAddressLiterals) {
  EXPECT_EQ(redacted("x@[10.0.0.1] x@[IPv6:fe80::1]"), "<email-pii> <email-pii>");
  EXPECT_EQ(found("x@[10.0.0.256]", strict(true)), Hits{});
}

TEST(StrictIp, WholeAddressesWithoutLeadingZeros) {
  EXPECT_EQ(found("8.8.8.8, 192.168.0.1:80 10.0.0.0/8 (1.1.1.1)."),
            (Hits{"8.8.8.8", "192.168.0.1", "10.0.0.0", "1.1.1.1"}));
  EXPECT_EQ(found("http://9.9.9.9/x 9.9.9.1-9.9.9.5"), (Hits{"9.9.9.9", "9.9.9.1", "9.9.9.5"}));
  for (const char* none :
       {"1.2.3.4.5", "256.1.1.1", "1.1.1.256", "1234.5.6.7", "001.002.003.004", "1.2.3", "v1.2.3.4",
        "1.2.3.4b", "1.2.3.4.example.org", "1.2.3.4_5", ".1.2.3.4", "\u00e91.2.3.4"}) {
    EXPECT_EQ(found(none), Hits{}) << none;
  }
}

TEST(StrictIp, VersionsAndSectionsAreNone) {
  for (const char* none : {"version 1.2.3.4", "Ver. 1.2.3.4", "Chrome/80.0.0.0", "Section 8.8.8.8",
                           "\u00a7 8.8.8.8", "build 9.9.9.9"}) {
    EXPECT_EQ(found(none), Hits{}) << none;
  }
  EXPECT_EQ(found("driver 1.2.3.4"), Hits{"1.2.3.4"});
}

TEST(StrictIp, PublicAloneUnlessAsked) {
  for (const char* text :
       {"10.1.2.3", "172.31.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1",
        "192.0.2.7", "198.51.100.7", "203.0.113.9", "224.0.0.1", "255.255.255.255", "0.0.0.0",
        "198.19.0.1", "fe80::1", "::1", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1"}) {
    EXPECT_EQ(found(text), Hits{text});
    EXPECT_EQ(found(text, strict(true)), Hits{}) << text;
  }
  for (const char* text : {"172.32.0.1", "100.128.0.1", "223.255.255.255", "2606:4700::1111",
                           "2A00:1450:4001:81b::200e", "::ffff:8.8.8.8"}) {
    EXPECT_EQ(found(text, strict(true)), Hits{text});
  }
}

TEST(StrictIp, TakesIpv6InEveryForm) {
  EXPECT_EQ(found("[2606:4700::1111]:443 2606:4700::/32."),
            (Hits{"2606:4700::1111", "2606:4700::"}));
  EXPECT_EQ(found("at 2606:4700::1: yes"), Hits{"2606:4700::1"});
  EXPECT_EQ(found("1:2:3:4:5:6:7:8"), Hits{"1:2:3:4:5:6:7:8"});
  for (const char* none :
       {"12:30:45", "std::vector", "a::b", "00:11:22:33:44:55", "1:2:3:4:5:6:7:8:9",
        "00:11:22:33:44:55:66:77", "x::1", "1::2::3", "12345::1", "1:2:3:4:5:6:7:8.1"}) {
    EXPECT_EQ(found(none), Hits{}) << none;
  }
}

TEST(IpAddress, ReadsTheFormsOfRfc4291) {
  const Ipv6 one = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(parse_ipv6("::1"), one);
  EXPECT_EQ(parse_ipv6("0:0:0:0:0:0:0.0.0.1"), one);
  EXPECT_EQ(parse_ipv6("::"), Ipv6{});
  EXPECT_EQ(parse_ipv6("1:2:3:4:5:6:7::"), parse_ipv6("1:2:3:4:5:6:7:0"));
  for (const char* bad : {"", ":", ":::", "1:2:3:4:5:6:7:8::", "1::2:3:4:5:6:7:8", "1:", ":1",
                          "g::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4:5"}) {
    EXPECT_FALSE(parse_ipv6(bad)) << bad;
  }
}

TEST(StrictIban, EveryCountryByLengthAndCheckDigits) {
  for (const char* iban :
       {"DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606",
        "IT60X0542811101000000123456", "NO9386011117947", "MT84MALT011000012345MTLCAST001S",
        "CH9300762011623852957", "GR1601101250000000012300695",
        "RU0204452560040702810412345678901"}) {
    EXPECT_TRUE(is_iban(iban)) << iban;
    EXPECT_EQ(redacted(std::string("to ") + iban + "."), "to <iban-pii>.");
    std::string wrong = iban;
    wrong.back() = wrong.back() == '1' ? '2' : '1';
    EXPECT_EQ(redacted(wrong), wrong);
  }
}

TEST(StrictIban, GroupsHaveOneSeparator) {
  EXPECT_EQ(redacted("GB29 NWBK 6016 1331 9268 19 BIC"), "<iban-pii> BIC");
  EXPECT_EQ(redacted("GB29-NWBK-6016-1331-9268-19"), "<iban-pii>");
  EXPECT_EQ(redacted("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000!"), "<iban-pii>!");
  EXPECT_EQ(redacted("GB29 NWBK-6016 1331 9268 19"), "GB29 NWBK-6016 1331 9268 19");
  EXPECT_EQ(redacted("XDE89370400440532013000"), "XDE89370400440532013000");
  EXPECT_EQ(redacted("DE893704004405320130001"), "DE893704004405320130001");
  EXPECT_EQ(redacted("ZZ89370400440532013000"), "ZZ89370400440532013000");
}

TEST(PiiPolicy, KindsHaveActionsAndMarkersOfTheirOwn) {
  PiiPolicy policy = strict();
  policy.actions = parse_pii_actions("keep,email=redact,iban=off", "--pii").take_value();
  policy.markers[PiiKind::email] = "someone@example.org";
  std::string text = "ann@b.org 8.8.8.8 DE89370400440532013000 ann@b.org";
  const PiiFindings findings = apply_pii(text, policy);
  EXPECT_EQ(text, "someone@example.org 8.8.8.8 DE89370400440532013000 someone@example.org");
  EXPECT_EQ(findings.counts.email, 1);
  EXPECT_EQ(findings.counts.ip, 1);
  EXPECT_EQ(findings.counts.iban, 0);
  EXPECT_FALSE(findings.dropped);
  policy.actions = parse_pii_actions("ip=drop", "--pii").take_value();
  EXPECT_TRUE(apply_pii(text, policy).dropped);
}

TEST(PiiPolicy, ActionsAreRefusedByName) {
  for (const char* bad : {"", "erase", "phone=drop", "ip=", "ip=redact,", "=drop"}) {
    EXPECT_FALSE(parse_pii_actions(bad, "--pii").ok()) << bad;
  }
}

// Markers that look like what is searched change nothing but themselves, however many hits there
// are: few take another way than many.
TEST(PiiPolicy, MarkersOfApertusModeTakeNoPart) {
  PiiPolicy policy;
  policy.actions = parse_pii_actions("off,email=redact", "--pii").take_value();
  policy.markers[PiiKind::email] = "b@c.de";
  EXPECT_EQ(redacted("b@c.de ab@c.de", policy), "b@c.de ab@c.de");
  std::string many, want;
  for (int i = 0; i < 40; ++i) {
    many += "u" + std::to_string(i) + "@h.org b@c.de ";
    want += "b@c.de b@c.de ";
  }
  EXPECT_EQ(redacted(many, policy), want);
}

TEST(PiiPolicy, ApertusModeMayKeepPrivateAddresses) {
  PiiPolicy policy;
  policy.public_addresses_only = true;
  EXPECT_EQ(redacted("10.0.0.1 8.8.8.8", policy), "10.0.0.1 <ip-pii>");
}

TEST(Strict, OfOverlappingMatchesTheFirstStays) {
  EXPECT_EQ(redacted("::ffff:1.2.3.4"), "<ip-pii>");
  EXPECT_EQ(redacted("a@[1.2.3.4] 1.2.3.4"), "<email-pii> <ip-pii>");
}

TEST(Strict, LongRunsAreNotQuadratic) {
  std::string text;
  for (const char* piece :
       {"a", "1.", "1:", "@", "a@", "A", "DE89", "a.", "\u00e9", " ", "@a.b."}) {
    for (int i = 0; i < 200000; ++i) text += piece;
  }
  EXPECT_EQ(redacted(text), text);
}

}  // namespace
}  // namespace ballast
