#include "libcore/trace/reader.h"

#include <fmt/format.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdio>

#include "libcore/trace/line_buffer.h"
#include "libcore/trace/step_intervals.h"
#include "libcore/trace/surviving.h"
#include "libcore/trace/writer.h"

namespace ballast {
namespace {

// A temporary file without a name, filled from a source and read back from its start.
class SpooledSource final : public ByteSource {
 public:
  static Result<std::unique_ptr<SpooledSource>> fill(ByteSource& from) {
    std::unique_ptr<SpooledSource> spool(new SpooledSource(from.name()));
    spool->file_.reset(std::tmpfile());
    if (!spool->file_) return io_error("cannot create a temporary file", from.name());
    std::vector<std::byte> chunk(256 << 10);
    while (const size_t got = BALLAST_TRY(from.read(chunk)))
      if (std::fwrite(chunk.data(), 1, got, spool->file_.get()) != got)
        return io_error("cannot write a temporary file", from.name());
    spool->rewind();
    return spool;
  }
  void rewind() { std::rewind(file_.get()); }
  Result<size_t> read(MutableBytes into) override {
    const size_t got = std::fread(into.data(), 1, into.size(), file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0)
      return io_error("cannot read a temporary file", name_);
    return got;
  }
  const std::string& name() const override { return name_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit SpooledSource(std::string name) : name_(std::move(name)) {}
  std::string name_;
  std::unique_ptr<std::FILE, Close> file_;
};

bool is_bulk_line(std::string_view line) {
  const std::string_view head = line.substr(0, 40);
  return head.find("\"type\":\"layers\"") != std::string_view::npos ||
         head.find("\"type\":\"amax\"") != std::string_view::npos;
}

// The step by which a record is kept or hidden.
std::optional<int64_t> step_of(const TraceRecord& record) {
  switch (record.type) {
    case RecordType::step:
      return record.step.step;
    case RecordType::event:
      return record.event.step;
    case RecordType::eval:
      return record.eval.step;
    case RecordType::other:
      return record.other.step;
    case RecordType::run:
      break;
  }
  return std::nullopt;
}

}  // namespace

struct TraceReader::State {
  State(const TraceReadOptions& options_in, ImportedTrace trace,
        std::unique_ptr<ByteSource> source_in, std::vector<Segment> segments_in)
      : path(trace.parts->front().path),
        options(options_in),
        parts(std::move(trace.parts)),
        source(std::move(source_in)),
        segments(std::move(segments_in)),
        line(options.view == TraceView::surviving ? segments : std::vector<Segment>()),
        lines(*source),
        parser(options.fields) {}

  bool wanted(const TraceRecord& record);
  void check_order(const StepRecord& step);

  std::string path;
  TraceReadOptions options;
  std::shared_ptr<const std::vector<LogPart>> parts;
  std::unique_ptr<ByteSource> source;
  std::vector<Segment> segments;
  SurvivingLine line;
  LineBuffer lines;
  TraceParser parser;
  TraceHealth health;
  StepIntervals intervals;
  int64_t last_step = -1;
  int64_t last_segment = -1;
  int64_t last_time = 0;
};

TraceReader::TraceReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TraceReader::~TraceReader() = default;

std::string trace_path_of(FileSystem& fs, const std::string& operand) {
  if (operand == "-") return operand;
  const Result<FileInfo> info = fs.info(operand);
  return info.ok() && info->is_directory ? join_path(operand, kTraceFileName) : operand;
}

Result<std::unique_ptr<TraceReader>> TraceReader::open(FileSystem& fs, const std::string& operand,
                                                       const TraceReadOptions& options) {
  return open(fs, std::span(&operand, 1), options);
}

Result<std::unique_ptr<TraceReader>> TraceReader::open(FileSystem& fs,
                                                       std::span<const std::string> operands,
                                                       const TraceReadOptions& options) {
  ImportedTrace trace = BALLAST_TRY(open_log(fs, operands, options.import));
  std::unique_ptr<ByteSource> source = std::move(trace.bytes);
  std::vector<Segment> segments;
  if (options.view == TraceView::surviving) {
    if (std::find(operands.begin(), operands.end(), "-") != operands.end()) {
      std::unique_ptr<SpooledSource> spool = BALLAST_TRY(SpooledSource::fill(*source));
      segments = BALLAST_TRY(scan_segments(*spool, options.skip_bad_lines));
      spool->rewind();
      source = std::move(spool);
    } else {
      segments = BALLAST_TRY(scan_segments(*source, options.skip_bad_lines));
      trace = BALLAST_TRY(open_log(fs, operands, options.import));
      source = std::move(trace.bytes);
    }
  }
  return std::unique_ptr<TraceReader>(new TraceReader(
      std::make_unique<State>(options, std::move(trace), std::move(source), std::move(segments))));
}

bool TraceReader::State::wanted(const TraceRecord& record) {
  if (options.view == TraceView::all) return true;
  const std::optional<int64_t> step = step_of(record);
  if (line.holds(record.segment, step.value_or(0))) return true;
  if (record.type == RecordType::step) ++health.hidden_steps;
  return false;
}

void TraceReader::State::check_order(const StepRecord& step) {
  const bool same = step.segment == last_segment;
  if (last_step >= 0 && (same || options.view == TraceView::surviving)) {
    if (step.step <= last_step) ++health.repeated_steps;
    if (step.step > last_step) intervals.add(step.step - last_step);
  }
  if (same && step.time_us < last_time) ++health.clock_steps_back;
  last_step = step.step;
  last_segment = step.segment;
  last_time = step.time_us;
}

Result<bool> TraceReader::next(TraceRecord& record) {
  State& s = *state_;
  while (const auto line = BALLAST_TRY(s.lines.next())) {
    ++s.health.lines;
    if (line->empty() || (s.options.steps_only && is_bulk_line(*line))) continue;
    record.line = s.lines.line_number();
    if (Result<void> parsed = s.parser.parse_padded(*line, record); !parsed.ok()) {
      Error error = parsed.take_error();
      if (!s.options.skip_bad_lines) {
        error.where = fmt::format("{}:{}", s.path, record.line);
        return error;
      }
      if (s.health.bad_lines++ == 0) {
        s.health.first_bad_line = record.line;
        s.health.first_bad_reason = error.message();
      }
      continue;
    }
    if (!s.wanted(record)) continue;
    if (record.type == RecordType::step) s.check_order(record.step);
    if (record.type == RecordType::other) {
      const std::string& type = record.other.type;
      if (type != "layers" && type != "amax") ++s.health.unknown_types;
      if (s.options.steps_only) continue;
    }
    if (record.type == RecordType::eval && s.options.steps_only) continue;
    return true;
  }
  s.health.torn_bytes = s.lines.torn_bytes();
  s.health.interval = s.intervals.usual();
  s.health.missing_steps = s.intervals.missing();
  return false;
}

const TraceHealth& TraceReader::health() const { return state_->health; }
const std::vector<Segment>& TraceReader::segments() const { return state_->segments; }
const std::string& TraceReader::path() const { return state_->path; }
const std::vector<LogPart>& TraceReader::parts() const { return *state_->parts; }

}  // namespace ballast
