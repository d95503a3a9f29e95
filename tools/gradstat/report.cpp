#include <memory>

#include "libcore/io/stream.h"
#include "tools/gradstat/html_page.h"
#include "tools/gradstat/post_mortem.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

constexpr size_t kMostColumns = 300;  // of the maps of the layers
constexpr size_t kMostRuns = 12;

struct ReportOptions {
  TraceInput input;
  std::vector<std::string> compare;
  std::string post_mortem;
  std::vector<std::string> data;
  std::string title;
  std::string x = "step";
  int64_t points = 2000;
};

// Reads a run and adds it to the report; the first brings the layers and the post-mortem too.
Result<void> add_run(const TraceInput& input, const ReportOptions& options, Report& report) {
  const RunHistory history = BALLAST_TRY(load_trace(input));
  CurveOptions curve_options;
  curve_options.buckets = options.points;
  curve_options.axis = options.x == "tokens" ? XAxis::tokens : XAxis::step;
  if (curve_options.axis == XAxis::tokens && !has_tokens(history))
    return insufficient_error("the trace does not count tokens", history.path, "--x step");
  ReportRun run;
  run.incidents = find_incidents(history);
  run.overview = overview_of(history);
  PlotRun curves{run_name(history), curves_of(history, run.incidents, curve_options)};
  for (const PlotRun& other : report.curves)
    if (other.name == curves.name)
      curves.name += " (" + std::to_string(report.curves.size() + 1) + ")";
  if (report.runs.empty()) {
    report.title = options.title.empty() ? curves.name : options.title;
    report.heat = heat_maps(history, curve_options.axis, kMostColumns);
    for (const RunIncident& incident : run.incidents)
      report.layers.emplace_back(incident, layer_table(history, incident));
    const auto tokens = BALLAST_TRY(tokens_of_incidents(input, options.data, run.incidents));
    report.post_mortem = post_mortems(history, run.incidents, tokens);
  }
  report.curves.push_back(std::move(curves));
  report.runs.push_back(std::move(run));
  return {};
}

Result<int> report(const ReportOptions& options, const CommonOptions& common) {
  if (common.json)
    return usage_error("a report has no JSON form", "--json", "use summary or spikes");
  if (options.compare.size() + 1 > kMostRuns)
    return usage_error("that many runs do not fit into one picture", "--compare",
                       std::to_string(kMostRuns - 1) + " at most");
  std::vector<std::string> inputs = {trace_path_of(posix_file_system(), options.input.path)};
  for (const std::string& run : options.compare)
    inputs.push_back(trace_path_of(posix_file_system(), run));
  BALLAST_TRY(refuse_output_over_input(posix_file_system(), options.post_mortem, inputs));
  Report page;
  TraceInput input = options.input;
  input.layers = true;
  BALLAST_TRY(add_run(input, options, page));
  input.layers = false;
  for (const std::string& run : options.compare) {
    input.path = run;
    BALLAST_TRY(add_run(input, options, page));
  }
  print_out(html_page(page));
  if (options.post_mortem.empty()) return static_cast<int>(kExitDone);
  const std::unique_ptr<ByteSink> sink =
      BALLAST_TRY(open_sink(posix_file_system(), options.post_mortem, common.force));
  BALLAST_TRY(sink->write(page.post_mortem));
  BALLAST_TRY(sink->finish());
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_report(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<ReportOptions>();
  add_trace_input(app, options->input, Operands::one);
  path_option(app.add_option("--compare", options->compare,
                             "further runs for the curves and a table beside this one"));
  path_option(app.add_option("--post-mortem", options->post_mortem,
                             "also write the post-mortem of every incident, as Markdown"));
  add_shard_places(app, options->data);
  app.add_option("--title", options->title, "heading; default: the name of the run");
  choice_option(app.add_option("--x", options->x, "what the x axis counts")->capture_default_str(),
                {"step", "tokens"});
  app.add_option("--points", options->points,
                 "buckets a curve is thinned to; each keeps its lowest and highest value")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{100}, int64_t{100000}));
  return [options, &common] { return report(*options, common); };
}

}  // namespace ballast
