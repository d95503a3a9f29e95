#include "libcore/corpus/dropped_stat.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

const char* const kFilter =
    R"({"v":1,"type":"filter","records":12,"kept":6,"rejected":4,
        "reasons":{"robots:disallowed":3,"language:fr":1},
        "languages_asked":{"de":{"asked":6,"blocked":2,"agents":{}},"":{"asked":3,"blocked":1,"agents":{}}},
        "blocking_hosts":{"hosts":2,"most":{"a.example":2}},
        "languages":{"de":{"kept":6,"rejected":0},"fr":{"kept":0,"rejected":1}},
        "licenses":{"CC0-1.0":{"kept":6,"rejected":0}},
        "sources":{"wiki":{"kept":4,"rejected":3},"":{"kept":2,"rejected":1}},
        "chars":100,"chars_kept":50})";
const char* const kDedup =
    R"({"v":1,"type":"dedup","method":"minhash","unit":"document","documents":6,"kept":5,
        "rejected":1,"reasons":{"dedup:near":1},"bytes":60,"bytes_kept":55})";

Result<DroppedStat> parse(const std::string& text) {
  return parse_summary(*parse_json(text, ""), "f:1");
}

std::string changed(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(DroppedStat, AddsUpStepsOfTheSameKindAndKeepsOthersApart) {
  DroppedStat sum;
  for (const char* record : {kFilter, kDedup, kFilter}) {
    const auto stat = parse(record);
    ASSERT_TRUE(stat.ok()) << stat.error().message();
    sum.add(*stat);
  }
  ASSERT_EQ(sum.steps.size(), 2u);
  EXPECT_EQ(sum.steps.at("filter").documents, 20);  // records without document are not
  EXPECT_EQ(sum.steps.at("filter").text_kept, 100);
  EXPECT_EQ(sum.steps.at("dedup minhash document").kept, 5);
  EXPECT_EQ(sum.rejected(), 9);
  EXPECT_EQ(sum.reasons.at("robots:disallowed"), 6);
  EXPECT_EQ(sum.reasons.at("dedup:near"), 1);
  EXPECT_EQ(sum.languages.at("de").kept, 12);
  EXPECT_EQ(sum.languages.at("de").blocked, 4);
  EXPECT_EQ(sum.languages.at("").asked, 6);
  EXPECT_EQ(sum.languages.at("fr").rejected, 2);
  EXPECT_EQ(sum.licenses.at("CC0-1.0").kept, 12);
  EXPECT_EQ(sum.sources.at("wiki").rejected, 6);
  EXPECT_EQ(sum.sources.at("wiki").kept, 8);
  EXPECT_EQ(sum.other_sources.rejected, 2);
  EXPECT_EQ(sum.hosts.at("a.example"), 4);
  EXPECT_EQ(sum.other_languages.kept, 0);
  EXPECT_EQ(sum.blocked, 6);  // a host of each record is not listed
}

// The empty name of a rule is all names that are not listed; that of robots.txt is no language.
TEST(DroppedStat, NamesThatAreNotListedAreNoName) {
  const auto stat = parse(
      changed(changed(kFilter, "\"fr\":{\"kept\":0", "\"\":{\"kept\":0"), "\"CC0-1.0\"", "\"\""));
  ASSERT_TRUE(stat.ok()) << stat.error().message();
  DroppedStat sum = *stat;
  sum.add(*stat);
  EXPECT_EQ(sum.other_languages.rejected, 2);
  EXPECT_EQ(sum.languages.at("").rejected, 0);
  EXPECT_EQ(sum.languages.at("").asked, 6);
  EXPECT_EQ(sum.other_licenses.kept, 12);
  EXPECT_TRUE(sum.licenses.empty());
}

TEST(DroppedStat, RefusesWhatIsNoSummaryOrContradictsItself) {
  const std::pair<std::string, const char*> bad[] = {
      {"[1]", "no summary record"},
      {R"({"text":"a document"})", "no summary record"},
      {R"({"v":1,"type":"recheck"})", "of type 'recheck'"},
      {changed(kFilter, "\"v\":1", "\"v\":2"), "version 2"},
      {changed(kFilter, "\"records\":12", "\"records\":9"), "more was kept and rejected"},
      {changed(kFilter, "disallowed\":3", "disallowed\":2"), "do not add up"},
      {changed(kFilter, "disallowed\":3", "disallowed\":5"), "'reasons' counts more"},
      {changed(kFilter, "disallowed\":3", "disallowed\":-3"), "negative"},
      {changed(kFilter, "a.example\":2", "a.example\":4"), "'most' counts more"},
      {changed(kFilter, "\"asked\":6", "\"asked\":60"), "'languages_asked' counts more"},
      {changed(kFilter, "\"asked\":6", "\"asked\":9007199254740993"), "out of range"},
      {changed(kFilter, "\"chars\":100,", ""), "missing key 'chars'"},
      {changed(kFilter, "\"chars_kept\":50", "\"chars_kept\":101"), "more text was kept"},
      {changed(kDedup, "\"bytes\":60", "\"bytes\":54"), "more text was kept"},
      {changed(kDedup, "\"minhash\"", "7"), "'method'"},
      {changed(kDedup, "{\"dedup:near\":1}", "[]"), "'reasons' is not an object"}};
  for (const auto& [text, message] : bad) {
    const auto stat = parse(text);
    ASSERT_FALSE(stat.ok()) << text;
    EXPECT_EQ(stat.error().kind, ErrorKind::corrupt);
    EXPECT_EQ(stat.error().where, "f:1");
    EXPECT_NE(stat.error().what.find(message), std::string::npos) << stat.error().what;
  }
}

}  // namespace
}  // namespace ballast
