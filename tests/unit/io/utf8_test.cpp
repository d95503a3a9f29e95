#include "libcore/io/utf8.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

std::string repaired(std::string_view text, int64_t expected_count) {
  int64_t count = -1;
  std::string out = replace_invalid_utf8(text, &count);
  EXPECT_EQ(count, expected_count);
  return out;
}

constexpr const char* kMark = "\xEF\xBF\xBD";

TEST(Utf8, AcceptsEveryWellFormedLength) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82"));
  EXPECT_EQ(repaired("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82", 0),
            "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82");
}

TEST(Utf8, RefusesOverlongSurrogateAndTooLarge) {
  for (const char* text : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80",
                           "\xFF", "\xC3", "\xE2\x82"})
    EXPECT_FALSE(is_valid_utf8(text)) << printable(text);
}

// The example of Unicode 15, section 3.9, table 3-11, and the truncations of table 3-11's text.
TEST(Utf8, ReplacesEachMaximalIllFormedSequence) {
  const std::string mark = kMark;
  EXPECT_EQ(repaired("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", 6),
            "a" + mark + mark + mark + "b" + mark + "c" + mark + mark + "d");
  EXPECT_EQ(repaired("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", 8),
            mark + mark + mark + mark + mark + mark + mark + mark + "A");
  EXPECT_EQ(repaired("\xED\xA0\x80", 3), mark + mark + mark);
  EXPECT_EQ(repaired("\xF0\x9F\x99", 1), mark);
}

TEST(Utf8, RepairedTextIsAlwaysValidAndStable) {
  std::string text;
  for (int a = 0; a < 256; ++a)
    for (const int b : {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xF4})
      text += {static_cast<char>(a), static_cast<char>(b)};
  const std::string once = replace_invalid_utf8(text, nullptr);
  EXPECT_TRUE(is_valid_utf8(once));
  EXPECT_EQ(repaired(once, 0), once);
}

TEST(Utf8, AppendsCodePointsAndReplacesSurrogates) {
  std::string text;
  for (const char32_t c : {U'a', U'\u00E9', U'\u20AC', U'\U0001F642'}) append_utf8(text, c);
  EXPECT_EQ(text, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82");
  text.clear();
  append_utf8(text, 0xD800);
  append_utf8(text, 0x110000);
  EXPECT_EQ(text, std::string(kMark) + kMark);
}

TEST(Utf8, PrintableNeutralisesTerminalTricks) {
  EXPECT_EQ(printable("na\xC3\xAFve"), "na\xC3\xAFve");
  EXPECT_EQ(printable("\x1B[31m"), "\\x1B[31m");
  EXPECT_EQ(printable("a\nb\x7F\xC2\x9B\xFF"), "a\\x0Ab\\x7F\\xC2\\x9B\\xFF");
  EXPECT_EQ(printable("\xE2\x80\xAE"), "\\xE2\\x80\\xAE");  // right-to-left override
}

}  // namespace
}  // namespace ballast
