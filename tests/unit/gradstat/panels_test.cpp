#include "tools/gradstat/panels.h"

#include <gtest/gtest.h>

#include <limits>

#include "tools/gradstat/html_page.h"
#include "tools/gradstat/page_data.h"
#include "tools/gradstat/picture.h"

namespace ballast {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

PlotRun plain_run(const std::string& name, std::vector<double> norm) {
  PlotRun run;
  run.name = name;
  Curves& c = run.curves;
  for (size_t i = 0; i < norm.size(); ++i) {
    c.x.push_back(static_cast<int64_t>(i) + 1);
    c.loss.push_back(3);
  }
  c.norm = std::move(norm);
  c.steps = c.x;
  c.norm_clipped = c.threshold = c.lr = c.speed = std::vector<double>(c.x.size(), kNan);
  return run;
}

TEST(Panels, ZclipIsLossAndTheTwoNorms) {
  const auto panels = parse_panels({"zclip", "lr"});
  ASSERT_TRUE(panels.ok());
  EXPECT_EQ(*panels, (std::vector<Panel>{Panel::loss, Panel::norm, Panel::clipped, Panel::lr}));
  EXPECT_FALSE(parse_panels({"los"}).ok());
}

TEST(Panels, LogScalesAreNamedOrFound) {
  EXPECT_TRUE(parse_log_scales({"auto"})->automatic);
  EXPECT_FALSE(parse_log_scales({"none"})->automatic);
  const LogScales log = *parse_log_scales({"x", "loss"});
  EXPECT_TRUE(log.x);
  EXPECT_FALSE(parse_log_scales({"none", "x"}).ok());
  const std::vector<PlotRun> wide = {plain_run("a", {1, 20})}, narrow = {plain_run("a", {1, 2})};
  EXPECT_TRUE(is_logarithmic(Panel::norms, LogScales(), panel_curves(Panel::norms, wide)));
  EXPECT_FALSE(is_logarithmic(Panel::norms, LogScales(), panel_curves(Panel::norms, narrow)));
  EXPECT_TRUE(is_logarithmic(Panel::loss, log, panel_curves(Panel::loss, narrow)));
  EXPECT_FALSE(is_logarithmic(Panel::norms, log, panel_curves(Panel::norms, wide)));
}

TEST(Panels, WhatWasNotLoggedHasNone) {
  const std::vector<PlotRun> runs = {plain_run("a", {1, 2})};
  PanelView view;
  view.panels = {Panel::loss, Panel::clipped, Panel::lr};
  EXPECT_EQ(drawable_panels(view, runs), (std::vector<Panel>{Panel::loss}));
}

TEST(Pictures, TicsAreRoundAndFew) {
  EXPECT_EQ(round_tics(0, 100, 6), (std::vector<int64_t>{0, 20, 40, 60, 80, 100}));
  EXPECT_EQ(round_tics(3, 19552, 5), (std::vector<int64_t>{5000, 10000, 15000}));
  EXPECT_LE(round_tics(1, INT64_MAX / 2, 5).size(), 6u);
  EXPECT_EQ(decade_tics(5, 20000, 9), (std::vector<int64_t>{10, 100, 1000, 10000}));
  EXPECT_EQ(decade_tics(500, 5000, 9).size(), round_tics(500, 5000, 9).size());
}

TEST(Pictures, NamesCannotLeaveTheirQuotes) {
  std::vector<PlotRun> runs = {plain_run("it's\n`ls`", {1, 2}), plain_run("b", {1, 2})};
  const std::string script = picture_script(runs, PanelView(), PictureOptions());
  EXPECT_NE(script.find("title 'it''s\\x0A`ls`'"), std::string::npos) << script;
}

TEST(PageData, RowsMergeCurvesOverTheirOwnSteps) {
  const std::vector<double> a = {1, 2, 3}, b = {5, kNan, 6, 7};
  const std::vector<int64_t> xa = {1, 3, 4}, xb = {2, 3, 4, 4};
  EXPECT_EQ(merged_rows({{0, &a, &xa}, {1, &b, &xb}}),
            "[[1,1,null],[2,null,5],[3,2,null],[4,3,6],[4,null,7],]");
}

TEST(PageData, TextOfTheTraceCannotEndTheScript) {
  const std::string text = page_data({plain_run("</script><b>", {1, 2})}, HeatMaps());
  EXPECT_EQ(text.find("</script>"), std::string::npos);
}

TEST(Markdown, IsEscapedAndKnowsHeadingsListsAndTables) {
  EXPECT_EQ(markdown_html("# A <b>\n\n## C\n\n- x: 1\n- y\n\n| a | b |\n|--|--|\n| 1 | 2 |\nend\n"),
            "<h3>A &lt;b&gt;</h3>\n<h4>C</h4>\n<ul>\n<li>x: 1</li>\n<li>y</li>\n</ul>\n"
            "<div class=\"scroll\"><table>\n<tr><th> a </th><th> b </th></tr>\n"
            "<tr><td> 1 </td><td> 2 </td></tr>\n</table></div>\n<p>end</p>\n");
}

}  // namespace
}  // namespace ballast
