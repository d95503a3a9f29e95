#include "libcore/text/split_pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "libcore/io/utf8.h"
#include "libcore/text/regex_splitter.h"
#include "libcore/text/unicode_class.h"

namespace ballast {
namespace {

constexpr SplitPattern kPatterns[] = {SplitPattern::gpt2,   SplitPattern::cl100k,
                                      SplitPattern::llama3, SplitPattern::qwen2,
                                      SplitPattern::o200k,  SplitPattern::tekken};

std::vector<std::string> pieces(SplitPattern pattern, std::string_view text, size_t batch = 3) {
  std::vector<size_t> ends(batch);
  std::vector<std::string> found;
  size_t from = 0;
  while (const size_t count = split_function(pattern)(text, from, ends)) {
    for (size_t i = 0; i < count; ++i) {
      found.emplace_back(text.substr(from, ends[i] - from));
      from = ends[i];
    }
  }
  return found;
}

std::vector<std::string> regex_pieces(const RegexSplitter& splitter, std::string_view text) {
  std::vector<std::string> found;
  const auto matches = splitter.matches(text);
  if (!matches.ok()) return {matches.error().message()};
  for (const TextRange& range : *matches)
    found.emplace_back(text.substr(range.begin, range.end - range.begin));
  return found;
}

// Characters at every border of the patterns, weighted so that all alternatives occur, mixed with
// any assigned code point.
std::string random_text(std::mt19937& random, int characters) {
  static const std::vector<char32_t> kCommon = {
      ' ',    ' ',    ' ',    '\n',   '\r',    '\t',    '\'',    's',     'S',    't',
      'r',    'e',    'L',    'l',    'D',     'm',     'v',     'A',     'Z',    'a',
      '0',    '9',    '.',    '/',    '-',     '_',     '!',     0xA0,    0x85,   0x17F,
      0x212A, 0x2028, 0x3000, 0x180E, 0x1C5,   0x2B0,   0x5D0,   0x300,   0x301,  0x4E2D,
      0x660,  0x2460, 0x24B6, 0x200D, 0x1F600, 0x10400, 0x10428, 0x1D7CE, 0xFE0F, 0x903};
  std::string text;
  std::uniform_int_distribution<size_t> common(0, kCommon.size() - 1);
  std::uniform_int_distribution<uint32_t> any(0, 0x10FFFF);
  for (int i = 0; i < characters; ++i) {
    char32_t point = kCommon[common(random)];
    if (random() % 4 == 0) {
      do point = any(random);
      while (char_masks()[point] & kUnassigned);
    }
    append_utf8(text, point);
  }
  return text;
}

TEST(SplitPattern, AgreesWithTheRegularExpressionOnRandomUnicode) {
  for (const SplitPattern pattern : kPatterns) {
    const auto splitter = RegexSplitter::compile(split_pattern_regex(pattern), "pattern");
    ASSERT_TRUE(splitter.ok()) << splitter.error().message();
    std::mt19937 random(301);
    for (int round = 0; round < 4000; ++round) {
      const std::string text = random_text(random, static_cast<int>(random() % 40));
      ASSERT_EQ(pieces(pattern, text), regex_pieces(*splitter, text))
          << static_cast<int>(pattern) << " on: " << printable(text);
    }
  }
}

TEST(SplitPattern, OtherSpellingsMeanTheSame) {
  const char* const spellings[] = {
      R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)",
      R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)"};
  for (const char* spelling : spellings) {
    const auto pattern = known_split_pattern(spelling);
    ASSERT_TRUE(pattern) << spelling;
    const auto splitter = RegexSplitter::compile(spelling, "pattern");
    ASSERT_TRUE(splitter.ok()) << splitter.error().message();
    std::mt19937 random(7);
    for (int round = 0; round < 4000; ++round) {
      const std::string text = random_text(random, static_cast<int>(random() % 40));
      ASSERT_EQ(pieces(*pattern, text), regex_pieces(*splitter, text)) << printable(text);
    }
  }
}

// Where cl100k and Llama 3 part: white space at the end of a text is one piece.
TEST(SplitPattern, Cl100kKeepsTheWhiteSpaceAtTheEndTogether) {
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(pieces(SplitPattern::cl100k, "x\n  "), (Pieces{"x", "\n  "}));
  EXPECT_EQ(pieces(SplitPattern::llama3, "x\n  "), (Pieces{"x", "\n", "  "}));
  EXPECT_EQ(pieces(SplitPattern::cl100k, "x\n  y"), (Pieces{"x", "\n", " ", " y"}));
}

TEST(SplitPattern, ClassesAreThoseOfTheRegexEngine) {
  struct Property {
    const char* regex;
    uint8_t mask;
  };
  const Property properties[] = {{"[\\p{Lu}\\p{Lt}]", kUpper},
                                 {"\\p{Ll}", kLower},
                                 {"[\\p{Lm}\\p{Lo}]", kCaseless},
                                 {"\\p{M}", kMark},
                                 {"\\p{N}", kNumber},
                                 {"\\s", kSpace},
                                 {"[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]", kWord}};
  for (const Property& property : properties) {
    const auto splitter = RegexSplitter::compile(property.regex, "property");
    ASSERT_TRUE(splitter.ok()) << splitter.error().message();
    std::string text;
    size_t expected = 0;
    for (char32_t point = 0; point < 0x110000; ++point) {
      if (point >= 0xD800 && point < 0xE000) continue;
      append_utf8(text, point);
      expected += (char_masks()[point] & property.mask) != 0;
    }
    const auto matches = splitter->matches(text);
    ASSERT_TRUE(matches.ok());
    EXPECT_EQ(matches->size(), expected) << property.regex;
    for (const TextRange& range : *matches) {
      const Char c = char_at(&text[range.begin], text.data() + text.size(), char_masks());
      ASSERT_TRUE(c.mask & property.mask) << property.regex << " at " << range.begin;
    }
  }
}

TEST(SplitPattern, SplitsAsPublished) {
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(pieces(SplitPattern::gpt2, "Hello  world's 123!!"),
            (Pieces{"Hello", " ", " world", "'s", " 123", "!!"}));
  EXPECT_EQ(pieces(SplitPattern::llama3, "We'LL pay 12345 \n\n  now"),
            (Pieces{"We", "'LL", " pay", " ", "123", "45", " \n\n", " ", " now"}));
  EXPECT_EQ(pieces(SplitPattern::qwen2, "12 a"), (Pieces{"1", "2", " a"}));
  EXPECT_EQ(pieces(SplitPattern::tekken, "eBay mL 42 a/b//\n"),
            (Pieces{"e", "Bay", " m", "L", " ", "4", "2", " a", "/b", "//\n"}));
  EXPECT_EQ(pieces(SplitPattern::o200k, "HELLOworld's"), (Pieces{"HELLOworld's"}));
}

TEST(SplitPattern, CoversAnyBytesWithoutReadingPastThem) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 24, '\0');
    for (char& byte : text) byte = static_cast<char>(random());
    const std::vector<char> exact(text.begin(), text.end());  // sanitizers see its end
    for (const SplitPattern pattern : kPatterns) {
      std::string joined;
      for (const auto& piece : pieces(pattern, {exact.data(), exact.size()})) joined += piece;
      ASSERT_EQ(joined, text);
    }
  }
}

TEST(SplitPattern, KnowsItsOwnSpellingsOnly) {
  for (const SplitPattern pattern : kPatterns)
    EXPECT_EQ(known_split_pattern(split_pattern_regex(pattern)), pattern);
  EXPECT_EQ(known_split_pattern("\\s+"), std::nullopt);
}

TEST(RegexSplitter, RefusesABrokenPattern) {
  const auto splitter = RegexSplitter::compile("a(", "tokenizer.json");
  ASSERT_FALSE(splitter.ok());
  EXPECT_EQ(splitter.error().kind, ErrorKind::corrupt);
}

TEST(RegexSplitter, SkipsEmptyMatches) {
  const auto splitter = RegexSplitter::compile("b*", "test");
  ASSERT_TRUE(splitter.ok());
  const auto matches = splitter->matches(
      "a\xC3\xA9"
      "bbc");
  ASSERT_TRUE(matches.ok());
  EXPECT_EQ(*matches, (std::vector<TextRange>{{3, 5}}));
}

}  // namespace
}  // namespace ballast
