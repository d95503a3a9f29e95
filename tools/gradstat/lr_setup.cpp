#include "tools/gradstat/lr_setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/units.h"
#include "libcore/trace/reader.h"

namespace ballast {
namespace {

constexpr int64_t kMostSteps = 50'000'000;
constexpr int64_t kMostTokens = int64_t{1} << 62;

// The rates and norms of a trace, and its last run record.
class LoggedReader {
 public:
  Result<void> read(const TraceInput& input);
  LoggedSteps take_steps() { return std::move(steps_); }
  const RunRecord& run() const { return run_; }
  bool has_run() const { return has_run_; }
  int64_t last_tokens() const { return last_tokens_; }
  // Of a log that does not name its batch: tokens of a step if all may have had as many, or "".
  std::string even_batch() const {
    const int64_t last_step = next_step_ - 1;
    const bool even = last_step > 0 && last_tokens_ > 0 && last_tokens_ % last_step == 0;
    return even ? fmt::format("{}", last_tokens_ / last_step) : "";
  }
  // (rate, tokens before the step, tokens of the step) of steps whose update counted.
  struct Position {
    double lr = 0;
    int64_t before = 0, tokens = 0;
  };
  const std::vector<Position>& positions() const { return positions_; }

 private:
  Result<void> take(const StepRecord& step, const std::string& path);

  LoggedSteps steps_;
  RunRecord run_;
  bool has_run_ = false;
  int64_t next_step_ = -1;
  int64_t last_tokens_ = 0;
  std::vector<Position> positions_;
};

Result<void> LoggedReader::take(const StepRecord& step, const std::string& path) {
  const bool first = next_step_ < 0;
  if (first) steps_.first_step = step.step;
  if (!first && step.step < next_step_) return {};  // a step that was logged twice
  const int64_t gap = first ? 0 : step.step - next_step_;
  if (static_cast<int64_t>(steps_.norms.size()) + gap >= kMostSteps)
    return insufficient_error(fmt::format("the trace has more than {} steps", kMostSteps), path);
  steps_.rates.insert(steps_.rates.end(), static_cast<size_t>(gap),
                      steps_.rates.empty() ? 0 : steps_.rates.back());
  steps_.norms.insert(steps_.norms.end(), static_cast<size_t>(gap),
                      steps_.norms.empty() ? 0 : steps_.norms.back());
  steps_.filled += gap;
  const bool has_norm = step.grad_norm && std::isfinite(*step.grad_norm);
  if (!has_norm && !step.skipped) ++steps_.filled;
  steps_.norms.push_back(has_norm               ? *step.grad_norm
                         : steps_.norms.empty() ? 0
                                                : steps_.norms.back());
  const double lr = step.lr.value_or(0);
  steps_.rates.push_back(step.skipped || !std::isfinite(lr) ? 0 : lr);
  steps_.has_rates = steps_.has_rates || lr > 0;
  steps_.has_norms = steps_.has_norms || has_norm;
  if (step.skipped) ++steps_.skipped;
  if (gap == 0 && !first && lr > 0)
    positions_.push_back({lr, last_tokens_, step.tokens - last_tokens_});
  next_step_ = step.step + 1;
  last_tokens_ = step.tokens;
  return {};
}

Result<void> LoggedReader::read(const TraceInput& input) {
  TraceReadOptions read;
  read.fields = kFieldNorm | kFieldLr | kFieldSkipped | kFieldTokens;
  read.steps_only = true;
  const std::unique_ptr<TraceReader> reader = BALLAST_TRY(open_trace(input, read));
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) {
    if (record.type == RecordType::step) BALLAST_TRY(take(record.step, reader->path()));
    if (record.type != RecordType::run) continue;
    run_ = record.run;
    has_run_ = true;
  }
  if (steps_.norms.empty()) return insufficient_error("the trace has no steps yet", input.path);
  say_what_was_passed_over(reader->health(), reader->parts());
  return {};
}

// The peak that the logged rates are multiples of: the highest rate where the schedule is at its
// peak, which is exact, or else the largest quotient. (A guard only lowers the rate.)
double peak_of(const std::vector<LoggedReader::Position>& positions, const Schedule& schedule) {
  double exact = 0, quotient = 0;
  for (const auto& [lr, before, tokens] : positions) {
    const double multiplier = schedule.multiplier(before, tokens);
    if (multiplier == 1) exact = std::max(exact, lr);
    if (multiplier > 1e-6) quotient = std::max(quotient, lr / multiplier);
  }
  return exact > 0 ? exact : quotient;
}

// TOKENS or STEPS, whichever flag was given, in whole steps; 0 for neither.
Result<int64_t> length_of(const std::string& tokens, const std::string& steps,
                          const std::string& prefix, const BatchSchedule& batches) {
  if (!tokens.empty() && !steps.empty())
    return usage_error(fmt::format("--{0}tokens and --{0}steps exclude each other", prefix));
  if (tokens.empty() && steps.empty()) return int64_t{0};
  const std::string& text = tokens.empty() ? steps : tokens;
  const std::string flag = fmt::format("--{}{}", prefix, tokens.empty() ? "steps" : "tokens");
  const Result<int64_t> count = parse_count(text);
  if (!count.ok() || *count < 1 || *count > kMostTokens)
    return usage_error(fmt::format("'{}' is not accepted", text), flag, "a count like 50000 or 2B");
  if (!tokens.empty()) return batches.round_up(*count);
  if (*count > kMostTokens / batches.largest())
    return usage_error("the run has more than 2^62 tokens", flag);
  return batches.tokens_before(*count);
}

Result<Schedule> make_any_schedule(const std::string& text, double peak, int64_t total_tokens,
                                   const BatchSchedule& batches) {
  if (!text.starts_with("file:"))
    return make_schedule(text, peak, total_tokens, batches.constant() ? batches.first() : 0);
  const std::string path = text.substr(5);
  const std::string content = BALLAST_TRY(read_file(posix_file_system(), path, int64_t{1} << 26));
  return parse_schedule_file(content, path, peak, total_tokens);
}

// What the run record says fills in for what was not typed.
Result<std::string> schedule_of_run(const LoggedReader& reader) {
  if (!reader.has_run() || reader.run().schedule.empty())
    return usage_error("the trace does not name its schedule", "", "give one with --schedule");
  if (reader.run().schedule.starts_with("file:"))
    return usage_error("the run's schedule came from a file", "", "give it with --schedule file:F");
  return reader.run().schedule;
}

}  // namespace

