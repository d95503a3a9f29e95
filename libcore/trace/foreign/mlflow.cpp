#include "libcore/trace/foreign/mlflow.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"
#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/rows.h"

namespace ballast {
namespace {

constexpr size_t kMostMetrics = 65536;
constexpr size_t kMostOpen = 512;  // files that are read at once
constexpr int kDeepest = 16;       // folders in a metric's name
constexpr int64_t kLongestLine = 4096;
constexpr size_t kMostParameters = 512;
constexpr int64_t kLongestParameter = 4096;
constexpr int64_t kLongestMeta = int64_t{1} << 20;

// One metric's file, with the value that is at hand.
struct Metric {
  std::string name;
  size_t column = 0;
  std::unique_ptr<ByteSource> source;
  std::unique_ptr<LineReader> lines;
  std::optional<MlflowValue> value;
};

class MlflowLog final : public ForeignLog {
 public:
  explicit MlflowLog(ColumnMap map) : rows_(std::move(map), notes_) {}

  Result<void> open(FileSystem& fs, const std::string& path, const ColumnMap& map);
  Result<bool> next(TraceRecord& record) override;
  const ForeignNotes& notes() const override { return notes_; }

 private:
  Result<void> read(Metric& metric);

  ForeignNotes notes_;
  Rows rows_;
  std::vector<Metric> metrics_;
  bool finished_ = false;
};

// The next value of a metric; none at the end of its file.
Result<void> MlflowLog::read(Metric& metric) {
  for (metric.value.reset(); !metric.value;) {
    const std::optional<std::string_view> line = BALLAST_TRY(metric.lines->next());
    if (!line) return {};
    if (!metric.lines->last_line_complete()) {  // perhaps not the whole number
      notes_.truncated = true;
      return {};
    }
    if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
    metric.value = parse_mlflow_line(*line);
    if (!metric.value)
      count_damaged(notes_, metric.lines->line_number(),
                    fmt::format("a line is no metric in {}", metric.name));
  }
  ++notes_.records;
  return {};
}

Result<bool> MlflowLog::next(TraceRecord& record) {
  const auto later = [](const Metric& a, const Metric& b) {
    if (!a.value || !b.value) return !a.value && b.value;
    return std::pair(a.value->time_ms, a.value->step) > std::pair(b.value->time_ms, b.value->step);
  };
  while (!BALLAST_TRY(rows_.pop(record))) {
    if (finished_) return false;
    const auto first = std::max_element(metrics_.begin(), metrics_.end(), later);
    if (first == metrics_.end() || !first->value) {
      finished_ = true;
      rows_.finish();
      continue;
    }
    const double seconds = static_cast<double>(first->value->time_ms) * 1e-3;
    rows_.add(first->value->step, time_us_of_number(seconds).value_or(0), first->column,
              first->value->value);
    BALLAST_TRY(read(*first));
  }
  return true;
}

Result<void> list_metrics(FileSystem& fs, const std::string& folder, const std::string& prefix,
                          int depth, std::vector<std::string>& names) {
  for (const std::string& name : BALLAST_TRY(fs.list(folder))) {
    const std::string path = join_path(folder, name);
    const FileInfo info = BALLAST_TRY(fs.info(path));
    if (info.is_directory && depth < kDeepest)
      BALLAST_TRY(list_metrics(fs, path, prefix + name + "/", depth + 1, names));
    if (info.is_regular) names.push_back(prefix + name);
    if (names.size() > kMostMetrics)
      return corrupt_error("the run has too many metrics", folder,
                           fmt::format("at most {}", kMostMetrics));
  }
  return {};
}

// `key: value` of meta.yaml, whose values stand on their lines.
std::string meta_value(std::string_view meta, std::string_view key) {
  while (!meta.empty()) {
    const size_t end = std::min(meta.find('\n'), meta.size());
    std::string_view line = meta.substr(0, end);
    meta.remove_prefix(std::min(end + 1, meta.size()));
    if (!line.starts_with(key) || line.substr(key.size(), 1) != ":") continue;
    line = trim_blanks(line.substr(key.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool quoted = line.size() >= 2 && (line.front() == '\'' || line.front() == '"') &&
                        line.back() == line.front();
    if (quoted) line = line.substr(1, line.size() - 2);
    return std::string(line == "null" ? "" : line);
  }
  return "";
}

Json parameters(FileSystem& fs, const std::string& folder) {
  Json all = Json::object();
  const Result<std::vector<std::string>> names = fs.list(folder);
  if (!names.ok()) return all;
  for (const std::string& name : *names) {
    if (all.size() >= kMostParameters) break;
    const Result<std::string> text = read_file(fs, join_path(folder, name), kLongestParameter);
    if (text.ok()) all[replace_invalid_utf8(name, nullptr)] = *text;
  }
  return all;
}

Result<TraceRecord> run_record(FileSystem& fs, const std::string& path) {
  const std::string meta = BALLAST_TRY(read_file(fs, join_path(path, "meta.yaml"), kLongestMeta));
  TraceRecord record;
  record.type = RecordType::run;
  Json details = Json::object();
  const std::string id = meta_value(meta, "run_id");
  const std::string status = meta_value(meta, "status");
  if (!id.empty()) details["run_id"] = id;
  if (!status.empty()) details["status"] = status;
  Json config = parameters(fs, join_path(path, "params"));
  if (!config.empty()) details["config"] = std::move(config);
  record.run.run = meta_value(meta, "run_name");
  if (record.run.run.empty()) record.run.run = id;
  const std::optional<double> start_ms = number_in(meta_value(meta, "start_time"));
  if (start_ms) record.run.time_us = time_us_of_number(*start_ms * 1e-3).value_or(0);
  record.run.details = std::move(details);
  return record;
}

Result<void> MlflowLog::open(FileSystem& fs, const std::string& path, const ColumnMap& map) {
  rows_.add_record(BALLAST_TRY(run_record(fs, path)));
  const std::string folder = join_path(path, "metrics");
  std::vector<std::string> names;
  BALLAST_TRY(list_metrics(fs, folder, "", 0, names));
  const std::vector<ColumnTarget> targets = BALLAST_TRY(map.resolve(names, folder));
  for (size_t i = 0; i < names.size(); ++i) {
    const ColumnKind kind = targets[i].kind;
    if (kind == ColumnKind::unused) count_unused(notes_, names[i]);
    if (kind != ColumnKind::field && kind != ColumnKind::eval_loss &&
        kind != ColumnKind::eval_perplexity)
      continue;
    const std::optional<size_t> column = rows_.column(names[i]);
    if (!column) continue;
    if (metrics_.size() >= kMostOpen)
      return corrupt_error("the run has too many metrics of use", folder,
                           fmt::format("at most {}", kMostOpen));
    Metric& metric = metrics_.emplace_back();
    metric.name = names[i];
    metric.column = *column;
    metric.source = BALLAST_TRY(open_source(fs, join_path(folder, names[i])));
    metric.lines = std::make_unique<LineReader>(*metric.source, kLongestLine);
    BALLAST_TRY(read(metric));
  }
  return {};
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<MlflowValue> parse_mlflow_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::string_view fields[3];
  size_t count = 0;
  for (; count < 3; ++count) {
    const size_t end = std::min(line.find(' '), line.size());
    fields[count] = line.substr(0, end);
    if (fields[count].empty()) break;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  if (count < 2) return std::nullopt;
  const std::optional<int64_t> time = whole_number(fields[0]);
  const std::optional<double> value = number_in(fields[1]);
  const std::optional<int64_t> step = count == 3 ? whole_number(fields[2]) : int64_t{0};
  if (!time || !value || !step || *step < 0) return std::nullopt;
  return MlflowValue{*time, *step, *value};
}

bool is_mlflow_folder(FileSystem& fs, const std::string& path) {
  const Result<FileInfo> metrics = fs.info(join_path(path, "metrics"));
  return metrics.ok() && metrics->is_directory && fs.exists(join_path(path, "meta.yaml"));
}

Result<std::unique_ptr<ForeignLog>> mlflow_log(FileSystem& fs, const std::string& path,
                                               const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, path));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  auto log = std::make_unique<MlflowLog>(map);
  BALLAST_TRY(log->open(fs, path, map));
  return std::unique_ptr<ForeignLog>(std::move(log));
}

}  // namespace ballast
