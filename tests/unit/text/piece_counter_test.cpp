#include "libcore/text/piece_counter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "libcore/base/hash.h"

namespace ballast {
namespace {

using Counts = std::map<std::string, int64_t, std::less<>>;

// Words of which the n-th is about n times rarer than the first, one piece each with its blank.
std::vector<std::string> natural_texts(int texts, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::string> made;
  for (int i = 0; i < texts; ++i) {
    std::string text;
    for (int k = 0; k < 100; ++k) {
      const double share = std::uniform_real_distribution<double>(0, 1)(random);
      auto number = static_cast<int>(std::exp(share * std::log(20000.0)));
      text += ' ';
      for (; number > 0; number /= 26) text += static_cast<char>('a' + number % 26);
    }
    made.push_back(text);
  }
  return made;
}

Counts counted(const PieceCounter& counter) {
  Counts found;
  for (size_t i = 0; i < PieceCounter::kTables; ++i)
    counter.table(i).for_each([&](std::string_view piece, uint64_t, int64_t count) {
      EXPECT_TRUE(found.emplace(piece, count).second) << piece;
    });
  return found;
}

Counts by_blanks(const std::vector<std::string>& texts) {
  Counts counts;
  for (const std::string& text : texts)
    for (size_t at = 0; at < text.size();) {
      const size_t next = std::min(text.find(' ', at + 1), text.size());
      ++counts[text.substr(at, next - at)];
      at = next;
    }
  return counts;
}

TEST(PieceTable, CountsAsAMapDoes) {
  std::mt19937 random(7);
  PieceTable table;
  Counts wanted;
  for (int i = 0; i < 20000; ++i) {
    std::string piece(1 + random() % 4, 'a');
    for (char& letter : piece) letter = static_cast<char>('a' + random() % 8);
    // Hashes that collide: pieces of one length share theirs.
    table.add(piece, 3 * piece.size(), 2);
    wanted[piece] += 2;
    if (i == 1000) {
      table.clear();
      wanted.clear();
    }
  }
  EXPECT_EQ(table.size(), wanted.size());
  // Those at the threshold and above stay as they are, of the others some, counted as the
  // threshold.
  const int64_t least = 10;
  const size_t before = table.size();
  table.thin(least, 1);
  EXPECT_LT(table.size(), before);
  int64_t thinned = 0;
  for (auto& [piece, count] : wanted) {
    if (count >= least) continue;
    count = table.count_of(piece, 3 * piece.size());
    thinned += count == least;
    EXPECT_TRUE(count == 0 || count == least);
  }
  std::erase_if(wanted, [](const auto& entry) { return entry.second == 0; });
  EXPECT_GT(thinned, 0);
  table.add("another", 5, 1);
  wanted["another"] = 1;
  Counts found;
  table.for_each(
      [&](std::string_view piece, uint64_t, int64_t count) { found[std::string(piece)] = count; });
  EXPECT_GT(found.size(), 100U);
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(table.count_of("another", 5), 1);
  EXPECT_EQ(table.count_of("missing", 5), 0);
  EXPECT_EQ(PieceTable().count_of("missing", 5), 0);
}

TEST(PieceCounter, CountsFromManyThreadsAtOnce) {
  const auto texts = natural_texts(600, 11);
  PieceCounter counter(SplitPattern::gpt2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (size_t k = i * 150; k < (i + 1) * 150; k += 10)
        counter.add(std::span(texts).subspan(k, 10));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counted(counter), by_blanks(texts));
  EXPECT_EQ(counter.dropped_pieces(), 0);
}

// One call that meets more distinct pieces than a thread keeps apart.
TEST(PieceCounter, CountsLongTexts) {
  std::string text;
  for (int i = 0; i < 200000; ++i) {
    text += ' ';
    for (int rest = i; rest > 0; rest /= 26) text += static_cast<char>('a' + rest % 26);
    text += " often";
  }
  PieceCounter counter(SplitPattern::gpt2);
  counter.add(std::vector<std::string>{text});
  EXPECT_EQ(counter.count_of(" often"), 200000);
  EXPECT_EQ(counted(counter), by_blanks({text}));
}

TEST(PieceCounter, KeepsCountsNearWhenItPrunes) {
  ThreadPool pool(3);
  const auto texts = natural_texts(3000, 13);
  const Counts exact = by_blanks(texts);
  PieceCounter counter(SplitPattern::gpt2, 2000);
  for (size_t i = 0; i < texts.size(); i += 20) {
    counter.add(std::span(texts).subspan(i, 20));
    counter.prune(pool);
    EXPECT_LE(counter.distinct_pieces(), 2000);
  }
  EXPECT_GT(counter.dropped_pieces(), 10000);
  const Counts kept = counted(counter);
  int64_t most = 0;
  for (const auto& [piece, count] : exact) {
    const auto found = kept.find(piece);
    most = std::max(most, std::abs(count - (found == kept.end() ? 0 : found->second)));
  }
  EXPECT_GT(most, 0);
  EXPECT_LE(most, counter.count_error());
  // And the bound is worth something.
  EXPECT_LT(counter.count_error(), exact.at(" b"));
}

// 100,000 pieces of count 1 and 1,000 of count 3: all hold a pair, which would be lost for the most
// part if the rare ones were only dropped.
TEST(PieceCounter, PruningKeepsSumsOnAverage) {
  const auto name = [](int number) {
    std::string letters;
    for (int i = 0; i < 5; ++i, number /= 20) letters += static_cast<char>('a' + number % 20);
    return letters;
  };
  std::string text;
  for (int i = 0; i < 100000; ++i) text += " y" + name(i);
  for (int i = 0; i < 3000; ++i) text += " x" + name(i % 1000);
  ThreadPool pool(2);
  PieceCounter counter(SplitPattern::gpt2, 20000);
  counter.add(std::vector<std::string>{text});
  ASSERT_EQ(counter.distinct_pieces(), 101000);
  counter.prune(pool);
  // 10,000 are to stay: one in 11 is the first share that fits, 103,000 / 11 = 9,363 of them. The
  // standard deviation of a sum of draws is below sqrt(n p): 96 for 100,000 / 11 pieces.
  EXPECT_EQ(counter.count_error(), 10);
  int64_t y_sum = 0, x_sum = 0;
  for (const auto& [piece, count] : counted(counter)) {
    EXPECT_EQ(count, 11) << piece;
    (piece[1] == 'y' ? y_sum : x_sum) += count;
  }
  EXPECT_NEAR(static_cast<double>(y_sum), 100000, 6 * 96 * 11);
  EXPECT_NEAR(static_cast<double>(x_sum), 3000, 6 * 17 * 11);  // sqrt(1,000 * 3 / 11) = 17
  const int64_t stayed = counter.distinct_pieces();
  counter.prune(pool);  // nothing to do
  EXPECT_EQ(counter.distinct_pieces(), stayed);
}

TEST(PieceCounter, LeavesOverlongPiecesOut) {
  PieceCounter counter(SplitPattern::gpt2);
  counter.add(std::vector<std::string>{std::string(1024, 'x'), std::string(1025, 'y')});
  EXPECT_EQ(counter.distinct_pieces(), 1);
  EXPECT_EQ(counter.overlong_pieces(), 1);
}

TEST(PieceCounter, BatchesGrowWithTheBound) {
  EXPECT_EQ(PieceCounter(SplitPattern::gpt2, 1000).batch_bytes(), int64_t{1} << 20);
  EXPECT_EQ(PieceCounter(SplitPattern::gpt2).batch_bytes(), int64_t{1} << 27);
  EXPECT_GT(PieceCounter(SplitPattern::gpt2, INT64_MAX).batch_bytes(), int64_t{1} << 40);
}

}  // namespace
}  // namespace ballast
