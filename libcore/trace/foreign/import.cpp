#include "libcore/trace/foreign/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "libcore/trace/foreign/formats.h"
#include "libcore/trace/foreign/segmenter.h"
#include "libcore/trace/line_buffer.h"
#include "libcore/trace/reader.h"

namespace ballast {
namespace {

constexpr size_t kHead = 64 << 10;
constexpr size_t kAhead = 64 << 10;  // bytes of lines that are made at a time

constexpr std::pair<LogFormat, std::string_view> kNames[] = {
    {LogFormat::ballast, "ballast"},       {LogFormat::llmc, "llmc"},
    {LogFormat::megatron, "megatron"},     {LogFormat::torchtitan, "torchtitan"},
    {LogFormat::olmo_core, "olmo-core"},   {LogFormat::trainer_state, "trainer-state"},
    {LogFormat::wandb_csv, "wandb-csv"},   {LogFormat::wandb_history, "wandb-history"},
    {LogFormat::wandb_run, "wandb-run"},   {LogFormat::tfevents, "tfevents"},
    {LogFormat::mlflow, "mlflow"},         {LogFormat::table, "table"},
    {LogFormat::json_lines, "json-lines"},
};

std::string all_format_names() {
  std::vector<std::string_view> names;
  for (const auto& [format, name] : kNames) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// Up to `limit` bytes from the start of `source`.
Result<std::string> read_head(ByteSource& source, size_t limit) {
  std::string head(limit, '\0');
  size_t size = 0;
  while (size < limit) {
    const size_t got =
        BALLAST_TRY(source.read({reinterpret_cast<std::byte*>(head.data()) + size, limit - size}));
    if (got == 0) break;
    size += got;
  }
  head.resize(size);
  return head;
}

// A source that makes its bytes piece by piece.
class MadeSource : public ByteSource {
 public:
  explicit MadeSource(std::string name) : name_(std::move(name)) {}
  Result<size_t> read(MutableBytes into) final {
    while (sent_ == made_.size()) {
      made_.clear();
      sent_ = 0;
      if (!BALLAST_TRY(make(made_))) return size_t{0};
    }
    const size_t size = std::min(into.size(), made_.size() - sent_);
    std::memcpy(into.data(), made_.data() + sent_, size);
    sent_ += size;
    return size;
  }
  const std::string& name() const final { return name_; }

 protected:
  // Appends bytes; false at the end.
  virtual Result<bool> make(std::string& into) = 0;

 private:
  std::string name_;
  std::string made_;
  size_t sent_ = 0;
};

struct OpenLog {
  LogFormat format;
  std::unique_ptr<ForeignLog> log;
};

// Several logs of one run, one after the other.
class ImportingSource final : public MadeSource {
 public:
  ImportingSource(std::string name, std::vector<OpenLog> logs,
                  std::shared_ptr<std::vector<LogPart>> parts, const ImportOptions& options)
      : MadeSource(std::move(name)),
        logs_(std::move(logs)),
        parts_(std::move(parts)),
        segmenter_(options) {}

 protected:
  Result<bool> make(std::string& into) override {
    while (into.size() < kAhead) {
      if (at_ == logs_.size()) return !into.empty();
      if (!begun_) segmenter_.begin_file(logs_[at_].format);
      begun_ = true;
      if (BALLAST_TRY(logs_[at_].log->next(record_))) {
        segmenter_.take(record_, into);
        continue;
      }
      segmenter_.end_file(into);
      (*parts_)[at_].notes = logs_[at_].log->notes();
      (*parts_)[at_].notes.marks_left = static_cast<int64_t>(segmenter_.marks_left());
      logs_[at_++].log.reset();
      begun_ = false;
    }
    return true;
  }

 private:
  std::vector<OpenLog> logs_;
  std::shared_ptr<std::vector<LogPart>> parts_;
  Segmenter segmenter_;
  TraceRecord record_;
  size_t at_ = 0;
  bool begun_ = false;
};

// Traces of ours, one after the other, each without the torn line at its end.
class JoinedTraces final : public MadeSource {
 public:
  JoinedTraces(std::string name, std::vector<std::unique_ptr<ByteSource>> sources)
      : MadeSource(std::move(name)), sources_(std::move(sources)) {}

 protected:
  Result<bool> make(std::string& into) override {
    while (at_ < sources_.size()) {
      if (!lines_) lines_ = std::make_unique<LineBuffer>(*sources_[at_]);
      while (into.size() < kAhead) {
        const auto line = BALLAST_TRY(lines_->next());
        if (!line) break;
        into += *line;
        into += '\n';
      }
      if (!into.empty()) return true;
      lines_.reset();
      ++at_;
    }
    return false;
  }

 private:
  std::vector<std::unique_ptr<ByteSource>> sources_;
  std::unique_ptr<LineBuffer> lines_;
  size_t at_ = 0;
};

struct Opened {
  LogFormat format = LogFormat::ballast;
  std::unique_ptr<ByteSource> trace;  // ours
  std::unique_ptr<ForeignLog> log;    // others
  std::string path;
};

Result<Opened> open_folder(FileSystem& fs, const std::string& path, const ImportOptions& options) {
  for (const FolderFormat& folder : folder_formats()) {
    if (options.format ? *options.format != folder.format : !folder.is(fs, path)) continue;
    return Opened{folder.format, nullptr, BALLAST_TRY(folder.open(fs, path, options)), path};
  }
  if (options.format && *options.format != LogFormat::ballast)
    return usage_error("a folder is no log of this format", path,
                       std::string(format_name(*options.format)));
  const std::string trace = trace_path_of(fs, path);
  return Opened{LogFormat::ballast, BALLAST_TRY(open_source(fs, trace)), nullptr, trace};
}

Result<Opened> open_operand(FileSystem& fs, const std::string& path, const ImportOptions& options) {
  const Result<FileInfo> info = path == "-" ? Result<FileInfo>(FileInfo{}) : fs.info(path);
  if (info.ok() && info->is_directory) {
    const bool ours = fs.info(trace_path_of(fs, path)).ok();
    if (!ours || (options.format && *options.format != LogFormat::ballast))
      return open_folder(fs, path, options);
  }
  const std::string file = trace_path_of(fs, path);
  std::unique_ptr<ByteSource> source = BALLAST_TRY(open_source(fs, file));
  LogFormat format = options.format.value_or(LogFormat::ballast);
  if (!options.format) {
    std::string head = BALLAST_TRY(read_head(*source, kHead));
    format = BALLAST_TRY(detect_log_format(head, file));
    source = prefixed_source(std::move(head), std::move(source));
  }
  if (format == LogFormat::ballast) return Opened{format, std::move(source), nullptr, file};
  for (const FileFormat& known : file_formats())
    if (known.format == format)
      return Opened{format, nullptr, BALLAST_TRY(known.open(std::move(source), options)), file};
  return usage_error("a file is no log of this format", file, std::string(format_name(format)));
}

}  // namespace

std::string_view format_name(LogFormat format) {
  for (const auto& [known, name] : kNames)
    if (known == format) return name;
  return "unknown";
}

Result<LogFormat> parse_log_format(std::string_view word, const std::string& flag) {
  for (const auto& [format, name] : kNames)
    if (name == word) return format;
  return usage_error(fmt::format("'{}' is no format of a log", word), flag, all_format_names());
}

// One line that is ours is enough: the first ones may be damaged.
bool looks_like_ballast(std::string_view head) {
  constexpr std::string_view kTypes[] = {"run", "step", "event", "eval", "layers", "amax"};
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find('\n'));
    head.remove_prefix(std::min(head.size(), line.size() + 1));
    if (!line.starts_with('{') || line.find("\"v\":") == std::string_view::npos) continue;
    const size_t type = line.find("\"type\":");
    if (type == std::string_view::npos) continue;
    std::string_view value = line.substr(type + 7);
    value.remove_prefix(std::min(value.size(), value.find('"')));
    for (const std::string_view known : kTypes)
      if (value.substr(1).starts_with(known)) return true;
  }
  return false;
}

