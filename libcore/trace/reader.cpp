#include "libcore/trace/reader.h"

#include <fmt/format.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdio>

#include "libcore/trace/line_buffer.h"
#include "libcore/trace/parsed_blocks.h"
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
        std::unique_ptr<ByteSource> source_in, TraceOutline outline_in)
      : path(trace.parts->front().path),
        options(options_in),
        parts(std::move(trace.parts)),
        source(std::move(source_in)),
        outline(std::move(outline_in)),
        line(outline.segments),
        lines(*source),
        parser(options.fields) {
    if (options.threads < 2) return;
    BlockOptions by_blocks;
    by_blocks.threads = options.threads;
    by_blocks.fields = options.fields;
    by_blocks.pass_over_bulk = options.steps_only;
    blocks = std::make_unique<ParsedBlocks>(*source, by_blocks);
  }

  Result<bool> parse_next(TraceRecord& record);
  Result<bool> parse_line(TraceRecord& record);
  Result<bool> take_parsed(TraceRecord& record);
  Result<void> take_bad_line(Error error, int64_t at);
  bool wanted(const TraceRecord& record);
  void check_order(const StepRecord& step);

  std::string path;
  TraceReadOptions options;
  std::shared_ptr<const std::vector<LogPart>> parts;
  std::unique_ptr<ByteSource> source;
  TraceOutline outline;
  SurvivingLine line;
  LineBuffer lines;
  TraceParser parser;
  // With several threads, in place of the two above:
  std::unique_ptr<ParsedBlocks> blocks;
  ParsedBlock* block = nullptr;
  size_t in_block = 0;       // of block->found
  int64_t lines_before = 0;  // the block

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
  TraceOutline outline;
  const bool bad = options.skip_bad_lines;
  if (options.view == TraceView::surviving || options.outline) {
    if (std::find(operands.begin(), operands.end(), "-") != operands.end()) {
      std::unique_ptr<SpooledSource> spool = BALLAST_TRY(SpooledSource::fill(*source));
      outline = BALLAST_TRY(scan_outline(*spool, bad, options.outline));
      spool->rewind();
      source = std::move(spool);
    } else {
      outline = BALLAST_TRY(scan_outline(*source, bad, options.outline));
      trace = BALLAST_TRY(open_log(fs, operands, options.import));
      source = std::move(trace.bytes);
    }
  }
  return std::unique_ptr<TraceReader>(new TraceReader(
      std::make_unique<State>(options, std::move(trace), std::move(source), std::move(outline))));
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

Result<void> TraceReader::State::take_bad_line(Error error, int64_t at) {
  if (!options.skip_bad_lines) {
    error.where = fmt::format("{}:{}", path, at);
    return error;
  }
  if (health.bad_lines++ == 0) {
    health.first_bad_line = at;
    health.first_bad_reason = error.message();
  }
  return {};
}

Result<bool> TraceReader::State::parse_line(TraceRecord& record) {
  while (const auto text = BALLAST_TRY(lines.next())) {
    ++health.lines;
    if (text->empty() || (options.steps_only && is_bulk_line(*text))) continue;
    record.line = lines.line_number();
    Result<void> parsed = parser.parse_padded(*text, record);
    if (parsed.ok()) return true;
    BALLAST_TRY(take_bad_line(parsed.take_error(), record.line));
  }
  health.torn_bytes = lines.torn_bytes();
  return false;
}

Result<bool> TraceReader::State::take_parsed(TraceRecord& record) {
  while (true) {
    while (block != nullptr && in_block < block->found.size()) {
      const ParsedLine& found = block->found[in_block++];
      const int64_t at = lines_before + found.line;
      if (found.kind == ParsedLine::Kind::bad) {
        BALLAST_TRY(take_bad_line(std::move(block->errors[found.index]), at));
        continue;
      }
      if (found.kind == ParsedLine::Kind::step) {
        record.type = RecordType::step;
        std::swap(record.step, block->steps[found.index]);
        record.segment = record.step.segment;
      } else {
        record = std::move(block->others[found.index]);
      }
      record.line = at;
      return true;
    }
    if (block != nullptr) {
      lines_before += block->lines;
      health.lines = lines_before;
      health.torn_bytes = block->torn_bytes;
      if (block->ended) {
        Error error = *block->ended;
        if (block->too_long) error.where = fmt::format("{}:{}", source->name(), lines_before + 1);
        return error;
      }
    }
    in_block = 0;
    block = blocks->next();
    if (block == nullptr) return false;
  }
}

Result<bool> TraceReader::State::parse_next(TraceRecord& record) {
  return blocks ? take_parsed(record) : parse_line(record);
}

Result<bool> TraceReader::next(TraceRecord& record) {
  State& s = *state_;
  while (BALLAST_TRY(s.parse_next(record))) {
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
  s.health.interval = s.intervals.usual();
  s.health.missing_steps = s.intervals.missing();
  return false;
}

const TraceHealth& TraceReader::health() const { return state_->health; }
const TraceOutline& TraceReader::outline() const { return state_->outline; }
const std::string& TraceReader::path() const { return state_->path; }
const std::vector<LogPart>& TraceReader::parts() const { return *state_->parts; }

}  // namespace ballast
