#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/json.h"
#include "libcore/trace/step_intervals.h"
#include "tools/gradstat/live_records.h"
#include "tools/gradstat/live_view.h"
#include "tools/gradstat/tail.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"
#include "tools/gradstat/watch.h"

namespace ballast {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWaitMs = 200;

struct FollowOptions {
  TraceInput input;
  std::vector<std::string> fail_on;
  std::string stop;  // run directory to stop; empty: none
  std::string wait;  // how long a trace may be missing; empty: for ever
  double stall_after = 600;
  int64_t stall_restarts = 3;
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
  Follower(const FollowOptions& options, const CommonOptions& common, FailOn fail_on,
           std::optional<double> patience)
      : options_(options),
        common_(common),
        fail_on_(fail_on),
        patience_(patience),
        live_view_(!common.json && common.output.empty() && is_terminal(Stream::out)),
        watch_(options.stall_restarts) {}

  Result<int> run();

 private:
  Result<void> take(const TraceRecord& record);
  Result<void> check_interval(const StepRecord& step);
  Result<void> notice(const Alarm& alarm);
  bool asked(const Alarm& alarm) const;
  bool idle(const Tail& tail);
  Result<void> say(const std::string& text) const;
  Result<int> finish(Tail& tail, const LiveRecords& records);
  void redraw(bool force);

