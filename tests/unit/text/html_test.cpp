#include "libcore/text/html.h"

#include <gtest/gtest.h>

#include <string>

namespace ballast {
namespace {

HtmlText extract(const std::string& html) {
  Result<HtmlText> result = extract_html(html, "page");
  EXPECT_TRUE(result.ok());
  return result.ok() ? *result : HtmlText{};
}
std::string text_of(const std::string& html) { return extract(html).text; }

TEST(Html, KeepsTitleLanguageAndParagraphs) {
  HtmlText page = extract(
      "<!DOCTYPE html><html lang=el><head><title> A \n title </title></head>"
      "<body><p>One</p>\n<p>Two <b>bold</b>.</p></body></html>");
  EXPECT_EQ(page.title, "A title");
  EXPECT_EQ(page.language, "el");
  EXPECT_EQ(page.text, "A title\n\nOne\n\nTwo bold.");
}

TEST(Html, MetaTagsAreListedWhereverTheyStand) {
  auto html = extract_html(
      "<head><meta charset=utf-8><meta NAME=Robots content='noai'><meta name=x></head>"
      "<body><div><meta name=tdm-reservation content=1>text</div>",
      "f");
  ASSERT_TRUE(html.ok());
  using Metas = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(html->metas, (Metas{{"robots", "noai"}, {"x", ""}, {"tdm-reservation", "1"}}));
  EXPECT_EQ(html->text, "text");
}

TEST(Html, TitleIsNotRepeatedByTheFirstHeading) {
  EXPECT_EQ(text_of("<title>T</title><h1><a href=x>T</a></h1><p>x"), "T\n\nx");
}

TEST(Html, DropsWhatIsNotContent) {
  EXPECT_EQ(text_of("<script>var a</script><style>b{}</style><nav>n</nav><header>h</header>"
                    "<aside>s</aside><noscript>j</noscript><p>text</p><footer>f</footer>"
                    "<form><button>ok</button><select><option>1</select></form>"),
            "text");
  EXPECT_EQ(text_of("<div class='a navheader'>x</div><ul class=docnav><li>y</ul>"
                    "<div role=navigation>z</div><div hidden>w</div><p>text"),
            "text");
}

TEST(Html, HeaderOfAnArticleStays) {
  EXPECT_EQ(text_of("<article><header><h1>H</h1></header><p>x</article>"), "H\n\nx");
}

TEST(Html, ClassWordsDoNotTouchBodyAndMain) {
  EXPECT_EQ(text_of("<body class=nav><main class=menu><p>x</main>"), "x");
}

TEST(Html, BoxedTextStaysAndBoxedLinksGo) {
  EXPECT_EQ(text_of("<div class=sidebar><p>A box of prose.</p></div>"
                    "<div class=sidebar><ul><li><a href=1>a</a><li><a href=2>b</a></ul></div>"),
            "A box of prose.");
}

TEST(Html, DropsBlocksThatAreMostlyLinks) {
  HtmlText page = extract(
      "<div><a href=1>Home</a> | <a href=2>About</a></div><p>See <a href=3>this</a> long text of "
      "prose.</p><ul><li><a href=4>One</a></li><li><a href=5>Two</a></li></ul>");
  EXPECT_EQ(page.text, "See this long text of prose.");
  EXPECT_EQ(page.blocks_dropped, 3);
  EXPECT_EQ(page.blocks_kept, 1);
}

TEST(Html, JudgesAListWhole) {
  EXPECT_EQ(text_of("<ul><li>Read all of this sentence first</li><li><a href=1>link</a></li></ul>"),
            "Read all of this sentence first\nlink");
}

TEST(Html, LinkedHeadingsStayAndAnchorsAreNoLinks) {
  EXPECT_EQ(text_of("<h2><a href='#x'>Head</a></h2><p><a name=y>Anchor text</a></p>"),
            "Head\n\nAnchor text");
}

TEST(Html, MarksThatLinkToTheirHeadingGo) {
  EXPECT_EQ(text_of("<h1>One<a class=headerlink href=#one>\u00B6</a></h1>"
                    "<p>A paragraph<a href=#x>#</a> with words, a note <a href=#n1>[1]</a> and the "
                    "sign of <a href=/law>\u00A7</a> a law.</p>"),
            "One\n\nA paragraph with words, a note [1] and the sign of \u00A7 a law.");
}

TEST(Html, DecodesEntitiesAndFoldsWhiteSpace) {
  EXPECT_EQ(text_of("<p>a&amp;b &eacute;&nbsp;&#x3b1;\n\n  c&lt;d&gt;</p>"),
            "a&b \u00e9 \u03b1 c<d>");
  EXPECT_EQ(text_of("<p>a<br>b<br/> c</p>"), "a\nb\nc");
}

TEST(Html, KeepsPreformattedText) {
  EXPECT_EQ(text_of("<p>x</p><pre>\n  if a:\n      b\n</pre><p>y"), "x\n\n  if a:\n      b\n\ny");
}

TEST(Html, RowsAndCells) {
  EXPECT_EQ(text_of("<table><tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td>2</td></tr></table>"),
            "a\tb\n1\t2");
}

TEST(Html, SurvivesBrokenMarkup) {
  EXPECT_EQ(text_of("<p>a<p>b</div><li>c<b>d"), "a\n\nb\n\ncd");
  EXPECT_EQ(text_of(""), "");
  EXPECT_EQ(text_of("plain"), "plain");
  EXPECT_EQ(text_of("<"), "<");
  EXPECT_EQ(text_of("<title></title>"), "");
}

std::string repeat(const std::string& unit, int n) {
  std::string all;
  for (int i = 0; i < n; ++i) all += unit;
  return all;
}

TEST(Html, RefusesHostileMarkup) {
  for (const std::string& page :
       {repeat("<div>", 100000), repeat("<table><tr><td>", 100000), "<svg>" + repeat("<wbr>", 9000),
        "<p" + repeat(" a=1", 9000) + ">", repeat("<b>", 1500) + repeat("<p>", 9000)}) {
    Result<HtmlText> result = extract_html(page, "page");
    ASSERT_FALSE(result.ok()) << page.substr(0, 30);
    EXPECT_EQ(result.error().kind, ErrorKind::corrupt);
  }
}

TEST(Html, MeasuresShapeWithoutATree) {
  EXPECT_EQ(measure_html("<div><div></div></div><p><p><p><br><!-- <div><div><div> -->").depth, 2);
  EXPECT_EQ(measure_html("<script>'<div><div><div>'</script>").depth, 0);
  EXPECT_EQ(measure_html("<div></p></p><div></foo><div>").depth, 3);
  EXPECT_EQ(measure_html("<a b=\"x y z\" c d='>' e>").attributes, 4);
}

}  // namespace
}  // namespace ballast