Result<LogFormat> detect_log_format(std::string_view head, const std::string& name) {
  if (head.empty() || looks_like_ballast(head)) return LogFormat::ballast;
  for (const FileFormat& known : file_formats())
    if (known.looks_like(head)) return known.format;
  return corrupt_error("the log is of no format that is known", name,
                       "--log-format takes " + all_format_names());
}

std::unique_ptr<ByteSource> trace_of_log(std::unique_ptr<ForeignLog> log, std::string name,
                                         const ImportOptions& options) {
  auto parts = std::make_shared<std::vector<LogPart>>(1);
  std::vector<OpenLog> logs;
  logs.push_back({options.format.value_or(LogFormat::table), std::move(log)});
  return std::make_unique<ImportingSource>(std::move(name), std::move(logs), std::move(parts),
                                           options);
}

Result<ImportedTrace> open_log(FileSystem& fs, std::span<const std::string> operands,
                               const ImportOptions& options) {
  auto parts = std::make_shared<std::vector<LogPart>>();
  std::vector<std::unique_ptr<ByteSource>> traces;
  std::vector<OpenLog> logs;
  for (const std::string& operand : operands) {
    Opened opened = BALLAST_TRY(open_operand(fs, operand, options));
    parts->push_back({opened.path, opened.format, {}});
    if (opened.log) {
      logs.push_back({opened.format, std::move(opened.log)});
    } else {
      traces.push_back(std::move(opened.trace));
    }
  }
  if (!traces.empty() && !logs.empty())
    return usage_error("a trace of ours and another log cannot be one run", parts->front().path,
                       "import the log first");
  const std::string name = parts->front().path;
  ImportedTrace trace;
  if (logs.empty()) BALLAST_TRY(refuse_for_ours(options, name));
  if (!logs.empty()) {
    trace.bytes = std::make_unique<ImportingSource>(name, std::move(logs), parts, options);
  } else if (traces.size() == 1) {
    trace.bytes = std::move(traces.front());
  } else {
    trace.bytes = std::make_unique<JoinedTraces>(name, std::move(traces));
  }
  trace.parts = std::move(parts);
  return trace;
}

}  // namespace ballast