  const FollowOptions& options_;
  const CommonOptions& common_;
  FailOn fail_on_;
  std::optional<double> patience_;  // with a trace that is not there
  bool live_view_;
  Watch watch_;
  LiveView view_;
  bool counts_ = true;  // false while --new passes over what is old
  bool missing_ = false;
  StepIntervals intervals_;
  int64_t records_ = 0, last_step_ = -1;
  std::string matched_;
  Clock::time_point last_record_ = Clock::now();
  Clock::time_point last_drawn_{};
  int drawn_columns_ = 0, drawn_rows_ = 0;
};

Result<void> Follower::say(const std::string& text) const {
  print_out(text);
  return common_.output.empty() ? finish_stdout() : Result<void>();
}

bool Follower::asked(const Alarm& alarm) const {
  return (alarm.kind == "nonfinite" && fail_on_.nonfinite) ||
         (alarm.kind == "onset" && fail_on_.onset) ||
         (alarm.kind == "persistent" && fail_on_.persistent) ||
         (alarm.kind == "drift" && fail_on_.drift) || (alarm.kind == "stall" && fail_on_.stall);
}

// Windows count steps. Of a log that has one record in so many, said once, or the end where
// --fail-on asks for what windows tell; the first records tell which log it is.
Result<void> Follower::check_interval(const StepRecord& step) {
  constexpr int64_t kEnough = 8;
  if (records_ > kEnough) return {};
  if (last_step_ >= 0 && step.step > last_step_) intervals_.add(step.step - last_step_);
  last_step_ = step.step;
  if (++records_ != kEnough) return {};
  TraceHealth health;
  health.interval = intervals_.usual();
  Result<void> per_step = require_per_step(options_.input, health);
  const bool needed = fail_on_.onset || fail_on_.persistent || fail_on_.drift;
  if (per_step.ok() || needed) return per_step;
  print_warning(per_step.error().message());
  return {};
}

Result<void> Follower::take(const TraceRecord& record) {
  std::vector<Alarm> alarms;
  if (record.type == RecordType::step) BALLAST_TRY(check_interval(record.step));
  BALLAST_TRY(watch_.take(record, alarms));
  if (live_view_) view_.take(record);
  for (const Alarm& alarm : alarms) BALLAST_TRY(notice(alarm));
  return {};
}

Result<void> Follower::notice(const Alarm& alarm) {
  if (!counts_) return {};
  if (matched_.empty() && asked(alarm)) matched_ = alarm.text;
  if (live_view_) {
    view_.add_alarm(alarm);
    return {};
  }
  return say(common_.json ? to_json_line(to_json(alarm)) + "\n" : alarm.text + "\n");
}

void Follower::redraw(bool force) {
  if (!live_view_ || (!force && seconds_since(last_drawn_) < 0.25)) return;
  last_drawn_ = Clock::now();
  const int columns = terminal_columns(), rows = terminal_rows();
  // Home, and each line clears its own rest; all is cleared only when the window changed.
  std::string text = columns != drawn_columns_ || rows != drawn_rows_ ? "\x1b[2J\x1b[H" : "\x1b[H";
  drawn_columns_ = columns;
  drawn_rows_ = rows;
  for (const char c : view_.draw(columns, rows - 1, seconds_since(last_record_)))
    text += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
  print_out(text + "\x1b[J");
  std::fflush(stdout);
}

// Nothing came for a while: false when that is a reason to leave.
bool Follower::idle(const Tail& tail) {
  counts_ = true;
  redraw(false);
  const double silent = seconds_since(last_record_);
  if (!tail.is_open() && patience_ && silent > *patience_) {
    missing_ = true;
    return false;
  }
  if (fail_on_.stall && silent > options_.stall_after) {
    matched_ = fmt::format("stall: no record for {}", format_seconds(options_.stall_after));
    return false;
  }
  return options_.idle <= 0 || silent <= options_.idle;
}

Result<int> Follower::finish(Tail& tail, const LiveRecords& records) {
  tail.close();
  redraw(true);
  if (records.damaged() > 0)
    print_warning(
        fmt::format("{} damaged lines were skipped{}{}", records.damaged(),
                    records.first_damage().empty() ? "" : ", the first: ", records.first_damage()));
  if (missing_)
    return io_error("the trace did not appear", tail.path(),
                    "within " + format_seconds(*patience_));
  if (!matched_.empty()) {
    print_note("stopped watching: " + matched_);
    if (!options_.stop.empty()) BALLAST_TRY(request_stop(options_.stop, matched_));
    return static_cast<int>(kExitNo);
  }
  if ((fail_on_.onset || fail_on_.persistent) && watch_.judged() <= DetectorSettings().minimum) {
    print_warning(fmt::format("{} steps with a loss are too few for a verdict (more than {})",
                              watch_.judged(), DetectorSettings().minimum));
    return static_cast<int>(kExitInsufficient);
  }
  if (fail_on_.drift && !watch_.drift_tested()) {
    print_warning(fmt::format("{} steps with a loss are too few to tell a drift ({})",
                              watch_.judged(), DriftMonitor::kBlockValues * DriftMonitor::kBlocks));
    return static_cast<int>(kExitInsufficient);
  }
  if (watch_.steps() == 0) return insufficient_error("the trace has no steps", tail.path());
  return static_cast<int>(kExitDone);
}

Result<int> Follower::run() {
  FileSystem& fs = posix_file_system();
  Tail tail = BALLAST_TRY(Tail::open(fs, trace_path_of(fs, options_.input.path)));
  if (!tail.is_open()) print_note("waiting for " + tail.path());
  counts_ = !options_.only_new;
  LiveRecords::Hooks hooks;
  hooks.idle = [&] { return idle(tail); };
  hooks.wait_ms = [&] { return counts_ ? kWaitMs : 0; };
  hooks.line = [&] { last_record_ = Clock::now(); };
  LiveRecords records(tail, std::move(hooks), options_.input.on_error == "skip",
                      BALLAST_TRY(log_options(options_.input)));
  TraceRecord record;
  while (matched_.empty() && BALLAST_TRY(records.next(record))) {
    BALLAST_TRY(take(record));
    redraw(false);
  }
  return finish(tail, records);
}

Result<int> follow(const FollowOptions& options, const CommonOptions& common) {
  const FailOn fail_on = BALLAST_TRY(parse_fail_on(options.fail_on, true));
  if (!options.stop.empty() && !fail_on.any())
    return usage_error("--stop needs something to stop for", "--stop", "give --fail-on");
  std::optional<double> patience;
  if (!options.wait.empty()) patience = BALLAST_TRY(parse_seconds(options.wait));
  return Follower(options, common, fail_on, patience).run();
}

}  // namespace

VerbRun add_follow(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<FollowOptions>();
  add_trace_input(app, options->input, Operands::growing);
  add_fail_on(app, options->fail_on)
      ->description(
          "stop watching and exit 1 at the first of these: onset, persistent, nonfinite, drift, "
          "stall");
  path_option(app.add_option("--stop", options->stop,
                             "when --fail-on matched, ask the run in this directory to stop"));
  seconds_option(app, "--stall-after", options->stall_after, "stall: no record for so long");
  app.add_option("--stall-restarts", options->stall_restarts,
                 "stall: so many restarts without a new step")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}));
  seconds_option(app, "--idle", options->idle, "leave when nothing came for so long");
  app.add_option("--wait", options->wait,
                 "how long a trace that is not there is waited for; default: for ever");
  app.add_flag("--new", options->only_new, "only what is added from now on counts");
  return [options, &common] { return follow(*options, common); };
}

}  // namespace ballast
