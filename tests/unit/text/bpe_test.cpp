#include "libcore/text/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "libcore/text/added_tokens.h"
#include "libcore/text/piece_cache.h"
#include "libcore/text/pretokenizer.h"

namespace ballast {
namespace {

std::vector<std::string> all_bytes() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  return tokens;
}

// A random table over a few letters: every merge joins two earlier tokens.
struct Table {
  std::vector<std::string> tokens = all_bytes();
  std::vector<BpeMerge> merges;
};

Table random_table(std::mt19937& random, int merges) {
  Table table;
  std::vector<int32_t> usable = {'a', 'b', 'c'};
  std::map<std::string, int32_t> ids;
  for (int i = 0; i < merges; ++i) {
    const int32_t left = usable[random() % usable.size()], right = usable[random() % usable.size()];
    const std::string joined =
        table.tokens[static_cast<size_t>(left)] + table.tokens[static_cast<size_t>(right)];
    const auto [found, fresh] = ids.emplace(joined, static_cast<int32_t>(table.tokens.size()));
    if (fresh) {
      table.tokens.push_back(joined);
      usable.push_back(found->second);
    }
    table.merges.push_back({left, right, found->second});
  }
  return table;
}

// The rule as it is defined: join the leftmost pair of the lowest rank until there is none.
std::vector<int32_t> by_definition(const Table& table, std::string_view piece) {
  std::map<std::pair<int32_t, int32_t>, size_t> ranks;
  for (size_t rank = 0; rank < table.merges.size(); ++rank)
    ranks[{table.merges[rank].left, table.merges[rank].right}] = rank;
  std::vector<int32_t> ids;
  for (const char byte : piece) ids.push_back(static_cast<uint8_t>(byte));
  while (true) {
    size_t best = table.merges.size(), at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = ranks.find({ids[i], ids[i + 1]});
      if (found != ranks.end() && found->second < best) {
        best = found->second;
        at = i;
      }
    }
    if (best == table.merges.size()) return ids;
    ids[at] = table.merges[best].joined;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(BpeModel, MergesByRankThenFromTheLeft) {
  std::mt19937 random(301);
  for (int round = 0; round < 600; ++round) {
    Table table = random_table(random, static_cast<int>(random() % 60));
    // In another order, tokens are joined at lower ranks than their parts.
    if (round % 3 == 0) std::shuffle(table.merges.begin(), table.merges.end(), random);
    const auto model = BpeModel::build(table.tokens, table.merges, false, "test");
    ASSERT_TRUE(model.ok());
    BpeScratch scratch;
    for (const size_t length : {0, 1, 2, 3, 7, 20, 48, 49, 64, 130, 250}) {
      std::string piece(length, 'a');
      for (char& byte : piece) byte = static_cast<char>('a' + random() % 3);
      std::vector<int32_t> ids;
      model->encode(piece, scratch, ids);
      ASSERT_EQ(ids, by_definition(table, piece)) << piece;
    }
  }
}

// tiktoken's rule as it is defined.
std::vector<int32_t> by_bytes(const std::vector<std::string>& tokens, const std::string& piece) {
  std::map<std::string, int32_t> ranks;
  for (size_t id = 0; id < tokens.size(); ++id)
    if (!tokens[id].empty()) ranks[tokens[id]] = static_cast<int32_t>(id);
  if (ranks.count(piece)) return {ranks[piece]};
  std::vector<std::string> parts;
  for (const char byte : piece) parts.emplace_back(1, byte);
  while (true) {
    int32_t best = static_cast<int32_t>(tokens.size());
    size_t at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks.find(parts[i] + parts[i + 1]);
      if (found != ranks.end() && found->second < best) {
        best = found->second;
        at = i;
      }
    }
    if (best == static_cast<int32_t>(tokens.size())) break;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  std::vector<int32_t> ids;
  for (const std::string& part : parts) ids.push_back(ranks[part]);
  return ids;
}

TEST(BpeModel, JoinsByTheRankOfTheBytesWhenOnlyTokensAreGiven) {
  std::mt19937 random(11);
  int unreachable = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<std::string> tokens(3);  // as ids of control tokens, which no text yields
    for (const std::string& byte : all_bytes()) tokens.push_back(byte);
    std::map<std::string, bool> seen;
    for (int i = 0; i < 40; ++i) {
      std::string token;
      const int length = 2 + static_cast<int>(random() % 5);
      for (int k = 0; k < length; ++k) token += static_cast<char>('a' + random() % 2);
      if (!seen.emplace(token, true).second) continue;
      tokens.push_back(token);
    }
    const auto model = BpeModel::from_ranks(tokens, "test");
    ASSERT_TRUE(model.ok());
    BpeScratch scratch;
    for (const size_t length : {1, 2, 3, 5, 9, 30, 49, 90, 200}) {
      std::string piece(length, 'a');
      for (char& byte : piece) byte = static_cast<char>('a' + random() % 2);
      std::vector<int32_t> ids;
      model->encode(piece, scratch, ids);
      ASSERT_EQ(ids, by_bytes(tokens, piece)) << piece;
    }
    // Some tokens cannot be merged from their bytes, and are given only as whole pieces.
    for (size_t id = 259; id < tokens.size(); ++id) {
      std::vector<int32_t> ids;
      model->encode(tokens[id], scratch, ids);
      ASSERT_EQ(ids, std::vector<int32_t>{static_cast<int32_t>(id)});
      unreachable += by_bytes(tokens, tokens[id] + "c").front() != static_cast<int32_t>(id);
    }
  }
  EXPECT_GT(unreachable, 0);
}

TEST(BpeModel, RefusesTokensTooLongToCut) {
  std::vector<std::string> tokens = all_bytes();
  tokens.emplace_back(4096, 'a');
  EXPECT_TRUE(BpeModel::from_ranks(tokens, "test").ok());
  tokens.back() += 'a';
  const auto refused = BpeModel::from_ranks(tokens, "test");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::corrupt);
  const std::string message = refused.error().message();
  EXPECT_NE(message.find("token 256 has 4097 bytes"), std::string::npos) << message;
  EXPECT_NE(message.find("at most 4096"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

// Walked from the left where the origins are known, else merged with a heap.
TEST(BpeModel, GivesLongPiecesTheSameIdsByBothMethods) {
  std::mt19937 random(17);
  for (int round = 0; round < 30; ++round) {
    const Table table = random_table(random, 5 + static_cast<int>(random() % 200));
    const auto model = BpeModel::build(table.tokens, table.merges, false, "test");
    // Of no effect on texts of a, b and c, but parts of a higher rank: nothing is known of origins.
    Table falling = table;
    const auto first = static_cast<int32_t>(falling.tokens.size());
    falling.tokens.insert(falling.tokens.end(), {"xy", "xyz"});
    falling.merges.push_back({first, 'z', first + 1});
    falling.merges.push_back({'x', 'y', first});
    const auto whole = BpeModel::build(falling.tokens, falling.merges, false, "test");
    ASSERT_TRUE(model.ok() && whole.ok());
    std::string piece(200000 + random() % 1000, 'a');
    const size_t period = round % 3 == 0 ? piece.size() : 1 + random() % 40;
    for (size_t i = 0; i < piece.size(); ++i)
      piece[i] = i < period ? static_cast<char>('a' + random() % 3) : piece[i - period];
    BpeScratch scratch;
    std::vector<int32_t> walked, merged;
    model->encode(piece, scratch, walked);
    whole->encode(piece, scratch, merged);
    ASSERT_EQ(walked, merged) << round;
  }
}

TEST(BpeModel, CountsStepsOfALongPieceAlmostLinearly) {
  Table table;
  for (int32_t id = 'a'; table.merges.size() < 20;) {
    const auto joined = static_cast<int32_t>(table.tokens.size());
    table.tokens.push_back(table.tokens[static_cast<size_t>(id)] +
                           table.tokens[static_cast<size_t>(id)]);
    table.merges.push_back({id, id, joined});
    id = joined;
  }
  const auto model = BpeModel::build(table.tokens, table.merges, false, "test");
  ASSERT_TRUE(model.ok());
  BpeScratch scratch;
  std::vector<int32_t> ids;
  // A quadratic method would need 10^12 steps here and run into the test's timeout.
  model->encode(std::string((1 << 20) + 5, 'a'), scratch, ids);
  EXPECT_EQ(ids.size(), 3U);  // 2^20, 4, 1
}

TEST(BpeModel, TakesTheLaterRankOfARepeatedPair) {
  Table table;
  table.tokens.insert(table.tokens.end(), {"ab", "bc"});
  table.merges = {{'a', 'b', 256}, {'b', 'c', 257}, {'a', 'b', 256}};
  const auto model = BpeModel::build(table.tokens, table.merges, false, "test");
  BpeScratch scratch;
  std::vector<int32_t> ids;
  model->encode("abc", scratch, ids);
  EXPECT_EQ(ids, (std::vector<int32_t>{'a', 257}));
}

TEST(BpeModel, GivesWholePiecesWithoutMergingWhenAskedTo) {
  Table table;
  table.tokens.push_back("abc");
  BpeScratch scratch;
  std::vector<int32_t> merged, whole;
  BpeModel::build(table.tokens, table.merges, false, "test")->encode("abc", scratch, merged);
  BpeModel::build(table.tokens, table.merges, true, "test")->encode("abc", scratch, whole);
  EXPECT_EQ(merged, (std::vector<int32_t>{'a', 'b', 'c'}));
  EXPECT_EQ(whole, (std::vector<int32_t>{256}));
}

TEST(BpeModel, RefusesAVocabularyWithoutAByte) {
  Table table;
  table.tokens[7] = "";
  const auto model = BpeModel::build(table.tokens, {}, false, "test");
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message().find("0x07"), std::string::npos);
}

TEST(ByteLevelAlphabet, MapsEveryByteThereAndBack) {
  EXPECT_EQ(byte_level_alphabet()[' '], "\u0120");
  EXPECT_EQ(byte_level_alphabet()['\n'], "\u010A");
  EXPECT_EQ(byte_level_alphabet()['!'], "!");
  EXPECT_EQ(byte_level_alphabet()[0xAD], "\u0143");
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  std::string back;
  EXPECT_TRUE(append_byte_level(byte_level_text(bytes), back));
  EXPECT_EQ(back, bytes);
  EXPECT_FALSE(append_byte_level("a b", back));
  EXPECT_EQ(back, bytes);
}

TEST(TokenTrie, FindsTheLongestBeginningAndTheNextShorter) {
  std::mt19937 random(23);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> tokens = {""};
    std::vector<int32_t> ids;
    const size_t letters = round % 2 ? 2 : 256;
    for (int i = 0; i < 900; ++i) {
      std::string token(1 + random() % 6, '\0');
      for (char& byte : token) byte = static_cast<char>(random() % letters);
      if (std::ranges::find(tokens, token) != tokens.end()) continue;
      ids.push_back(static_cast<int32_t>(tokens.size()));
      tokens.push_back(token);
    }
    const auto longest = [&](std::string_view text) {
      int32_t best = -1;
      for (const int32_t id : ids) {
        const std::string& token = tokens[static_cast<size_t>(id)];
        if (text.starts_with(token) &&
            (best < 0 || token.size() > tokens[static_cast<size_t>(best)].size()))
          best = id;
      }
      return best;
    };
    const TokenTrie trie(tokens, ids);
    for (const int32_t id : ids) {
      const std::string& token = tokens[static_cast<size_t>(id)];
      const std::string text = token + static_cast<char>(random() % letters) + "x";
      ASSERT_EQ(trie.longest(token), id);
      ASSERT_EQ(trie.longest(text), longest(text));
      ASSERT_EQ(trie.length(id), token.size());
      ASSERT_EQ(trie.shorter(id), longest(token.substr(0, token.size() - 1)));
    }
    EXPECT_EQ(trie.longest(""), -1);
  }
}

TEST(TokenTrie, FindsTheFirstOfTwoWithTheSameBytes) {
  const std::vector<std::string> tokens = {"a", "ab", "ab"};
  const TokenTrie trie(tokens, {2, 0, 1});
  EXPECT_EQ(trie.longest("abc"), 2);
  EXPECT_EQ(trie.longest("ac"), 0);
  EXPECT_EQ(trie.longest("b"), -1);
}

TEST(MergeTable, HoldsWhatWasSetAndSaysSo) {
  MergeTable table(500);
  std::mt19937 random(29);
  std::map<std::pair<int32_t, int32_t>, uint32_t> ranks;
  while (ranks.size() < 500) {
    const auto left = static_cast<int32_t>(random() % 70000);
    const auto right = static_cast<int32_t>(random() % 70000);
    ranks[{left, right}] = static_cast<uint32_t>(ranks.size());
    table.set({left, right, ranks[{left, right}], 7});
  }
  for (const auto& [pair, rank] : ranks) {
    EXPECT_TRUE(table.may_hold(pair.first, pair.second));
    EXPECT_EQ(table.find(pair.first, pair.second).rank, rank);
  }
  int doubted = 0;
  for (int32_t i = 0; i < 10000; ++i) doubted += table.may_hold(70000 + i, i);
  EXPECT_LT(doubted, 2500);  // at most one bit in sixteen is set; a quarter is 30 deviations off
}

TEST(PieceCache, KeysAreThePaddedPieceWhateverFollows) {
  std::mt19937 random(7);
  for (size_t length = 1; length <= PieceCache::kMaxBytes; ++length) {
    std::string text(64, '\0');
    for (char& byte : text) byte = static_cast<char>(random());
    const std::string exact = text.substr(0, length);
    EXPECT_EQ(PieceCache::key_of(text.data(), length, text.size()),
              PieceCache::key_of(exact.data(), length, length))
        << length;
  }
}

std::vector<std::string> split_on_dash(SplitBehavior behavior, bool invert = false) {
  const std::string_view text = "a-b--c";
  const std::vector<TextRange> dashes = {{1, 2}, {3, 4}, {4, 5}};
  std::vector<std::string> pieces;
  for (const TextRange& range : apply_split(dashes, text.size(), behavior, invert))
    pieces.emplace_back(text.substr(range.begin, range.end - range.begin));
  return pieces;
}

TEST(Split, BehavesAsTokenizerFilesSay) {
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(split_on_dash(SplitBehavior::isolated), (Pieces{"a", "-", "b", "-", "-", "c"}));
  EXPECT_EQ(split_on_dash(SplitBehavior::merged_with_previous), (Pieces{"a-", "b-", "-", "c"}));
  EXPECT_EQ(split_on_dash(SplitBehavior::merged_with_next), (Pieces{"a", "-b", "-", "-c"}));
  EXPECT_EQ(split_on_dash(SplitBehavior::contiguous), (Pieces{"a", "-", "b", "--", "c"}));
  EXPECT_EQ(split_on_dash(SplitBehavior::removed), (Pieces{"a", "b", "c"}));
  EXPECT_EQ(split_on_dash(SplitBehavior::removed, true), (Pieces{"-", "-", "-"}));
}

std::string cut(const std::vector<AddedToken>& tokens, std::string_view text, bool escape) {
  std::vector<AddedTokenMatcher::Part> parts;
  AddedTokenMatcher(tokens).cut(text, escape, parts);
  std::string shown;
  for (const auto& part : parts)
    shown += part.id < 0 ? "[" + std::string(part.text) + "]"
                         : "<" + std::to_string(part.id) + ":" + std::string(part.text) + ">";
  return shown;
}

TEST(AddedTokens, MatchLeftmostLongest) {
  const std::vector<AddedToken> tokens = {{"ab", 1}, {"abc", 2}, {"c", 3}};
  EXPECT_EQ(cut(tokens, "xabcab", false), "[x]<2:abc><1:ab>");
  EXPECT_EQ(cut(tokens, "", false), "");
}

// Leftmost, then longest, byte by byte.
std::string plain_cut(const std::vector<AddedToken>& tokens, std::string_view text, bool escape) {
  std::string shown, between;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* longest = nullptr;
    for (const AddedToken& token : tokens)
      if (text.substr(at).starts_with(token.content) &&
          (!longest || token.content.size() > longest->content.size()))
        longest = &token;
    if (!longest || (escape && longest->special)) {
      const size_t length = longest ? longest->content.size() : 1;
      between += text.substr(at, length);
      at += length;
      continue;
    }
    if (!between.empty()) shown += "[" + between + "]";
    between.clear();
    shown += "<" + std::to_string(longest->id) + ":" + longest->content + ">";
    at += longest->content.size();
  }
  return between.empty() ? shown : shown + "[" + between + "]";
}

