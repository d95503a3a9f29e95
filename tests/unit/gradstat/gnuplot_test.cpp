#include "tools/gradstat/gnuplot.h"

#include <gtest/gtest.h>

namespace ballast {
namespace {

TEST(DrawableText, SpellsCharactersThatDejaVuLacks) {
  EXPECT_EQ(with_drawable_text("Gewürz, Ελλάδα, Київ, עברית – 5 €"),
            "Gewürz, Ελλάδα, Київ, עברית – 5 €");
  EXPECT_EQ(with_drawable_text("日本.example"), "\\u{65E5}\\u{672C}.example");
  EXPECT_EQ(with_drawable_text("a\xF0\x9F\x98\x80z"), "a\\u{1F600}z");
}

// printable() has replaced them before; here they must only not run over the end.
TEST(DrawableText, ReadsNoByteBehindTheText) {
  for (const char* cut : {"\xF0", "\xF0\x9F", "\xE6\x97", "a\xC3", "\x80"})
    EXPECT_FALSE(with_drawable_text(cut).empty());
}

}  // namespace
}  // namespace ballast
