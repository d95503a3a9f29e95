#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/guard/detector.h"
#include "libcore/io/utf8.h"
#include "libcore/trace/parser.h"
#include "tools/gradstat/incident_table.h"
#include "tools/gradstat/tail.h"
#include "tools/gradstat/terminal_charts.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWaitMs = 200;
constexpr size_t kShownSteps = 20000;  // what the terminal view keeps

struct FollowOptions {
  TraceInput input;
  std::vector<std::string> fail_on;
  std::string stop;  // run directory to stop; empty: none
  double stall_after = 600;
  double idle = 0;  // 0: never
  bool only_new = false;
};

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

// Leaves RUN/control/stop, which the trainer polls every step.
Result<void> request_stop(const std::string& run, const std::string& reason) {
  FileSystem& fs = posix_file_system();
  if (!fs.exists(run)) return io_error("no such run", run);
  const std::string control = join_path(run, "control");
  BALLAST_TRY(fs.make_directories(control));
  const std::string path = join_path(control, "stop");
  if (fs.exists(path)) return {};
  AtomicFile file(fs, path, true);
  BALLAST_TRY(file.write("gradstat follow: " + reason + "\n"));
  return file.commit();
}

class Follower {
 public:
  Follower(const FollowOptions& options, const CommonOptions& common, FailOn fail_on)
      : options_(options),
        common_(common),
        fail_on_(fail_on),
        live_view_(!common.json && common.output.empty() && is_terminal(Stream::out)) {}

  Result<int> run();

 private:
  Result<void> take_line(std::string_view line, int64_t number);
  Result<void> take_run(const RunRecord& run);
  Result<void> take_step(const StepRecord& step);
  Result<void> notice(const char* kind, const StepRecord& step, const char* metric, double value,
                      const ChannelVerdict& verdict, bool asked);
  Result<void> say(const std::string& text) const;
  Result<int> finish(Tail& tail);
  bool stalled() const {
    return fail_on_.stall && seconds_since(last_record_) > options_.stall_after;
  }
  void redraw(bool force);
  std::string status() const;

  const FollowOptions& options_;
  const CommonOptions& common_;
  FailOn fail_on_;
  bool live_view_;
  Detector detector_;
  TraceParser parser_{kAllFields & ~uint64_t{kFieldRest}};
  TraceRecord record_;
  int64_t steps_ = 0, judged_ = 0, damaged_ = 0, incidents_ = 0;
  bool counts_ = true;  // false while --new passes over what is old
  std::string matched_;
  Clock::time_point last_record_ = Clock::now();
  Clock::time_point last_drawn_{};
  RunHistory shown_;
};

Result<void> Follower::say(const std::string& text) const {
  print_out(text);
  return common_.output.empty() ? finish_stdout() : Result<void>();
}

Result<void> Follower::take_line(std::string_view line, int64_t number) {
  if (line.empty()) return {};
  last_record_ = Clock::now();
  if (Result<void> parsed = parser_.parse(line, record_); !parsed.ok()) {
    Error error = parsed.take_error();
    error.where = fmt::format("{}:{}", options_.input.path, number);
    if (options_.input.on_error == "fail") return error;
    if (damaged_++ == 0) print_warning("damaged lines are skipped: " + error.message());
    return {};
  }
  if (record_.type == RecordType::run) return take_run(record_.run);
  if (record_.type == RecordType::step) return take_step(record_.step);
  if (record_.type != RecordType::event) return {};
  if (live_view_) shown_.events.push_back(record_.event);
  if (restarts_statistics(record_.event.event)) detector_.on_event();
  return {};
}

Result<void> Follower::take_run(const RunRecord& run) {
  if (live_view_) shown_.runs = {run};
  if (!run.detector_state.is_null()) BALLAST_TRY(detector_.load(run.detector_state));
  return {};
}

// The same calls as in training and in `spikes`.
Result<void> Follower::take_step(const StepRecord& step) {
  ++steps_;
  if (step.loss) {
    const double norm = step.grad_norm.value_or(1.0);
    const Verdict verdict = detector_.observe(*step.loss, norm);
    if (!step.skipped) {
      detector_.accept(*step.loss, step.grad_norm.value_or(0.0));
      ++judged_;
    }
    const auto look = [&](const char* metric, double value, const ChannelVerdict& v) {
      Result<void> done;
      if (v.nonfinite) done = notice("nonfinite", step, metric, value, v, fail_on_.nonfinite);
      if (done.ok() && v.onset) done = notice("onset", step, metric, value, v, fail_on_.onset);
      if (done.ok() && v.persistent)
        done = notice("persistent", step, metric, value, v, fail_on_.persistent);
      return done;
    };
    BALLAST_TRY(look("loss", *step.loss, verdict.loss));
    if (step.grad_norm) BALLAST_TRY(look("grad_norm", norm, verdict.norm));
  }
  if (!live_view_) return {};
  StepRow row;
  row.segment = step.segment;
  row.step = step.step;
  row.tokens = step.tokens;
  row.loss = step.loss.value_or(NAN);
  row.norm = step.grad_norm.value_or(NAN);
  row.norm_clipped = step.grad_norm_clipped.value_or(NAN);
  row.threshold = row.lr = NAN;
  row.tokens_per_s = step.tokens_per_s.value_or(NAN);
  row.has_loss = step.loss.has_value();
  row.has_norm = step.grad_norm.has_value();
  row.surviving = true;
  // A rollback takes the drawing back too.
  while (!shown_.rows.empty() && shown_.rows.back().step >= row.step) shown_.rows.pop_back();
  shown_.rows.push_back(row);
  if (shown_.rows.size() > 2 * kShownSteps)
    shown_.rows.erase(shown_.rows.begin(),
                      shown_.rows.begin() + static_cast<std::ptrdiff_t>(kShownSteps));
  return {};
}