Result<std::vector<int64_t>> step_borders(const BatchSchedule& batches, int64_t total_tokens) {
  const int64_t steps = batches.steps_for(total_tokens);
  if (steps > kMostSteps)
    return usage_error(fmt::format("the run has {} steps", steps), "--batch-tokens",
                       fmt::format("accepted: up to {}", kMostSteps));
  std::vector<int64_t> borders;
  borders.reserve(static_cast<size_t>(steps) + 1);
  for (int64_t step = 0; step <= steps; ++step) borders.push_back(batches.tokens_before(step));
  return borders;
}

Result<int64_t> target_tokens(const LrOptions& options, const LrSetup& setup, int64_t fallback) {
  const int64_t tokens =
      BALLAST_TRY(length_of(options.to_tokens, options.to_steps, "to-", setup.batches));
  return tokens > 0 ? tokens : fallback;
}

Result<NamedSchedule> schedule_for(const std::string& text, const LrSetup& setup,
                                   int64_t total_tokens) {
  const double peak = setup.peak_lr > 0 ? setup.peak_lr : 1;
  return NamedSchedule{text,
                       BALLAST_TRY(make_any_schedule(text, peak, total_tokens, setup.batches))};
}

std::vector<size_t> spread(size_t size, int64_t count) {
  std::vector<size_t> indices;
  const size_t wanted = count == 0 ? size : std::min(size, static_cast<size_t>(count));
  for (size_t i = 0; i < wanted; ++i)
    indices.push_back(wanted == 1 ? size - 1 : i * (size - 1) / (wanted - 1));
  return indices;
}

Result<LrSetup> set_up_lr(const LrOptions& options) {
  LrSetup setup;
  LoggedReader reader;
  const bool trace = options.has_trace();
  if (trace) BALLAST_TRY(reader.read(options.input));
  std::string batch = options.batch_tokens;
  if (batch.empty() && reader.has_run() && reader.run().batch_tokens)
    batch = fmt::format("{}", *reader.run().batch_tokens);
  if (batch.empty() && trace) batch = reader.even_batch();
  setup.batches = BALLAST_TRY(BatchSchedule::parse(batch.empty() ? "1" : batch, 1));
  setup.total_tokens = BALLAST_TRY(length_of(options.tokens, options.steps, "", setup.batches));
  if (setup.total_tokens == 0 && trace)
    setup.total_tokens = reader.has_run() ? reader.run().total_tokens.value_or(0) : 0;
  if (setup.total_tokens == 0 && trace) setup.total_tokens = reader.last_tokens();
  if (setup.total_tokens == 0)
    return usage_error("the length is missing", "", "--steps or --tokens");
  setup.peak_lr = options.lr;
  std::vector<std::string> texts = options.schedules;
  if (texts.empty() && !trace) texts.emplace_back("wsd");
  if (texts.empty() && options.action != "bound")
    texts.push_back(BALLAST_TRY(schedule_of_run(reader)));
  if (setup.peak_lr == 0 && trace && reader.has_run()) {
    const Result<std::string> own = schedule_of_run(reader);
    if (own.ok())
      setup.peak_lr = peak_of(
          reader.positions(),
          BALLAST_TRY(make_any_schedule(
              *own, 1, reader.run().total_tokens.value_or(setup.total_tokens), setup.batches)));
  }
  for (const std::string& text : texts)
    setup.schedules.push_back(BALLAST_TRY(schedule_for(text, setup, setup.total_tokens)));
  if (trace) setup.logged = reader.take_steps();
  return setup;
}

}  // namespace ballast
