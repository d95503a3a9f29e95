#include "libcore/text/bpe_trainer.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace ballast {
namespace {

// Words of a small alphabet, so that pairs overlap, tie and are reached in several ways; thousands
// of them, so that threads share the work of a step.
std::vector<std::string> words(int count, uint32_t letters, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::string> made;
  for (int i = 0; i < count; ++i) {
    std::string word = " ";
    for (auto length = 1 + random() % 12; length > 0; --length)
      word += static_cast<char>('a' + std::min(random() % letters, random() % letters));
    made.push_back(word);
  }
  return made;
}

// What the header says and nothing else: all pairs are counted anew before each merge.
std::vector<BpeMerge> merges_by_definition(const std::vector<std::string>& texts, size_t merges) {
  std::vector<std::string> tokens;
  for (int id = 0; id < 6; ++id)
    tokens.push_back(leading_tokens()[static_cast<size_t>(id)].content);
  std::map<std::string, int32_t> ids;
  // ' ' is the first of the bytes without a character of their own: behind the 188 that have one,
  // the 32 controls before it. Letters count from '!', which is the first.
  const auto id_of_byte = [](char byte) { return byte == ' ' ? 6 + 188 + 32 : 6 + byte - '!'; };
  std::map<int32_t, std::string> spelled = {{id_of_byte(' '), " "}};
  for (char byte = 'a'; byte <= 'z'; ++byte) spelled[id_of_byte(byte)] = std::string(1, byte);
  for (const auto& [id, bytes] : spelled) ids[bytes] = id;
  std::vector<std::vector<int32_t>> split;
  for (const std::string& text : texts) {
    split.emplace_back();
    for (const char byte : text) split.back().push_back(id_of_byte(byte));
  }
  std::vector<BpeMerge> made;
  int32_t next = 262;
  while (made.size() < merges) {
    std::map<std::pair<int32_t, int32_t>, int64_t> counts;
    for (const auto& word : split)
      for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    auto best = counts.begin();
    for (auto at = counts.begin(); at != counts.end(); ++at)
      if (at->second > best->second) best = at;  // the first of equals has the smaller ids
    const auto [left, right] = best->first;
    const std::string bytes = spelled[left] + spelled[right];
    const auto [id, fresh] = ids.emplace(bytes, next);
    if (fresh) spelled[next++] = bytes;
    made.push_back({left, right, id->second});
    for (auto& word : split) {
      std::vector<int32_t> joined;
      for (size_t i = 0; i < word.size(); ++i) {
        const bool here = word[i] == left && i + 1 < word.size() && word[i + 1] == right;
        joined.push_back(here ? id->second : word[i]);
        if (here) ++i;
      }
      word = joined;
    }
  }
  return made;
}

void expect_by_definition(const std::vector<std::string>& texts, int64_t size) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    PieceCounter counter(SplitPattern::gpt2);
    // Batches of other sizes give the same counts.
    const auto batch = static_cast<size_t>(97 * threads);
    for (size_t i = 0; i < texts.size(); i += batch)
      counter.add(std::span(texts).subspan(i, std::min(batch, texts.size() - i)));
    const auto trained = train_bpe(counter, size, pool);
    ASSERT_TRUE(trained.ok()) << trained.error().message();
    const auto wanted = merges_by_definition(texts, trained->merges.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(trained->merges[i].left, wanted[i].left) << i << " with " << threads;
      ASSERT_EQ(trained->merges[i].right, wanted[i].right) << i << " with " << threads;
      ASSERT_EQ(trained->merges[i].joined, wanted[i].joined) << i << " with " << threads;
    }
  }
}

TEST(BpeTrainer, JoinsWhatTheDefinitionJoinsWhereThreadsShareSteps) {
  expect_by_definition(words(12000, 5, 17), 262 + 60);
}

TEST(BpeTrainer, JoinsWhatTheDefinitionJoinsOfFewWords) {
  expect_by_definition(words(60, 2, 19), 262 + 40);
  expect_by_definition(words(300, 4, 23), 262 + 250);
}

// Pairs that are counted once only are reached when all others are joined.
TEST(BpeTrainer, FillsTheVocabularyToTheLastPair) {
  const auto texts = words(40, 20, 29);
  ThreadPool pool(2);
  PieceCounter counter(SplitPattern::gpt2);
  counter.add(texts);
  int64_t size = 262;
  while (train_bpe(counter, size + 1, pool).ok()) ++size;
  expect_by_definition(texts, size);
  const auto trained = train_bpe(counter, size, pool);
  // Whole words are tokens now.
  for (const std::string& word : texts)
    EXPECT_EQ(std::count(trained->tokens.begin(), trained->tokens.end(), word), 1) << word;
}

}  // namespace
}  // namespace ballast