TEST(AddedTokens, AreThoseOfAPlainSearch) {
  const std::vector<std::vector<AddedToken>> sets = {
      {{"<ab>", 1}, {"<a", 2, true}, {"<<", 3}},  // one byte begins them all
      {{"<a", 1, true}, {"<b>", 2, true}},        // all special
      {{"<", 1}, {"<a>", 2, true}},               // one of a single byte
      {{"ab", 1}, {"b<a", 2}, {"a", 3, true}, {">>>>", 4}, {"<b", 5, true}}};
  uint64_t state = 1;
  for (int round = 0; round < 400; ++round) {
    std::string text;
    for (int i = 0; i < round % 50; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      text += "<ab>"[state >> 62];
    }
    for (const auto& tokens : sets)
      for (const bool escape : {false, true})
        EXPECT_EQ(cut(tokens, text, escape), plain_cut(tokens, text, escape)) << text;
  }
}

TEST(AddedTokens, StayTextWhenSpecialAndEscaped) {
  const std::vector<AddedToken> tokens = {{"</s>", 2, true}, {"<ip-pii>", 4}};
  EXPECT_EQ(cut(tokens, "a</s>b<ip-pii>", true), "[a</s>b]<4:<ip-pii>>");
  EXPECT_EQ(cut(tokens, "a</s>b", false), "[a]<2:</s>>[b]");
}

TEST(AddedTokens, RespectWordsAndTakeSpace) {
  const std::vector<AddedToken> word = {{"cat", 1, false, true}};
  EXPECT_EQ(cut(word, "cat concat cats \u00E9cat cat", false),
            "<1:cat>[ concat cats \u00E9cat ]<1:cat>");
  const std::vector<AddedToken> left = {{"<m>", 1, false, false, true, false}};
  EXPECT_EQ(cut(left, "a \u3000<m> b <m><m>", false), "[a]<1: \u3000<m>>[ b]<1: <m>><1:<m>>");
  const std::vector<AddedToken> right = {{"<m>", 1, false, false, false, true}};
  EXPECT_EQ(cut(right, "a <m> \n b", false), "[a ]<1:<m> \n >[b]");
}

}  // namespace
}  // namespace ballast
