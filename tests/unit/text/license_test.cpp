#include <gtest/gtest.h>

#include <string>

#include "libcore/text/html.h"
#include "libcore/text/license/license_policy.h"
#include "libcore/text/license/spdx.h"

namespace ballast {
namespace {

TEST(License, IdentifiersAndExpressionsOfSpdx) {
  EXPECT_EQ(normalized_license("mit"), "MIT");
  EXPECT_EQ(normalized_license(" apache-2.0\n"), "Apache-2.0");
  EXPECT_EQ(normalized_license("GPL-3.0"), "GPL-3.0-only");
  EXPECT_EQ(normalized_license("lgpl-2.1+"), "LGPL-2.1-or-later");
  EXPECT_EQ(normalized_license("EPL-1.0+"), "EPL-1.0+");
  EXPECT_EQ(normalized_license("(mit or Apache-2.0) and bsd-3-clause"),
            "(MIT OR Apache-2.0) AND BSD-3-Clause");
  EXPECT_EQ(normalized_license("mit and (isc and zlib)"), "MIT AND ISC AND Zlib");
  EXPECT_EQ(normalized_license("gpl-2.0-only with classpath-exception-2.0"),
            "GPL-2.0-only WITH Classpath-exception-2.0");
  EXPECT_EQ(normalized_license("licenseref-house"), "LicenseRef-house");
  for (const char* none :
       {"", "  ", "house rules", "MIT AND", "MIT OR (ISC", "Classpath-exception-2.0",
        "MIT WITH ISC", "MIT ISC", "AND", "()", "unknown"}) {
    EXPECT_EQ(normalized_license(none), "") << none;
  }
  EXPECT_EQ(normalized_license(std::string(40, '(') + "MIT OR ISC" + std::string(40, ')')), "");
  EXPECT_EQ(normalized_license(std::string(2000, 'a')), "");
}

TEST(License, CreativeCommonsByAddressAndName) {
  EXPECT_EQ(normalized_license("https://creativecommons.org/licenses/by-nc-sa/4.0/"),
            "CC-BY-NC-SA-4.0");
  EXPECT_EQ(normalized_license("http://www.creativecommons.org/licenses/by/3.0/de/deed.de"),
            "CC-BY-3.0");
  EXPECT_EQ(normalized_license("//creativecommons.org/publicdomain/zero/1.0/"), "CC0-1.0");
  EXPECT_EQ(normalized_license("https://creativecommons.org/publicdomain/mark/1.0/"), "CC-PDM-1.0");
  EXPECT_EQ(normalized_license("https://creativecommons.org/licenses/"), "");
  EXPECT_EQ(normalized_license("https://creativecommons.org/licenses/by-x/4.0"), "");
  EXPECT_EQ(normalized_license("CC BY-SA 4.0"), "CC-BY-SA-4.0");
  EXPECT_EQ(normalized_license("cc by nd 2.5"), "CC-BY-ND-2.5");
  EXPECT_EQ(normalized_license("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 "
                               "International License"),
            "CC-BY-NC-ND-4.0");
  EXPECT_EQ(normalized_license("Creative Commons Attribution Share Alike v3"), "CC-BY-SA-3.0");
  EXPECT_EQ(normalized_license("CC BY-SA"), "LicenseRef-CC-BY-SA");
  EXPECT_EQ(normalized_license("CC0"), "CC0-1.0");
  EXPECT_EQ(normalized_license("http://evil.example/creativecommons.org/licenses/by/4.0"), "");
}

TEST(License, AddressesMayGoOnOnlyAsPagesOfTheLicence) {
  const std::string commons = "https://creativecommons.org/licenses/by/4.0";
  for (const char* tail : {"", "/", "/deed", "/deed.zh-hans", "/legalcode.en", "/legalcode.txt",
                           "/us/", "/igo/deed.pt_BR", "?ref=chooser-v1", "/#deed"}) {
    EXPECT_EQ(normalized_license(commons + tail), "CC-BY-4.0") << tail;
  }
  EXPECT_EQ(normalized_license("https://www.gnu.org/licenses/old-licenses/gpl-2.0-standalone.html"),
            "GPL-2.0-only");
  EXPECT_EQ(normalized_license("https://opendatacommons.org/licenses/by/1-0/"), "ODC-By-1.0");
  EXPECT_EQ(normalized_license("https://www.mozilla.org/en-US/MPL/2.0/"), "MPL-2.0");
  EXPECT_EQ(normalized_license("https://unlicense.org"), "Unlicense");
  for (const std::string& none :
       {commons + "/ except the photos, all rights reserved",
        commons + " and https://creativecommons.org/licenses/by-nc/4.0/",
        commons + "?or=https://creativecommons.org/licenses/by-nc/4.0/",
        commons + "\tnot",
        commons + "/\u4EE5\u5916",
        commons + "/deed.de/except",
        commons + "0",
        commons + "-not",
        commons + "/photos/",
        commons + "/deed.not,really",
        std::string(
            "https://creativecommons.org/publicdomain/zero/1.0/ does not apply to the text"),
        std::string("https://creativecommons.org/publicdomain/zero/2.0/"),
        std::string("https://creativecommons.org/licenses/by,nc/4.0/"),
        std::string("https://www.apache.org/licenses/LICENSE-2.0 for code, text: all rights "
                    "reserved"),
        std::string("https://www.apache.org/licenses/LICENSE-2.0-not"),
        std::string("https://unlicense.org.example.com/all-rights-reserved"),
        std::string("https://unlicense.org/all-rights-reserved.html"),
        std::string("https://opendatacommons.org/licenses/by-nothing/"),
        std::string("not://creativecommons.org/licenses/by/4.0/"),
        std::string("//cc.by/4.0")}) {
    EXPECT_EQ(normalized_license(none), "") << none;
  }
}

TEST(License, CommonNamesAndAddresses) {
  EXPECT_EQ(normalized_license("The MIT License"), "MIT");
  EXPECT_EQ(normalized_license("Apache License, Version 2.0"), "Apache-2.0");
  EXPECT_EQ(normalized_license("3-clause BSD License"), "BSD-3-Clause");
  EXPECT_EQ(normalized_license("GPLv3"), "GPL-3.0-only");
  EXPECT_EQ(normalized_license("GPLv2+"), "GPL-2.0-or-later");
  EXPECT_EQ(normalized_license("GNU Lesser General Public License v2.1 or later"),
            "LGPL-2.1-or-later");
  EXPECT_EQ(normalized_license("Public Domain"), "LicenseRef-Public-Domain");
  EXPECT_EQ(normalized_license("odc-by"), "ODC-By-1.0");
  EXPECT_EQ(normalized_license("https://opensource.org/licenses/MIT"), "MIT");
  EXPECT_EQ(normalized_license("https://spdx.org/licenses/0BSD.html"), "0BSD");
  EXPECT_EQ(normalized_license("http://www.apache.org/licenses/LICENSE-2.0.txt"), "Apache-2.0");
  EXPECT_EQ(normalized_license("https://www.gnu.org/licenses/gpl-3.0.en.html"), "GPL-3.0-only");
  for (const char* none :
       {"All rights reserved", "BSD", "other", "https://example.org/license", "GPL"}) {
    EXPECT_EQ(normalized_license(none), "") << none;
  }
}

TEST(License, SentencesThatOnlyNameALicence) {
  EXPECT_EQ(normalized_license("This work is licensed under a Creative Commons "
                               "Attribution-NonCommercial-ShareAlike 4.0 International License"),
            "CC-BY-NC-SA-4.0");
  EXPECT_EQ(normalized_license("Attribution-Non Commercial-Share Alike 3.0 Unported (CC BY-NC-SA "
                               "3.0)"),
            "CC-BY-NC-SA-3.0");
  EXPECT_EQ(normalized_license("CC BY\u2011ND\u00A04.0"), "CC-BY-ND-4.0");
  EXPECT_EQ(normalized_license("CC BY-SA 3.0 DE"), "CC-BY-SA-3.0");
  EXPECT_EQ(normalized_license("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication"), "CC0-1.0");
  EXPECT_EQ(normalized_license("Creative Commons Zero v1.0 Universal"), "CC0-1.0");
  EXPECT_EQ(normalized_license("Creative Commons Public Domain Mark 1.0"), "CC-PDM-1.0");
  EXPECT_EQ(normalized_license("Released under the terms of the MIT License."), "MIT");
  EXPECT_EQ(normalized_license("GNU General Public License version 2 or (at your option) any "
                               "later version"),
            "GPL-2.0-or-later");
  EXPECT_EQ(normalized_license("GNU Free Documentation License 1.3"), "GFDL-1.3-only");
  EXPECT_EQ(normalized_license("GNU Affero GPL (AGPL) 3.0"), "AGPL-3.0-only");
  EXPECT_EQ(normalized_license("in the public domain"), "");
  EXPECT_EQ(normalized_license("This work is public domain"), "LicenseRef-Public-Domain");
}

TEST(License, APlusBehindAVersionIsNotLost) {
  EXPECT_EQ(normalized_license("GPLv2+ license"), "GPL-2.0-or-later");
  EXPECT_EQ(normalized_license("GPL 3.0+ (GNU)"), "GPL-3.0-or-later");
  EXPECT_EQ(normalized_license("GNU Lesser General Public License (LGPL) 2.1 +"),
            "LGPL-2.1-or-later");
  EXPECT_EQ(normalized_license("MPL 2.0+"), "MPL-2.0+");
  EXPECT_EQ(normalized_license("CC BY-NC 3.0+"), "CC-BY-NC-3.0+");
  EXPECT_FALSE(LicensePolicy::parse("deny:noncommercial", "")->judge("CC BY-NC 3.0+").kept);
}

TEST(License, APlusBetweenLicencesIsNoVersion) {
  EXPECT_EQ(normalized_license("CC BY 4.0 + CC BY-NC 4.0"), "");
  EXPECT_EQ(normalized_license("MPL 2.0 + MIT"), "");
}

TEST(License, WhatIsWrittenIsRecognisedAgain) {
  std::string said = "GPL-2.0";
  while (said.size() + 11 <= kMaxLicenseText - 1500) said += " OR GPL-2.0";
  const std::string written = normalized_license(said);
  EXPECT_GT(written.size(), said.size());
  EXPECT_EQ(normalized_license(written), written);
  while (said.size() + 11 <= kMaxLicenseText) said += " OR GPL-2.0";
  EXPECT_EQ(normalized_license(said), "");  // longer than the limit as it would be written
}

TEST(License, AnAddressHasOneScheme) {
  EXPECT_EQ(normalized_license("https:http://creativecommons.org/licenses/by/4.0/"), "");
}

TEST(License, TextsThatSayMoreThanALicenceAreNotRecognised) {
  for (const char* none : {"All rights reserved except the icons, which are CC0",
                           "This is not CC BY, all rights reserved",
                           "Not CC0",
                           "no CC0",
                           "non-CC0",
                           "non CC BY 4.0",
                           "CC BY 4.0 except images",
                           "CC0 (text only)",
                           "CC BY 4.0. All rights reserved.",
                           "CC0 or CC BY-NC 4.0",
                           "CC0 / CC BY-NC 4.0",
                           "CC BY 3.0, CC BY 4.0",
                           "CC BY 2024",
                           "CC0 \u4EE5\u5916",
                           "CC0 \u043D\u0435\u0442",
                           "not GPLv3",
                           "GPLv2, GPLv3",
                           "GPL 3 and LGPL 3",
                           "GPL 3.0 except for the fonts",
                           "Not the MIT License",
                           "not public domain",
                           "Terms of this domain",
                           "GNU General Public License or GNU Affero General Public License "
                           "version 3",
                           "GNU GPL 3.0 or GNU Lesser General Public License 3.0",
                           "GNU General Public License 3, GNU Free Documentation License 3",
                           "GNU Library General Public License 2.0"}) {
    EXPECT_EQ(normalized_license(none), "") << none;
  }
  std::string flood = "CC0";
  for (int i = 0; i < 16; ++i) flood += " CC0";
  EXPECT_EQ(normalized_license(flood), "");
}

LicenseVerdict judged(std::string_view policy, std::string_view said) {
  Result<LicensePolicy> parsed = LicensePolicy::parse(policy, "--license");
  EXPECT_TRUE(parsed.ok()) << policy;
  return parsed->judge(said);
}

TEST(LicensePolicy, StarStandsForAVersion) {
  EXPECT_TRUE(judged("CC-BY-*", "CC-BY-4.0").kept);
  EXPECT_TRUE(judged("CC-BY-*", "CC-BY-3.0-DE").kept);
  EXPECT_TRUE(judged("CC-BY-*", "CC BY").kept);
  EXPECT_FALSE(judged("CC-BY-*", "CC-BY-NC-4.0").kept);
  EXPECT_FALSE(judged("CC-BY-*", "CC BY-SA").kept);
  EXPECT_TRUE(judged("allow:GPL-*", "GPL-3.0-or-later").kept);
  EXPECT_TRUE(judged("*", "AGPL-3.0").kept);
}

TEST(LicensePolicy, ExpressionsNeedAllOrOne) {
  EXPECT_TRUE(judged("MIT", "GPL-3.0 OR MIT").kept);
  EXPECT_FALSE(judged("MIT", "GPL-3.0 AND MIT").kept);
  EXPECT_TRUE(judged("MIT,GPL-*", "GPL-3.0 AND MIT").kept);
  EXPECT_TRUE(judged("GPL-*", "GPL-2.0-only WITH Classpath-exception-2.0").kept);
  EXPECT_TRUE(judged("EPL-*", "EPL-1.0+").kept);
}

TEST(LicensePolicy, UnknownFollowsTheKindOfPolicyUnlessSaid) {
  EXPECT_FALSE(judged("permissive", "").kept);
  EXPECT_TRUE(judged("permissive;unknown=keep", "").kept);
  EXPECT_TRUE(judged("deny:noncommercial", "").kept);
  EXPECT_FALSE(judged("deny:noncommercial;unknown=drop", "all rights reserved").kept);
  EXPECT_EQ(judged("MIT", " ").outcome, LicenseOutcome::missing);
  EXPECT_EQ(judged("MIT", "house rules").outcome, LicenseOutcome::unrecognised);
  EXPECT_EQ(judged("MIT", "isc").outcome, LicenseOutcome::denied);
}

TEST(LicensePolicy, PresetsAndDenials) {
  for (const char* good : {"MIT", "CC0-1.0", "CC-BY-4.0", "public domain", "Apache-2.0"}) {
    EXPECT_TRUE(judged("permissive", good).kept) << good;
  }
  for (const char* bad : {"CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC-BY-ND-4.0", "GPL-3.0",
                          "All rights reserved except the icons, which are CC0"}) {
    EXPECT_FALSE(judged("permissive", bad).kept) << bad;
  }
  EXPECT_TRUE(judged("allow:permissive,copyleft", "CC-BY-SA-4.0").kept);
  EXPECT_FALSE(judged("allow:*;deny:noncommercial,noderivatives", "CC-BY-NC-ND-4.0").kept);
  EXPECT_TRUE(judged("deny:noncommercial", "CC-BY-4.0").kept);
}

TEST(LicensePolicy, RefusesWhatItDoesNotKnow) {
  for (const char* bad : {"", "MIT,", "Nothing-9", "Nothing-*", "permit:MIT", "unknown=maybe",
                          "MIT OR ISC", "allow:", "allow:MIT;;"}) {
    EXPECT_FALSE(LicensePolicy::parse(bad, "--license").ok()) << bad;
  }
}

std::string license_of_page(const std::string& html) {
  Result<HtmlText> page = extract_html(html, "page");
  return page.ok() ? claimed_license(page->licenses) : "failed";
}

TEST(LicenseClaim, MarkupFromTheStrongestToTheWeakest) {
  const std::string link = "<a href='https://creativecommons.org/licenses/by/2.0/'>photo</a>";
  const std::string meta = "<meta name=DC.rights content='CC BY-SA 4.0'>";
  const std::string schema = R"(<script type="application/ld+json">{"@type":"Article","license":)"
                             R"("https://creativecommons.org/licenses/by-nc/4.0/"}</script>)";
  const std::string rel =
      "<a rel='nofollow License' href='https://creativecommons.org/publicdomain/zero/1.0/'>x</a>";
  EXPECT_EQ(license_of_page("<p>" + link), "CC-BY-2.0");
  EXPECT_EQ(license_of_page(meta + "<p>" + link), "CC-BY-SA-4.0");
  EXPECT_EQ(license_of_page(meta + "<p>" + link + schema), "CC-BY-NC-4.0");
  EXPECT_EQ(license_of_page(meta + "<p>" + link + schema + rel), "CC0-1.0");
  EXPECT_EQ(license_of_page("<p>text"), "");
}

TEST(LicenseClaim, FormsOfMarkup) {
  EXPECT_EQ(license_of_page("<link rel=license href=//creativecommons.org/licenses/by/4.0/>"),
            "CC-BY-4.0");
  EXPECT_EQ(license_of_page("<span itemprop=license>MIT</span>"), "MIT");
  EXPECT_EQ(license_of_page("<link itemprop=license href=https://opensource.org/licenses/MIT>"),
            "MIT");
  EXPECT_EQ(
      license_of_page(R"(<script type="application/ld+json">{"@graph":[{"@type":"ImageObject",)"
                      R"("license":"MIT"},{"@type":"WebPage","license":{"url":"ISC"}}]}</script>)"),
      "ISC");
  EXPECT_EQ(license_of_page(R"(<script type="application/ld+json">{"license":}</script>)"), "");
  EXPECT_EQ(license_of_page("<p><a href=https://creativecommons.org/about>x</a>"), "");
}

TEST(LicenseClaim, SeveralOfOneSourceCountTogether) {
  EXPECT_EQ(license_of_page("<a rel=license href=https://opensource.org/licenses/MIT>a</a>"
                            "<a rel=license href=https://creativecommons.org/licenses/by/4.0/>b</a>"
                            "<a rel=license href=https://opensource.org/licenses/mit>c</a>"),
            "MIT AND CC-BY-4.0");
  EXPECT_EQ(license_of_page("<link rel=license href=/terms>"), "/terms");
}

std::string page_of_licences(int count, const std::string& name) {
  std::string page = "<p><a rel=license href=https://spdx.org/licenses/CC-BY-NC-4.0>x</a>";
  for (int i = 0; i < count; ++i)
    page += "<a rel=license href=LicenseRef-" + name + std::to_string(i) + ">x</a>";
  return page;
}

TEST(LicenseClaim, ManyOfOneSourceAreNotLost) {
  const std::string said = license_of_page(page_of_licences(60, "terms-of-this-house-"));
  EXPECT_GT(said.size(), 1024U);
  EXPECT_EQ(judged("deny:noncommercial", said).outcome, LicenseOutcome::denied);
  const std::string endless = license_of_page(page_of_licences(60, std::string(100, 'x')));
  EXPECT_GT(endless.size(), kMaxLicenseText);
  EXPECT_EQ(judged("deny:noncommercial", endless).outcome, LicenseOutcome::unrecognised);
}

TEST(LicenseClaim, SpellingsDoNotHideALicence) {
  std::string page;
  for (int i = 0; i < 1000; ++i) {
    const std::string number = std::to_string(i);
    page += "<a rel=license href='https://creativecommons.org/licenses/by/4.0/?photo=" + number +
            "'>x</a><a rel=license href='/terms/" + number + "'>y</a>";
  }
  page += "<a rel=license href=https://creativecommons.org/licenses/by-nc/4.0/>z</a>";
  EXPECT_EQ(license_of_page(page), "CC-BY-4.0 AND CC-BY-NC-4.0");
}

TEST(LicenseClaim, TooManyLicencesAreNotRecognised) {
  const auto most = static_cast<int>(kMaxLicenseClaims);
  EXPECT_EQ(judged("deny:noncommercial", license_of_page(page_of_licences(most - 1, ""))).outcome,
            LicenseOutcome::denied);
  for (const int more : {most, most + 1, 10 * most})
    EXPECT_EQ(judged("deny:noncommercial", license_of_page(page_of_licences(more, ""))).outcome,
              LicenseOutcome::unrecognised);
}

TEST(LicenseClaim, PlainLinksDoNotHideAStrongerSource) {
  std::string links;
  for (int i = 0; i < 100; ++i) {
    links += "<a href='https://creativecommons.org/licenses/by/4.0/?photo=" + std::to_string(i) +
             "'>photo</a>";
  }
  EXPECT_EQ(
      license_of_page(links + "<a rel=license href=https://opensource.org/licenses/MIT>x</a>"),
      "MIT");
}

TEST(LicenseClaim, ARestrictionBehindAnAddressIsNotRecognised) {
  const std::string said = license_of_page(
      "<meta name=dc.rights content='https://creativecommons.org/licenses/by/4.0/ except the "
      "photos, all rights reserved'>");
  EXPECT_EQ(judged("permissive", said).outcome, LicenseOutcome::unrecognised);
}

}  // namespace
}  // namespace ballast
