#include "tools/gradstat/trace_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "libcore/base/thread_pool.h"
#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "tools/gradstat/log_options.h"

namespace ballast {

namespace {

Result<std::pair<std::string, std::string>> split_pair(const std::string& text, char separator,
                                                       const char* flag, const char* form) {
  const size_t at = text.find(separator);
  if (at == 0 || at == std::string::npos || at + 1 == text.size())
    return usage_error(fmt::format("'{}' is not understood", text), flag, form);
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

Result<TraceReadOptions> read_options(const TraceInput& input, TraceReadOptions options) {
  options.skip_bad_lines = input.on_error == "skip";
  options.import = BALLAST_TRY(log_options(input));
  return options;
}

std::vector<std::string> operands_of(const TraceInput& input) {
  const bool several = !input.paths.empty() && input.paths.front() == input.path;
  return several ? input.paths : std::vector<std::string>{input.path};
}

// Its steps would be a run that was abandoned for itself.
Result<void> refuse_repeated_operands(const TraceInput& input) {
  std::map<std::pair<uint64_t, uint64_t>, std::string> seen;
  for (const std::string& path : operands_of(input)) {
    const auto info = posix_file_system().info(path == "-" ? "/dev/stdin" : path);
    if (!info.ok()) continue;  // told by who opens it
    const auto [first, fresh] = seen.try_emplace({info->device, info->inode}, path);
    if (!fresh)
      return usage_error("input is named twice", path,
                         first->second == path ? "" : "as " + first->second);
  }
  return {};
}

void add_on_error(CLI::App& app, TraceInput& input) {
  choice_option(app.add_option("--on-error", input.on_error,
                               "what a damaged line does: fail, or skip it and count it")
                    ->capture_default_str(),
                {"fail", "skip"});
}

const std::vector<std::string> kAllFormats = {
    "auto",      "ballast",       "llmc",      "megatron",      "torchtitan",
    "olmo-core", "trainer-state", "wandb-csv", "wandb-history", "wandb-run",
    "tfevents",  "mlflow",        "table",     "json-lines"};
const std::vector<std::string> kGrowingFormats = {"auto",       "ballast",   "llmc",  "megatron",
                                                  "torchtitan", "olmo-core", "table", "json-lines"};

// What the log is and where in it things stand.
void add_content(CLI::App& app, TraceInput& input, const std::vector<std::string>& formats) {
  choice_option(
      app.add_option("--log-format", input.format, "what the log is; auto looks at its content")
          ->capture_default_str(),
      formats);
  app.add_option("--map", input.map,
                 "KEY=COLUMN: the column of a log that is KEY (loss, grad_norm, lr, step, ...)");
  app.add_option("--run-name", input.run_name, "which run of a log that has several");
  count_option(app, "--tokens-per-step", input.tokens_per_step,
               "tokens of a step, for logs that do not say")
      ->check([](const std::string& text) {
        const Result<int64_t> count = parse_count(text);
        return count.ok() && *count < 1 ? std::string("a step has at least 1 token")
                                        : std::string();
      });
}

void add_norm_and_steps(CLI::App& app, TraceInput& input) {
  choice_option(app.add_option("--norm", input.norm,
                               "the norm of a log was taken before (pre) or after clipping (post)")
                    ->capture_default_str(),
                {"pre", "post"});
  app.add_flag("--assume-per-step", input.assume_per_step,
               "take the records of a log that has not every step for consecutive steps");
}

// Nothing acts on a mark while a log grows.
void add_growing_log_options(CLI::App& app, TraceInput& input) {
  add_on_error(app, input);
  add_content(app, input, kGrowingFormats);
  add_norm_and_steps(app, input);
}

}  // namespace

void add_trace_input(CLI::App& app, TraceInput& input, Operands operands) {
  CLI::Option* trace =
      operands != Operands::several
          ? app.add_option("trace", input.path, "a trace, a run directory, a log, or - for stdin")
          : app.add_option_function<std::vector<std::string>>(
                "trace",
                [&input](const std::vector<std::string>& paths) {
                  input.paths = paths;
                  input.path = paths.front();
                },
                "traces, run directories, logs of other trainers, or -; several are one run");
  path_option(trace)->required();
  if (operands == Operands::growing) return add_growing_log_options(app, input);
  add_log_options(app, input);
}

void add_log_content_options(CLI::App& app, TraceInput& input) {
  add_on_error(app, input);
  add_content(app, input, kAllFormats);
}

void add_log_options(CLI::App& app, TraceInput& input) {
  add_log_content_options(app, input);
  app.add_option("--mark", input.marks,
                 "TOKENS:LABEL: something happened to the run of a log that far in");
  add_norm_and_steps(app, input);
}

Result<ImportOptions> log_options(const TraceInput& input) {
  BALLAST_TRY(refuse_repeated_operands(input));
  ImportOptions options;
  if (input.format != "auto") options.format = BALLAST_TRY(parse_log_format(input.format));
  for (const std::string& text : input.map)
    options.map.push_back(BALLAST_TRY(split_pair(text, '=', "--map", "KEY=COLUMN")));
  options.run_name = input.run_name;
  if (input.tokens_per_step > 0) options.tokens_per_step = input.tokens_per_step;
  for (const std::string& text : input.marks) {
    const auto [tokens, label] =
        BALLAST_TRY(split_pair(text, ':', "--mark", "TOKENS:LABEL, as 2B:batch doubled"));
    const Result<int64_t> count = parse_count(tokens);
    if (!count.ok())
      return usage_error(fmt::format("'{}' is no number of tokens", tokens), "--mark");
    options.marks.emplace_back(*count, label);
  }
  options.norm_is_clipped = input.norm == "post";
  return options;
}

void say_what_was_passed_over(const TraceHealth& health, const std::vector<LogPart>& parts) {
  if (health.bad_lines > 0)
    print_warning(fmt::format("{} damaged lines were skipped, the first is {}:{}: {}",
                              health.bad_lines, parts.front().path, health.first_bad_line,
                              health.first_bad_reason));
  for (const LogPart& part : parts) {
    const ForeignNotes& notes = part.notes;
    if (notes.damaged > 0)
      print_warning(fmt::format("{} damaged records were passed over, the first is {}:{}: {}",
                                notes.damaged, part.path, notes.first_damaged, notes.first_damage));
  }
  if (const int64_t left = parts.back().notes.marks_left; left > 0)
    print_warning(
        fmt::format("{} marks could not be placed: the log does not come to their tokens", left));
}

Result<RunHistory> load_trace(const TraceInput& input) {
  const TraceReadOptions options = BALLAST_TRY(read_options(input, {}));
  RunHistory history =
      BALLAST_TRY(load_history(posix_file_system(), operands_of(input), options, input.layers));
  say_what_was_passed_over(history.health, history.parts);
  if (history.rows.empty()) return insufficient_error("the trace has no steps yet", history.path);
  return history;
}

int threads_of(const CommonOptions& common) {
  return common.threads > 0 ? common.threads : available_cores();
}

Result<std::unique_ptr<TraceReader>> open_trace(const TraceInput& input, TraceReadOptions options) {
  options = BALLAST_TRY(read_options(input, std::move(options)));
  return TraceReader::open(posix_file_system(), operands_of(input), options);
}

Result<void> require_per_step(const TraceInput& input, const TraceHealth& health) {
  if (health.interval <= 1 || input.assume_per_step) return {};
  return insufficient_error(
      fmt::format("the log has one record in {} steps, and windows count steps", health.interval),
      input.path, "--assume-per-step takes its records for steps");
}

CLI::Option* add_fail_on(CLI::App& app, std::vector<std::string>& words) {
  return app
      .add_option("--fail-on", words,
                  "exit 1 when one of these was seen: onset, persistent, nonfinite")
      ->delimiter(',');
}

Result<FailOn> parse_fail_on(const std::vector<std::string>& words, bool live) {
  FailOn fail_on;
  for (const std::string& word : words) {
    if (word == "onset") {
      fail_on.onset = true;
    } else if (word == "persistent") {
      fail_on.persistent = true;
    } else if (word == "nonfinite") {
      fail_on.nonfinite = true;
    } else if (word == "drift" && live) {
      fail_on.drift = true;
    } else if (word == "stall" && live) {
      fail_on.stall = true;
    } else {
      return usage_error(
          fmt::format("'{}' is not built", word), "--fail-on",
          live ? "onset, persistent, nonfinite, drift, stall" : "onset, persistent, nonfinite");
    }
  }
  return fail_on;
}

int fail_on_verdict(const FailOn& fail_on, const RunHistory& history,
                    const std::vector<RunIncident>& incidents, int64_t minimum) {
  const auto judgeable =
      std::count_if(history.rows.begin(), history.rows.end(),
                    [](const StepRow& r) { return r.surviving && r.has_loss && !r.skipped; });
  return fail_on_verdict(fail_on, judgeable, incidents, minimum);
}

int fail_on_verdict(const FailOn& fail_on, int64_t judgeable,
                    const std::vector<RunIncident>& incidents, int64_t minimum) {
  if (!fail_on.any()) return kExitDone;
  for (const RunIncident& incident : incidents) {
    const bool onset = incident.detected >= 0 || incident.classified;
    if ((fail_on.onset && onset) || (fail_on.persistent && incident.persistent) ||
        (fail_on.nonfinite && incident.nonfinite))
      return kExitNo;
  }
  const bool needs_level = fail_on.onset || fail_on.persistent;
  if (needs_level && judgeable <= minimum) {
    print_warning(fmt::format("{} steps with a loss are too few for a verdict (more than {})",
                              judgeable, minimum));
    return kExitInsufficient;
  }
  return kExitDone;
}

}  // namespace ballast
