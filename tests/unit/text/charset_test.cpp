#include "libcore/text/charset.h"

#include <gtest/gtest.h>

#include <string>

namespace ballast {
namespace {

TEST(Charset, HeaderIsObeyed) {
  DecodedText decoded = decode_text("caf\xE9", "ISO-8859-1", true);
  EXPECT_EQ(decoded.text, "caf\u00e9");
  EXPECT_EQ(decoded.from, "header");
  EXPECT_EQ(decoded.charset, "windows-1252");
  EXPECT_EQ(decoded.replaced, 0);
}

TEST(Charset, Latin1MeansWindows1252) {
  EXPECT_EQ(decode_text("\x93q\x94", "latin1", false).text, "\u201cq\u201d");
}

TEST(Charset, ByteOrderMarkBeatsTheHeader) {
  EXPECT_EQ(decode_text("\xEF\xBB\xBFx\xC3\xA9", "iso-8859-1", true).text, "x\u00e9");
  EXPECT_EQ(decode_text(std::string("\xFF\xFEh\0i\0", 6), "", true).text, "hi");
  EXPECT_EQ(decode_text(std::string("\xFE\xFF\0h\0i", 6), "utf-8", true).text, "hi");
}

TEST(Charset, MetaCountsWhenTheHeaderIsSilentOrUnknown) {
  std::string page = "<!-- <meta charset=utf-8> --><meta charset='shift_jis'>\x93\xFA\x96\x7B";
  EXPECT_EQ(meta_charset(page), "shift_jis");
  EXPECT_TRUE(decode_text(page, "", true).text.ends_with("\u65e5\u672c"));
  EXPECT_EQ(decode_text(page, "no-such-charset", true).from, "meta");
  EXPECT_EQ(decode_text(page, "", false).text.find("\u65e5"), std::string::npos);
}

TEST(Charset, MetaHttpEquivIsRead) {
  EXPECT_EQ(meta_charset("<META http-equiv=Content-Type content=\"text/html; charset=KOI8-R\">"),
            "koi8-r");
  EXPECT_EQ(meta_charset("<meta name=charset content=x>"), "");
  EXPECT_EQ(meta_charset(std::string(5000, ' ') + "<meta charset=koi8-r>"), "");
  EXPECT_EQ(meta_charset("<meta charset"), "");
}

TEST(Charset, MetaThatClaimsUtf16IsReadAsUtf8) {
  EXPECT_EQ(decode_text("<meta charset=utf-16>\xC3\xA9", "", true).text,
            "<meta charset=utf-16>\u00e9");
}

TEST(Charset, ValidUtf8NeedsNoLabel) {
  DecodedText decoded = decode_text("\xCE\xB1\xCE\xB2", "", false);
  EXPECT_EQ(decoded.text, "\u03b1\u03b2");
  EXPECT_EQ(decoded.from, "utf-8");
}

TEST(Charset, DetectsLegacyEncodings) {
  // "Привет, как дела? Это проверка кодировки текста." in KOI8-R.
  std::string koi =
      "\xF0\xD2\xC9\xD7\xC5\xD4, \xCB\xC1\xCB \xC4\xC5\xCC\xC1? \xFC\xD4\xCF "
      "\xD0\xD2\xCF\xD7\xC5\xD2\xCB\xC1 \xCB\xCF\xC4\xC9\xD2\xCF\xD7\xCB\xC9 "
      "\xD4\xC5\xCB\xD3\xD4\xC1.";
  DecodedText decoded = decode_text(koi, "", true);
  EXPECT_EQ(decoded.from, "detected");
  EXPECT_TRUE(decoded.text.starts_with("\u041f\u0440\u0438\u0432\u0435\u0442")) << decoded.charset;
}

TEST(Charset, BadBytesAreReplacedAndCounted) {
  DecodedText decoded = decode_text("a\xFF\xC3(b", "utf-8", false);
  EXPECT_EQ(decoded.text, "a\uFFFD\uFFFD(b");
  EXPECT_EQ(decoded.replaced, 2);
  DecodedText sjis = decode_text("a\x81\x20\x62", "shift_jis", false);
  EXPECT_EQ(sjis.replaced, 1);
  EXPECT_NE(sjis.text.find("\uFFFD"), std::string::npos);
}

TEST(Charset, LongTextCrossesConversionBlocks) {
  std::string gb, want;
  for (int i = 0; i < 20000; ++i) {  // U+1F600 in gb18030: four bytes, a surrogate pair in UTF-16
    gb += "\x94\x39\xFC\x36x";
    want += "\U0001F600x";
  }
  EXPECT_EQ(decode_text("x" + gb, "gb2312", false).text, "x" + want);
}

}  // namespace
}  // namespace ballast
