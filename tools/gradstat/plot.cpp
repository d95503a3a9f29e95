#include <fmt/format.h>

#include <memory>

#include "libcore/cli/terminal.h"
#include "tools/gradstat/braille.h"
#include "tools/gradstat/gnuplot.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/terminal_charts.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct PlotOptions {
  TraceInput input;
  CurveOptions curves;
  std::string format = "auto";
  int width = 1200, height = 800;
};

Result<std::string> format_of(const PlotOptions& options, const std::string& output) {
  if (options.format != "auto") return options.format;
  if (output.ends_with(".svg")) return std::string("svg");
  if (output.ends_with(".png")) return std::string("png");
  if (output.empty() || output == "-" || output.ends_with(".txt")) return std::string("terminal");
  return usage_error("cannot tell the format from the name", output,
                     "end it with .svg or .png, or give --format");
}

Result<int> plot(const PlotOptions& options, const CommonOptions& common) {
  const std::string format = BALLAST_TRY(format_of(options, common.output));
  if (options.curves.from > options.curves.to)
    return usage_error("the range is empty", "--from", "at most --to");
  if (format == "png" && common.output.empty() && is_terminal(Stream::out))
    return usage_error("a picture does not go to a terminal", "--format", "name a file with -o");
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  const std::vector<RunIncident> incidents = find_incidents(history);
  const Curves curves = curves_of(history, incidents, options.curves);
  if (curves.steps.empty()) return insufficient_error("no step lies in the range", history.path);
  if (format == "terminal") {
    print_out(terminal_charts(curves, options.curves.smooth, terminal_columns(), terminal_rows()));
    return static_cast<int>(kExitDone);
  }
  PictureOptions picture;
  picture.format = format == "svg" ? PictureFormat::svg : PictureFormat::png;
  picture.width = options.width;
  picture.height = options.height;
  picture.smooth = options.curves.smooth;
  picture.title = history.runs.empty() || history.runs.back().run.empty() ? history.path
                                                                          : history.runs.back().run;
  print_out(BALLAST_TRY(run_gnuplot(gnuplot_script(curves, picture))));
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_plot(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<PlotOptions>();
  add_trace_input(app, options->input);
  choice_option(app.add_option("--format", options->format,
                               "auto goes by the name of -o, and is the terminal without one")
                    ->capture_default_str(),
                {"auto", "terminal", "svg", "png"});
  app.add_option("--smooth", options->curves.smooth,
                 "mean of so many steps for the norms (the loss is never smoothed)")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}));
  app.add_option("--from", options->curves.from, "first step")->check(CLI::NonNegativeNumber);
  app.add_option("--to", options->curves.to, "last step")->check(CLI::NonNegativeNumber);
  app.add_option("--width", options->width, "pixels")
      ->capture_default_str()
      ->check(CLI::Range(200, 10000));
  app.add_option("--height", options->height, "pixels")
      ->capture_default_str()
      ->check(CLI::Range(150, 10000));
  return [options, &common] { return plot(*options, common); };
}

}  // namespace ballast
