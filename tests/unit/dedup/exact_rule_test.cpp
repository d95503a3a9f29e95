#include "libcore/dedup/exact_rule.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "libcore/base/rng.h"
#include "libcore/dedup/dedup_summary.h"

namespace ballast {
namespace {

Hash128 hash_of(uint64_t i) { return xxh3_128(as_bytes(fmt::format("item {}", i))); }

TEST(DistinctHashes, NumbersWhatIsNewInItsOrderThroughEveryGrowth) {
  DistinctHashes seen(true);
  constexpr uint64_t kItems = 50000;
  for (uint64_t i = 0; i < kItems; ++i) {
    const auto first = seen.insert(hash_of(i));
    ASSERT_TRUE(first.fresh);
    ASSERT_EQ(first.number, i);
    const uint64_t earlier = random_u64(1, 2, i) % (i + 1);
    const auto again = seen.insert(hash_of(earlier));
    ASSERT_FALSE(again.fresh);
    ASSERT_EQ(again.number, earlier);
  }
  EXPECT_EQ(seen.size(), static_cast<int64_t>(kItems));
  EXPECT_GE(seen.bytes(), static_cast<int64_t>(kItems) * 32);
  EXPECT_LE(seen.bytes(), static_cast<int64_t>(kItems) * 70);  // parts differ in size a little
}

TEST(DistinctHashes, TellsHashesApartThatShareASlot) {
  DistinctHashes seen(false);
  for (uint64_t i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert({7, i << 32}).fresh);
  for (uint64_t i = 0; i < 1000; ++i) EXPECT_FALSE(seen.insert({7, i << 32}).fresh);
  EXPECT_EQ(seen.size(), 1000);
}

TEST(BloomFilter, IsPlannedByTheFormulas) {
  const BloomPlan plan = *plan_bloom(1000, 0.01);  // 9585.06 bits, 6.64 probes
  EXPECT_EQ(plan.bits, 9600);
  EXPECT_EQ(plan.probes, 7);
  EXPECT_EQ(plan_bloom(1000000, 1e-6)->probes, 20);
  EXPECT_EQ(plan_bloom(1, 0.5)->bits, 64);  // whole words
  EXPECT_EQ(plan_bloom(0, 0.01).error().kind, ErrorKind::usage);
  EXPECT_FALSE(plan_bloom((int64_t{1} << 40) + 1, 0.01).ok());
  EXPECT_FALSE(plan_bloom(1000, 0).ok());
  EXPECT_FALSE(plan_bloom(1000, 0.6).ok());
  EXPECT_FALSE(plan_bloom(1000, std::nan("")).ok());
}

// New items are taken for seen as often as (1 - e^(-k i / m))^k, summed over the insertions, says:
// counts of independent events lie within five deviations of their mean.
TEST(BloomFilter, MistakesNewForSeenAsOftenAsPlanned) {
  constexpr int64_t kItems = 30000;
  for (const double rate : {0.1, 0.01, 0.001}) {
    const BloomPlan plan = *plan_bloom(kItems, rate);
    BloomFilter filter(plan);
    double expected = 0;
    int64_t mistaken = 0;
    const double probes = plan.probes, bits = static_cast<double>(plan.bits);
    for (int64_t i = 0; i < kItems; ++i) {
      expected += std::pow(1 - std::exp(-probes * static_cast<double>(i) / bits), probes);
      mistaken += filter.insert(hash_of(static_cast<uint64_t>(i))) ? 0 : 1;
    }
    EXPECT_NEAR(static_cast<double>(mistaken), expected, 5 * std::sqrt(expected)) << rate;
    EXPECT_EQ(filter.size(), kItems - mistaken);
    // The share of set bits has a deviation of at most 1 / (2 sqrt(bits)).
    const double theory = std::pow(1 - std::exp(-probes * kItems / bits), probes);
    const double slope = probes * std::pow(theory, (probes - 1) / probes);
    EXPECT_NEAR(filter.rate_now(), theory, 5 * slope / (2 * std::sqrt(bits))) << rate;
    for (uint64_t i = 0; i < kItems; ++i) ASSERT_FALSE(filter.insert(hash_of(i)));
  }
}

struct Cut {
  std::vector<std::string> contents;
  std::vector<TextPart> parts;
};
Cut cut(const std::string& text, PartKind kind) {
  Cut made;
  cut_parts(text, kind, made.parts);
  for (const TextPart& part : made.parts)
    made.contents.push_back(text.substr(part.begin, part.end - part.begin));
  return made;
}
std::string without(const std::string& text, PartKind kind, const std::set<size_t>& removed) {
  Cut made = cut(text, kind);
  for (const size_t i : removed) made.parts.at(i).removed = true;
  return join_parts(text, made.parts);
}

TEST(TextParts, AreLinesOrRunsOfLines) {
  const std::string text = "\n a\nb \n \t\n\xC2\xA0\nc\r\n\nd";
  EXPECT_EQ(cut(text, PartKind::line).contents, (std::vector<std::string>{" a", "b ", "c\r", "d"}));
  EXPECT_EQ(cut(text, PartKind::paragraph).contents,
            (std::vector<std::string>{" a\nb ", "c\r", "d"}));
  EXPECT_TRUE(cut("", PartKind::line).parts.empty());
  EXPECT_TRUE(cut(" \n\n", PartKind::paragraph).parts.empty());
}

TEST(TextParts, AreEqualWithoutTheBlanksAroundThem) {
  const Cut made = cut("  \xC3\xA4 b\n\xC3\xA4 b\t\r\n\xC3\xA4  b", PartKind::line);
  EXPECT_EQ(made.parts[0].chars, 3);
  EXPECT_EQ(made.parts[0].hash, xxh3_128(as_bytes(std::string_view("\xC3\xA4 b"))));
  EXPECT_EQ(made.parts[0].hash, made.parts[1].hash);
  EXPECT_NE(made.parts[0].hash, made.parts[2].hash);
}

TEST(TextParts, LeaveParagraphsApartWhenTheyGo) {
  const std::string text = "a\nb\n\nc\nd\n\n\ne\n";
  EXPECT_EQ(without(text, PartKind::line, {}), text);
  EXPECT_EQ(without(text, PartKind::line, {1}), "a\n\nc\nd\n\n\ne\n");
  EXPECT_EQ(without(text, PartKind::line, {2}), "a\nb\n\nd\n\n\ne\n");
  EXPECT_EQ(without(text, PartKind::line, {2, 3}), "a\nb\n\n\ne\n");
  EXPECT_EQ(without(text, PartKind::line, {0, 1}), "c\nd\n\n\ne\n");
  EXPECT_EQ(without(text, PartKind::line, {4}), "a\nb\n\nc\nd\n");
  EXPECT_EQ(without("a\n\nb", PartKind::line, {1}), "a");
  EXPECT_EQ(without(text, PartKind::paragraph, {1}), "a\nb\n\n\ne\n");
  EXPECT_EQ(without(text, PartKind::paragraph, {0, 1, 2}), "");
}

DedupItem run(ExactRule& rule, const std::string& id, const std::string& text) {
  DedupItem item;
  item.document.id = id;
  item.document.text = text;
  begin_item(item);
  if (item.kept()) rule.prepare(item);
  if (item.kept()) rule.decide(item);
  render_item(item);
  return item;
}

TEST(ExactRule, KeepsTheFirstAndNamesItInTheOthers) {
  ExactRule rule({.name_kept = true});
  EXPECT_TRUE(run(rule, "a", "one").kept());
  EXPECT_TRUE(run(rule, "b", "two").kept());
  EXPECT_TRUE(run(rule, "c", "two ").kept());
  const DedupItem again = run(rule, "d", "two");
  EXPECT_EQ(again.line,
            "{\"text\":\"two\",\"id\":\"d\",\"ballast\":{\"dropped_by\":\"dedup\",\"reason\":"
            "\"duplicate\",\"duplicate_of\":\"b\"}}\n");
  EXPECT_EQ(run(rule, "e", "").refusal.reason, kEmptyText.reason);
  EXPECT_EQ(rule.distinct(), 3);
}

TEST(ExactRule, TakesRepeatedLinesOutOfTexts) {
  ExactRule rule({.parts = PartKind::line, .ignore_below = 3});
  EXPECT_EQ(run(rule, "a", "menu\nfirst\n}\nmenu").line,
            "{\"text\":\"menu\\nfirst\\n}\",\"id\":\"a\",\"ballast\":{\"dedup\":{\"lines\":"
            "{\"found\":4,\"kept\":3}}}}\n");
  EXPECT_EQ(run(rule, "b", "menu\nsecond\n}").document.text, "second\n}");
  const DedupItem nothing = run(rule, "c", "first\nmenu");
  EXPECT_EQ(nothing.refusal.reason, kNothingNew.reason);
  EXPECT_EQ(nothing.document.text, "first\nmenu");
  EXPECT_TRUE(run(rule, "d", "}").kept());
  EXPECT_EQ(run(rule, "e", " \n").refusal.reason, kEmptyText.reason);
}

TEST(ExactRule, LeavesWhatWasRejectedBeforeAsItWas) {
  ExactRule rule({});
  DedupItem item;
  item.document.text = "one";
  item.document.ballast = {{"dropped_by", "robots"}, {"reason", "disallowed"}};
  begin_item(item);
  EXPECT_EQ(item.refusal.stage, kRefusedBefore.stage);
  render_item(item);
  EXPECT_EQ(item.line,
            "{\"text\":\"one\",\"id\":\"\",\"ballast\":{\"dropped_by\":\"robots\",\"reason\":"
            "\"disallowed\"}}\n");
  EXPECT_TRUE(run(rule, "b", "one").kept());
}

TEST(DedupSummary, CountsEveryDocumentOnce) {
  ExactRule rule({.parts = PartKind::paragraph});
  DedupSummary summary;
  for (const char* text : {"a\n\nb", "b\n\nc", "a", ""}) summary.add(run(rule, "x", text));
  Json record;
  summary.to_json(record);
  EXPECT_EQ(to_json_line(record),
            "{\"documents\":4,\"kept\":2,\"rejected\":2,\"reasons\":{\"dedup:nothing_new\":1,"
            "\"length:empty\":1},\"parts\":5,\"parts_removed\":2,\"bytes\":9,\"bytes_kept\":5}");
}

}  // namespace
}  // namespace ballast
