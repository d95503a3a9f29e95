#include "libcore/dedup/contamination.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "libcore/dedup/sequence_match.h"

namespace ballast {
namespace {

// The definition to the letter, in cubic time.
void match_slowly(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b, int64_t a0,
                  int64_t a1, int64_t b0, int64_t b1, std::vector<MatchingRun>& runs) {
  MatchingRun best{a0, b0, 0};
  for (int64_t i = a0; i < a1; ++i) {
    for (int64_t j = b0; j < b1; ++j) {
      int64_t n = 0;
      while (i + n < a1 && j + n < b1 &&
             a[static_cast<size_t>(i + n)] == b[static_cast<size_t>(j + n)])
        ++n;
      if (n > best.length) best = {i, j, n};
    }
  }
  if (best.length == 0) return;
  match_slowly(a, b, a0, best.a, b0, best.b, runs);
  runs.push_back(best);
  match_slowly(a, b, best.a + best.length, a1, best.b + best.length, b1, runs);
}

TEST(SequenceMatch, IsWhatTheDefinitionSays) {
  std::mt19937 random(5);
  for (int round = 0; round < 400; ++round) {
    std::vector<uint32_t> a(random() % 40), b(random() % 40);
    for (uint32_t& word : a) word = static_cast<uint32_t>(random() % 6);
    for (uint32_t& word : b) word = static_cast<uint32_t>(random() % 6);
    std::vector<MatchingRun> want;
    match_slowly(a, b, 0, static_cast<int64_t>(a.size()), 0, static_cast<int64_t>(b.size()), want);
    EXPECT_EQ(matching_runs(a, b), want);
  }
}

Contamination decided(const ContaminationIndex& index, std::string_view text) {
  ContaminationBuffers buffers;
  return index.decide(text, buffers);
}

TEST(Contamination, WordsInARowWhateverCaseAndPunctuation) {
  ContaminationIndex index({.words = 4});
  index.add({"arc", 1}, "", "The quick brown fox jumps.");
  EXPECT_EQ(index.ngrams(), 2);
  const Contamination found = decided(index, "See: \"the QUICK, brown Fox\" ran");
  ASSERT_NE(found.item, nullptr);
  EXPECT_EQ(found.item->benchmark, "arc");
  EXPECT_EQ(found.words, "the quick brown fox");
  EXPECT_EQ(decided(index, "the quick brown dog jumps over").item, nullptr);
  EXPECT_EQ(decided(index, "").item, nullptr);
}

TEST(Contamination, QueriesCountAcrossTheBorderOrWhereAsked) {
  const auto index_of = [](bool queries) {
    ContaminationIndex index({.words = 4, .queries = queries});
    index.add({"q", 1}, "one two three four five", "six seven");
    return index;
  };
  const ContaminationIndex answers = index_of(false), all = index_of(true);
  EXPECT_EQ(decided(answers, "one two three four").item, nullptr);
  EXPECT_EQ(decided(answers, "two three four five").item, nullptr);
  EXPECT_NE(decided(answers, "three four five six").item, nullptr);
  EXPECT_NE(decided(answers, "four five six seven").item, nullptr);
  EXPECT_NE(decided(all, "one two three four").item, nullptr);
  EXPECT_NE(decided(all, "two three four five").item, nullptr);
}

TEST(Contamination, ShortItemsAreCounted) {
  ContaminationIndex index({.words = 5});
  index.add({"q", 1}, "", "too short");
  index.add({"q", 2}, "a b c d", "e");
  EXPECT_EQ(index.short_items(), 1);
  EXPECT_EQ(index.items(), 2);
}

std::string numbered(const char* stem, int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) {
    text +=
        std::string(stem) + static_cast<char>('a' + i / 26) + static_cast<char>('a' + i % 26) + " ";
  }
  return text;
}

TEST(Contamination, OverlapIsMoreThanHalfOfTheItem) {
  ContaminationIndex index({.method = ContaminationMethod::overlap, .words = 8});
  index.add({"gsm", 1}, "", numbered("w", 0, 40));
  const std::string other = numbered("x", 0, 100);
  EXPECT_EQ(decided(index, other + numbered("w", 0, 20) + other).item, nullptr);  // exactly half
  const Contamination found = decided(index, other + numbered("w", 0, 21) + other);
  ASSERT_NE(found.item, nullptr);
  EXPECT_DOUBLE_EQ(found.share, 21.0 / 40);
  // Two runs with a hole count together, runs under five words do not.
  EXPECT_NE(decided(index, numbered("w", 0, 12) + "hole " + numbered("w", 14, 26)).item, nullptr);
  EXPECT_EQ(decided(index, numbered("w", 0, 18) + "hole " + numbered("w", 20, 24)).item, nullptr);
  // Without eight words in a row there is no comparison.
  std::string holes;
  for (int i = 0; i < 40; i += 7) holes += numbered("w", i, std::min(i + 6, 40)) + "hole ";
  EXPECT_EQ(decided(index, holes).item, nullptr);
}

}  // namespace
}  // namespace ballast
