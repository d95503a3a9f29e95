#include <memory>

#include "libcore/io/stream.h"
#include "tools/gradstat/html_page.h"
#include "tools/gradstat/post_mortem.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

struct ReportOptions {
  TraceInput input;
  std::string post_mortem;
  std::string title;
  int64_t points = 2000;
};

std::string title_of(const ReportOptions& options, const RunHistory& history) {
  if (!options.title.empty()) return options.title;
  const bool named = !history.runs.empty() && !history.runs.back().run.empty();
  return named ? history.runs.back().run : history.path;
}

Result<int> report(const ReportOptions& options, const CommonOptions& common) {
  if (common.json)
    return usage_error("a report has no JSON form", "--json", "use summary or spikes");
  const std::vector<std::string> inputs = {trace_path_of(posix_file_system(), options.input.path)};
  BALLAST_TRY(refuse_output_over_input(posix_file_system(), options.post_mortem, inputs));
  const RunHistory history = BALLAST_TRY(load_trace(options.input));
  const std::vector<RunIncident> incidents = find_incidents(history);
  CurveOptions curve_options;
  curve_options.buckets = options.points;
  const std::string text = post_mortems(history, incidents);
  print_out(html_page(title_of(options, history), overview_of(history), incidents,
                      curves_of(history, incidents, curve_options), text));
  if (options.post_mortem.empty()) return static_cast<int>(kExitDone);
  const std::unique_ptr<ByteSink> sink =
      BALLAST_TRY(open_sink(posix_file_system(), options.post_mortem, common.force));
  BALLAST_TRY(sink->write(text));
  BALLAST_TRY(sink->finish());
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_report(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<ReportOptions>();
  add_trace_input(app, options->input);
  path_option(app.add_option("--post-mortem", options->post_mortem,
                             "also write the post-mortem of every incident, as Markdown"));
  app.add_option("--title", options->title, "heading; default: the name of the run");
  app.add_option("--points", options->points,
                 "buckets a curve is thinned to; each keeps its lowest and highest value")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{100}, int64_t{100000}));
  return [options, &common] { return report(*options, common); };
}

}  // namespace ballast
