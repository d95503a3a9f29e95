#include "libcore/text/display_cells.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(DisplayCells, CountsWhatATerminalShows) {
  EXPECT_EQ(display_cells(""), 0u);
  EXPECT_EQ(display_cells("abc"), 3u);
  EXPECT_EQ(display_cells("\u00E9"), 1u);
  EXPECT_EQ(display_cells("e\u0301"), 1u);             // a mark of its own
  EXPECT_EQ(display_cells("\u4E2D\u6587"), 4u);        // Chinese
  EXPECT_EQ(display_cells("\uFF21"), 2u);              // full width
  EXPECT_EQ(display_cells("\uFF71"), 1u);              // half width
  EXPECT_EQ(display_cells("\u1112\u1161\u11AB"), 2u);  // a syllable in three parts
  EXPECT_EQ(display_cells("a\u200Bb"), 2u);            // a space of no width
  EXPECT_EQ(display_cells("\U0001F600"), 2u);          // a face
  EXPECT_EQ(display_cells("\u0627\u0644"), 2u);        // Arabic
  EXPECT_EQ(display_cells("\xFF\x80"), 2u);            // no character
}

TEST(DisplayCells, FitsWholeCharactersWithTheirMarks) {
  EXPECT_EQ(fit_cells("abc", 2), "ab");
  EXPECT_EQ(fit_cells("abc", 9), "abc");
  EXPECT_EQ(fit_cells("\u4E2D\u6587", 3), "\u4E2D");
  EXPECT_EQ(fit_cells("e\u0301x", 1), "e\u0301");
  EXPECT_EQ(fit_cells("\u4E2D", 1), "");
}

TEST(DisplayCells, CutsTheMiddleOutOfLongNames) {
  EXPECT_EQ(elide_middle("abcdefghij", 10), "abcdefghij");
  EXPECT_EQ(elide_middle("abcdefghijk", 10), "abcd...ijk");
  EXPECT_EQ(elide_middle("abcdefghijk", 5), "a...k");
  // Wide characters are not cut in half.
  EXPECT_EQ(elide_middle("\u4E2D\u6587\u4E2D\u6587\u4E2D", 8), "\u4E2D...\u4E2D");
  // A mark whose letter went goes too.
  EXPECT_EQ(elide_middle("abcdefe\u0301x", 5), "a...x");
  EXPECT_EQ(column_of("ab", 5), "ab   ");
  EXPECT_EQ(column_of("\u4E2D", 5), "\u4E2D   ");
  EXPECT_EQ(column_of("abcdefghijk", 7), "ab...jk");
}

}  // namespace
}  // namespace ballast
