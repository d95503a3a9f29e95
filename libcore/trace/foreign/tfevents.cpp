#include "libcore/trace/foreign/tfevents.h"

#include <algorithm>
#include <charconv>
#include <deque>

#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/rows.h"
#include "libcore/trace/foreign/tfevents_message.h"
#include "libcore/trace/foreign/tfrecord.h"

namespace ballast {
namespace {

constexpr std::string_view kInName = ".tfevents.";
constexpr std::string_view kTwin = " vs samples";

class EventLog final : public ForeignLog {
 public:
  EventLog(FileSystem* fs, std::deque<std::string> files, ColumnMap map)
      : fs_(fs), files_(std::move(files)), rows_(std::move(map), notes_) {}

  void take(std::unique_ptr<ByteSource> source, const std::string& name) {
    source_ = std::move(source);
    reader_ = std::make_unique<TfRecordReader>(*source_, name, notes_);
  }

  Result<bool> next(TraceRecord& record) override {
    while (!BALLAST_TRY(rows_.pop(record))) {
      if (!BALLAST_TRY(read())) return false;
    }
    return true;
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  Result<bool> read();
  Result<bool> next_file();
  void take_event();

  FileSystem* fs_;                 // of a folder
  std::deque<std::string> files_;  // that come after this one
  ForeignNotes notes_;
  Rows rows_;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<TfRecordReader> reader_;
  TfEvent event_;
  bool finished_ = false;
};

Result<bool> EventLog::next_file() {
  if (files_.empty()) {
    rows_.finish();
    return false;
  }
  rows_.restart();
  const std::string path = files_.front();
  files_.pop_front();
  take(BALLAST_TRY(open_source(*fs_, path)), file_name(path));
  return true;
}

// False once there is nothing more.
Result<bool> EventLog::read() {
  if (finished_) return false;
  std::optional<std::string_view> payload;
  if (reader_) payload = BALLAST_TRY(reader_->next());
  if (!payload) {
    finished_ = !BALLAST_TRY(next_file());
    return true;
  }
  if (!parse_tfevent(*payload, event_) || event_.step < 0) {
    reader_->damaged(reader_->offset(), "a record is no event");
    return true;
  }
  ++notes_.records;
  take_event();
  return true;
}

void EventLog::take_event() {
  const int64_t time_us = time_us_of_number(event_.wall_time).value_or(0);
  if (event_.session_start && event_.step > 0) {
    TraceRecord record;
    record.type = RecordType::event;
    record.event.time_us = time_us;
    record.event.step = event_.step;
    record.event.event = "resume";
    record.event.reason = "the event file says that a session starts here";
    rows_.add_record(std::move(record));
  }
  for (const auto& [tag, value] : event_.scalars) {
    if (tag.ends_with(kTwin)) continue;
    if (const std::optional<size_t> column = rows_.column(tag))
      rows_.add(event_.step, time_us, *column, value);
  }
}

bool is_event_file(std::string_view name) { return name.find(kInName) != std::string_view::npos; }

// "events.out.tfevents.1700000000.host" -> 1.7e9; 0 when the name does not say.
double time_in_name(std::string_view name) {
  const size_t at = name.find(kInName);
  if (at == std::string_view::npos) return 0;
  const std::string_view rest = name.substr(at + kInName.size());
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
  return error == std::errc() && seconds > 0 ? static_cast<double>(seconds) : 0;
}

Result<double> start_of(FileSystem& fs, const std::string& path) {
  const std::unique_ptr<ByteSource> source = BALLAST_TRY(open_source(fs, path));
  ForeignNotes notes;
  TfRecordReader reader(*source, "", notes);
  const std::optional<std::string_view> payload = BALLAST_TRY(reader.next());
  TfEvent event;
  if (payload && parse_tfevent(*payload, event) && event.wall_time > 0) return event.wall_time;
  return time_in_name(file_name(path));
}

}  // namespace

// A damaged first record does not hide what the file is.
bool looks_like_tfevents(std::string_view head) {
  for (size_t at = 0; at < head.size(); ++at) {
    const std::optional<std::string_view> payload = tfrecord_at(head.substr(at));
    TfEvent event;
    if (payload && !payload->empty()) return parse_tfevent(*payload, event);
  }
  return false;
}

Result<std::unique_ptr<ForeignLog>> tfevents_log(std::unique_ptr<ByteSource> source,
                                                 const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, source->name()));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  auto log = std::make_unique<EventLog>(nullptr, std::deque<std::string>{}, std::move(map));
  log->take(std::move(source), "");
  return std::unique_ptr<ForeignLog>(std::move(log));
}

bool is_tfevents_folder(FileSystem& fs, const std::string& path) {
  const Result<std::vector<std::string>> names = fs.list(path);
  return names.ok() && std::any_of(names->begin(), names->end(), is_event_file);
}

Result<std::unique_ptr<ForeignLog>> tfevents_folder_log(FileSystem& fs, const std::string& path,
                                                        const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, path));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  std::vector<std::pair<double, std::string>> files;
  for (const std::string& name : BALLAST_TRY(fs.list(path))) {
    const std::string file = join_path(path, name);
    if (!is_event_file(name) || BALLAST_TRY(fs.info(file)).is_directory) continue;
    files.emplace_back(BALLAST_TRY(start_of(fs, file)), file);
  }
  if (files.empty()) return usage_error("the folder has no event files", path);
  std::sort(files.begin(), files.end());
  std::deque<std::string> paths;
  for (auto& [time, file] : files) paths.push_back(std::move(file));
  return std::unique_ptr<ForeignLog>(
      std::make_unique<EventLog>(&fs, std::move(paths), std::move(map)));
}

}  // namespace ballast
