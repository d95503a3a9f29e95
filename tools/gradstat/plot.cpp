#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/gradstat/panels.h"
#include "tools/gradstat/picture.h"
#include "tools/gradstat/terminal_charts.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

constexpr size_t kMostRuns = 12;

// What a picture needs to be read where it goes. On paper 700 pixels become a column of 8.4 cm, so
// that 18 are 7 points; a phone shows 780 as 390 of its own, so that 24 are 12.
struct Size {
  const char* name;
  int width, height, height_per_panel, font;  // font in pixels
  double line;
};
constexpr Size kSizes[] = {
    {"screen", 1200, 80, 360, 14, 1},
    {"paper", 700, 60, 230, 18, 1.3},
    {"phone", 780, 100, 420, 24, 2},
};

struct PlotOptions {
  std::vector<std::string> runs;
  std::vector<std::string> names;
  TraceInput input;  // what is known of all of them; each is one operand
  CurveOptions curves;
  std::string x = "step", from, to;
  std::vector<std::string> panels = {"loss", "norms"};
  std::vector<std::string> log = {"auto"};
  std::string format = "auto", size = "screen", title;
  std::optional<int> width, height;
};

Result<std::string> format_of(const PlotOptions& options, const std::string& output) {
  if (options.format != "auto") return options.format;
  if (output.ends_with(".svg")) return std::string("svg");
  if (output.ends_with(".png")) return std::string("png");
  if (output.empty() || output == "-" || output.ends_with(".txt")) return std::string("terminal");
  return usage_error("cannot tell the format from the name", output,
                     "end it with .svg or .png, or give --format");
}

Result<void> read_range(PlotOptions& options) {
  if (!options.from.empty()) options.curves.from = BALLAST_TRY(parse_count(options.from));
  if (!options.to.empty()) options.curves.to = BALLAST_TRY(parse_count(options.to));
  if (options.curves.from > options.curves.to)
    return usage_error("the range is empty", "--from", "at most --to");
  options.curves.axis = options.x == "tokens" ? XAxis::tokens : XAxis::step;
  return {};
}

Result<std::vector<PlotRun>> load_runs(const PlotOptions& options) {
  std::vector<PlotRun> runs;
  std::set<std::string> taken;
  for (size_t i = 0; i < options.runs.size(); ++i) {
    TraceInput input = options.input;
    input.path = options.runs[i];
    const RunHistory history = BALLAST_TRY(load_trace(input));
    if (options.curves.axis == XAxis::tokens && !has_tokens(history))
      return insufficient_error("the trace does not count tokens", history.path, "--x step");
    PlotRun run;
    run.name = i < options.names.size() ? options.names[i] : run_name(history);
    if (!taken.insert(run.name).second) run.name = fmt::format("{} ({})", run.name, i + 1);
    run.curves = curves_of(history, find_incidents(history), options.curves);
    if (run.curves.empty())
      return insufficient_error(options.x == "tokens" ? "no step lies in the range of tokens"
                                                      : "no step lies in the range",
                                history.path);
    runs.push_back(std::move(run));
  }
  return runs;
}

// Says which panels stay empty; kind insufficient when all do.
Result<size_t> count_panels(const PanelView& view, const std::vector<PlotRun>& runs) {
  const std::vector<Panel> panels = drawable_panels(view, runs);
  for (const Panel panel : view.panels)
    if (std::find(panels.begin(), panels.end(), panel) == panels.end())
      print_note(fmt::format("nothing to draw for the panel {}: the {} was not logged",
                             panel_word(panel), panel_title(panel)));
  if (panels.empty())
    return insufficient_error("the trace has nothing for these panels", runs.front().name,
                              "--panels");
  return panels.size();
}

