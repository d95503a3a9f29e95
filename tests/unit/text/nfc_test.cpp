#include "libcore/text/nfc.h"

#include <gtest/gtest.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include <random>

#include "libcore/io/utf8.h"

namespace ballast {
namespace {

std::string icu_alone(const std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  icu::Normalizer2::getNFCInstance(status)->normalizeUTF8(0, text, sink, nullptr, status);
  EXPECT_TRUE(U_SUCCESS(status));
  return out;
}

std::string nfc(const std::string& text) {
  std::string storage;
  return std::string(to_nfc(text, storage));
}

TEST(Nfc, IsIcusOnRunsOfMarksOfEveryLength) {
  // Starters, marks of several classes, marks that decompose, and characters without a class that
  // decompose to marks (U+0F73).
  const std::vector<char32_t> points = {'a',   'e',   0x1EA5, 0xAC00, 0x1100,  0x1161, 0x300,
                                        0x301, 0x323, 0x327,  0x344,  0x345,   0x5B0,  0xF71,
                                        0xF73, 0xF81, 0x3099, 0x302A, 0x1D165, 0x1D16E};
  std::mt19937 random(301);
  for (int round = 0; round < 400; ++round) {
    std::string text;
    const bool only_marks = round % 2 == 0;
    for (int i = 0, n = static_cast<int>(random() % 300); i < n; ++i) {
      const bool mark = only_marks && i % 150 != 0;
      append_utf8(text, points[mark ? 6 + random() % 14 : random() % points.size()]);
    }
    ASSERT_EQ(nfc(text), icu_alone(text)) << round;
  }
}

TEST(Nfc, LeavesNormalisedTextWhereItIs) {
  const std::string text = "h\u00E9llo";
  std::string storage;
  EXPECT_EQ(to_nfc(text, storage).data(), text.data());
  EXPECT_EQ(nfc("he\u0301llo"), text);
}

// Insertion one by one would move a quarter of 10^12 marks here and run into the test's timeout.
TEST(Nfc, OrdersAMillionMarksAtOnce) {
  std::string text = "x";
  for (int i = 0; i < 1000000; ++i) append_utf8(text, i % 2 ? 0x323 : 0x302);
  const std::string ordered = nfc(text);
  EXPECT_EQ(ordered.size(), text.size());
  EXPECT_EQ(ordered.substr(0, 5), "x\u0323\u0323");
}

}  // namespace
}  // namespace ballast
