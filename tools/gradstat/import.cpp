#include "libcore/trace/foreign/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "libcore/cli/message.h"
#include "libcore/trace/line_buffer.h"
#include "libcore/trace/step_intervals.h"
#include "tools/gradstat/trace_input.h"
#include "tools/gradstat/verbs.h"

namespace ballast {
namespace {

// Copies lines and counts what they are.
class Copy {
 public:
  Copy(ByteSource& source, ByteSink& sink, bool skip_bad_lines)
      : lines_(source), sink_(sink), parser_(kFieldTime), skip_(skip_bad_lines) {}

  Result<void> run() {
    while (const auto line = BALLAST_TRY(lines_.next())) {
      if (line->empty()) continue;
      Result<void> parsed = parser_.parse_padded(*line, record_);
      if (!parsed.ok()) {
        if (!skip_) {
          Error error = parsed.take_error();
          error.where = fmt::format("{}:{}", error.where, lines_.line_number());
          return error;
        }
        if (health_.bad_lines++ == 0) {
          health_.first_bad_line = lines_.line_number();
          health_.first_bad_reason = parsed.take_error().message();
        }
        continue;
      }
      count();
      BALLAST_TRY(sink_.write(*line));
      BALLAST_TRY(sink_.write("\n"));
    }
    health_.interval = intervals_.usual();
    return {};
  }

  const TraceHealth& health() const { return health_; }
  std::string counts() const {
    std::string text = fmt::format("{} steps", steps_);
    if (health_.interval > 1) text += fmt::format(", one in {}", health_.interval);
    if (evals_ > 0) text += fmt::format("; {} eval{}", evals_, evals_ == 1 ? "" : "s");
    if (events_ > 0) text += fmt::format("; {} event{}", events_, events_ == 1 ? "" : "s");
    return text + fmt::format("; {} segment{}", segments_, segments_ == 1 ? "" : "s");
  }

 private:
  void count() {
    segments_ += record_.type == RecordType::run ? 1 : 0;
    evals_ += record_.type == RecordType::eval ? 1 : 0;
    events_ += record_.type == RecordType::event ? 1 : 0;
    if (record_.type != RecordType::step) return;
    if (steps_++ > 0 && record_.step.step > last_step_)
      intervals_.add(record_.step.step - last_step_);
    last_step_ = record_.step.step;
  }

  LineBuffer lines_;
  ByteSink& sink_;
  TraceParser parser_;
  bool skip_;
  TraceRecord record_;
  TraceHealth health_;
  StepIntervals intervals_;
  int64_t steps_ = 0, evals_ = 0, events_ = 0, segments_ = 0, last_step_ = 0;
};

void tell(const LogPart& part) {
  const ForeignNotes& notes = part.notes;
  std::string text = fmt::format("{}: {}", part.path, format_name(part.format));
  if (notes.truncated) text += ", ends within a record";
  if (!notes.averaged.empty()) text += ", " + notes.averaged;
  print_note(text);
  if (!notes.unused.empty())
    print_note(fmt::format("{}: not imported: {}", part.path, fmt::join(notes.unused, ", ")));
}

Result<int> import(const TraceInput& input, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const ImportOptions options = BALLAST_TRY(log_options(input));
  ImportedTrace trace = BALLAST_TRY(open_log(fs, input.paths, options));
  const std::unique_ptr<ByteSink> sink =
      BALLAST_TRY(open_sink(fs, common.output.empty() ? "-" : common.output, common.force));
  Copy copy(*trace.bytes, *sink, input.on_error == "skip");
  BALLAST_TRY(copy.run());
  BALLAST_TRY(sink->finish());
  for (const LogPart& part : *trace.parts) tell(part);
  print_note(copy.counts());
  say_what_was_passed_over(copy.health(), *trace.parts);
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_import(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<TraceInput>();
  add_trace_input(app, *options);
  return [options, &common] { return import(*options, common); };
}

}  // namespace ballast