Result<void> Follower::notice(const char* kind, const StepRecord& step, const char* metric,
                              double value, const ChannelVerdict& verdict, bool asked) {
  if (!counts_) return {};
  ++incidents_;
  std::string text = fmt::format("step {}: {} of the {}: {}", step.step, kind,
                                 metric[0] == 'l' ? "loss" : "gradient norm",
                                 std::isfinite(value) ? short_number(value) : format_double(value));
  if (verdict.tested)
    text += fmt::format(" (z {:.1f}, threshold {})", verdict.z, short_number(verdict.threshold));
  if (asked && matched_.empty()) matched_ = text;
  if (live_view_) {
    shown_.events.push_back({step.segment, 0, step.step, kind, metric, Json()});
    return {};
  }
  if (!common_.json) return say(text + "\n");
  const Json json{{"v", 1},
                  {"type", "alarm"},
                  {"kind", kind},
                  {"metric", metric},
                  {"segment", step.segment},
                  {"step", step.step},
                  {"value", json_number(value)},
                  {"z", verdict.tested ? json_number(verdict.z) : Json(nullptr)},
                  {"threshold", verdict.tested ? json_number(verdict.threshold) : Json(nullptr)}};
  return say(to_json_line(json) + "\n");
}

std::string Follower::status() const {
  if (shown_.rows.empty()) return "waiting for steps\n";
  const StepRow& row = shown_.rows.back();
  std::string text = fmt::format("step {}  loss {}  norm {}", row.step, short_number(row.loss),
                                 short_number(row.norm));
  if (std::isfinite(row.tokens_per_s))
    text += fmt::format("  {} tokens/s", format_count(std::llround(row.tokens_per_s)));
  return text + fmt::format("  {} alarm{}\n", incidents_, incidents_ == 1 ? "" : "s");
}

void Follower::redraw(bool force) {
  if (!live_view_ || (!force && seconds_since(last_drawn_) < 0.25)) return;
  last_drawn_ = Clock::now();
  std::string text = "\x1b[H";  // home; each line clears its own rest, then what is below
  std::string body = status();
  if (!shown_.rows.empty())
    body += terminal_charts({{"", curves_of(shown_, {}, {})}}, PanelView(), terminal_columns(),
                            terminal_rows() - 2);
  for (const char c : body) text += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
  print_out(text + "\x1b[J");
  std::fflush(stdout);
}

Result<int> Follower::finish(Tail& tail) {
  tail.close();
  redraw(true);
  if (!matched_.empty()) {
    print_note("stopped watching: " + matched_);
    if (!options_.stop.empty()) BALLAST_TRY(request_stop(options_.stop, matched_));
    return static_cast<int>(kExitNo);
  }
  if ((fail_on_.onset || fail_on_.persistent) && judged_ <= DetectorSettings().minimum) {
    print_warning(fmt::format("{} steps with a loss are too few for a verdict (more than {})",
                              judged_, DetectorSettings().minimum));
    return static_cast<int>(kExitInsufficient);
  }
  if (steps_ == 0) return insufficient_error("the trace has no steps", options_.input.path);
  return static_cast<int>(kExitDone);
}

Result<int> Follower::run() {
  FileSystem& fs = posix_file_system();
  Tail tail = BALLAST_TRY(Tail::open(trace_path_of(fs, options_.input.path)));
  if (!tail.is_open()) print_note("waiting for " + trace_path_of(fs, options_.input.path));
  counts_ = !options_.only_new;
  if (live_view_) print_out("\x1b[2J");
  while (matched_.empty()) {
    const Tail::Next next = BALLAST_TRY(tail.next(counts_ ? kWaitMs : 0));
    if (next.state == Tail::State::ended) break;
    if (next.state == Tail::State::line) {
      BALLAST_TRY(take_line(next.line, tail.line_number()));
      redraw(false);
      continue;
    }
    counts_ = true;
    redraw(false);
    if (stalled())
      matched_ = fmt::format("stall: no record for {}", format_seconds(options_.stall_after));
    if (options_.idle > 0 && seconds_since(last_record_) > options_.idle) break;
  }
  return finish(tail);
}

Result<int> follow(const FollowOptions& options, const CommonOptions& common) {
  const FailOn fail_on = BALLAST_TRY(parse_fail_on(options.fail_on, true));
  if (!options.stop.empty() && !fail_on.any())
    return usage_error("--stop needs something to stop for", "--stop", "give --fail-on");
  return Follower(options, common, fail_on).run();
}

}  // namespace

VerbRun add_follow(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<FollowOptions>();
  add_trace_input(app, options->input);
  add_fail_on(app, options->fail_on)
      ->description(
          "stop watching and exit 1 at the first of these: onset, persistent, nonfinite, "
          "stall");
  path_option(app.add_option("--stop", options->stop,
                             "when --fail-on matched, ask the run in this directory to stop"));
  seconds_option(app, "--stall-after", options->stall_after, "stall: no record for so long");
  seconds_option(app, "--idle", options->idle, "leave when nothing came for so long");
  app.add_flag("--new", options->only_new, "only what is added from now on counts");
  return [options, &common] { return follow(*options, common); };
}

}  // namespace ballast