PictureOptions picture_of(const PlotOptions& options, const std::vector<PlotRun>& runs, bool svg,
                          size_t panels) {
  const Size* size = kSizes;
  for (const Size& known : kSizes)
    if (options.size == known.name) size = &known;
  PictureOptions picture;
  picture.format = svg ? PictureFormat::svg : PictureFormat::png;
  picture.width = options.width.value_or(size->width);
  picture.height = options.height.value_or(
      size->height + size->height_per_panel * static_cast<int>(std::max<size_t>(1, panels)));
  picture.font = svg ? size->font : size->font * 3 / 4;
  picture.line = size->line;
  picture.title = !options.title.empty() ? options.title : runs.size() == 1 ? runs[0].name : "";
  return picture;
}

Result<int> plot(PlotOptions& options, const CommonOptions& common) {
  if (common.json) return usage_error("a plot has no JSON form", "--json", "use summary or spikes");
  const std::string format = BALLAST_TRY(format_of(options, common.output));
  BALLAST_TRY(read_range(options));
  PanelView view;
  view.panels = BALLAST_TRY(parse_panels(options.panels));
  view.log = BALLAST_TRY(parse_log_scales(options.log));
  view.smooth = options.curves.smooth;
  if (options.runs.size() > kMostRuns)
    return usage_error(fmt::format("{} runs do not fit into one picture", options.runs.size()), "",
                       fmt::format("at most {}", kMostRuns));
  if (options.names.size() > options.runs.size())
    return usage_error("more names than runs", "--names");
  if (format == "png" && common.output.empty() && is_terminal(Stream::out))
    return usage_error("a picture does not go to a terminal", "--format", "name a file with -o");
  const std::vector<PlotRun> runs = BALLAST_TRY(load_runs(options));
  const size_t panels = BALLAST_TRY(count_panels(view, runs));
  if (format == "terminal") {
    print_out(terminal_charts(runs, view, terminal_columns(), terminal_rows()));
    return static_cast<int>(kExitDone);
  }
  const PictureOptions picture = picture_of(options, runs, format == "svg", panels);
  print_out(BALLAST_TRY(run_gnuplot(picture_script(runs, view, picture))));
  return static_cast<int>(kExitDone);
}

void add_picture_options(CLI::App& app, PlotOptions& options) {
  choice_option(app.add_option("--format", options.format,
                               "auto goes by the name of -o, and is the terminal without one")
                    ->capture_default_str(),
                {"auto", "terminal", "svg", "png"});
  choice_option(
      app.add_option("--size", options.size, "where a picture goes: sizes of it and of its letters")
          ->capture_default_str(),
      {"screen", "paper", "phone"});
  app.add_option("--width", options.width, "pixels")->check(CLI::Range(200, 10000));
  app.add_option("--height", options.height, "pixels")->check(CLI::Range(150, 10000));
  app.add_option("--title", options.title, "heading of a picture; default: the name of the run");
}

}  // namespace

VerbRun add_plot(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<PlotOptions>();
  path_option(app.add_option("runs", options->runs,
                             "traces, run directories, or - for stdin: a curve each"))
      ->required();
  add_log_options(app, options->input);
  app.add_option("--names", options->names, "what the runs are called in the legend")
      ->delimiter(',');
  app.add_option("--panels", options->panels,
                 "charts under each other: loss, norms, norm, clipped, lr, speed; zclip is loss, "
                 "norm, clipped")
      ->delimiter(',')
      ->capture_default_str();
  choice_option(app.add_option("--x", options->x, "what the x axis counts")->capture_default_str(),
                {"step", "tokens"});
  app.add_option("--log", options->log,
                 "logarithmic: panels by name, x; or auto (norms that span a decade), or none")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--smooth", options->curves.smooth,
                 "mean of so many steps for the norms (the loss is never smoothed)")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}));
  app.add_option("--from", options->from, "first step, or token with --x tokens");
  app.add_option("--to", options->to, "last step, or token with --x tokens");
  add_picture_options(app, *options);
  return [options, &common] { return plot(*options, common); };
}

}  // namespace ballast
