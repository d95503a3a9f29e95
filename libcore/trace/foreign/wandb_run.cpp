#include "libcore/trace/foreign/wandb_run.h"

#include <algorithm>

#include "libcore/io/json.h"
#include "libcore/io/utf8.h"
#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/json_pull.h"
#include "libcore/trace/foreign/protobuf_wire.h"
#include "libcore/trace/foreign/rows.h"
#include "libcore/trace/foreign/wandb_framing.h"

namespace ballast {
namespace {

// Field numbers of wandb_internal.proto.
enum RecordField : uint32_t { kHistory = 2, kRun = 17 };
enum ItemField : uint32_t {
  kKey = 1,
  kNestedKey = 2,
  kBoolean = 4,
  kInteger = 5,
  kNumber = 6,
  kText = 7,
  kJson = 8,
  kValueJson = 16
};
enum RunField : uint32_t {
  kRunId = 1,
  kEntity = 2,
  kProject = 3,
  kConfig = 4,
  kDisplayName = 8,
  kHost = 13,
  kStartTime = 17
};

constexpr size_t kMostConfigBytes = size_t{1} << 16;

class RunFileLog final : public ForeignLog {
 public:
  RunFileLog(std::unique_ptr<ByteSource> source, ColumnMap map)
      : source_(std::move(source)),
        reader_(*source_, notes_),
        rows_(std::move(map), notes_),
        row_(rows_, notes_),
        json_(std::string_view()) {}

  Result<void> open() { return reader_.read_header(source_->name()); }
  Result<bool> next(TraceRecord& record) override {
    while (!BALLAST_TRY(rows_.pop(record))) {
      if (finished_) return false;
      const std::optional<std::string_view> payload = BALLAST_TRY(reader_.next());
      finished_ = !payload;
      if (finished_) rows_.finish();
      if (payload && !BALLAST_TRY(take_record(*payload)))
        count_damaged(notes_, reader_.offset(), "a record is no message");
    }
    return true;
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  Result<bool> take_record(std::string_view message);
  Result<bool> take_history(std::string_view message);
  Result<bool> take_item(std::string_view message);
  Result<bool> take_json(std::string_view text);
  bool take_run(std::string_view message);

  std::unique_ptr<ByteSource> source_;
  ForeignNotes notes_;
  WandbRecordReader reader_;
  Rows rows_;
  NamedRow row_;
  JsonPull json_;
  std::string name_;  // of an item
  int64_t start_us_ = 0;
  bool has_run_ = false;
  bool finished_ = false;
};

Result<bool> RunFileLog::take_record(std::string_view message) {
  WireReader reader(message);
  WireField field;
  std::optional<std::string_view> history, run;
  while (reader.next(field)) {
    if (field.is(kHistory, WireType::bytes)) history = field.bytes;
    if (field.is(kRun, WireType::bytes)) run = field.bytes;
  }
  if (reader.damaged()) return false;
  if (history) return take_history(*history);
  if (run && !take_run(*run)) return false;
  ++notes_.records;
  return true;
}

Result<bool> RunFileLog::take_history(std::string_view message) {
  row_.clear();
  WireReader reader(message);
  WireField field;
  while (reader.next(field)) {
    if (field.is(1, WireType::bytes) && !BALLAST_TRY(take_item(field.bytes))) return false;
    if (!field.is(2, WireType::bytes)) continue;
    int64_t number = 0;  // which is not written when it is 0
    WireReader step(field.bytes);
    WireField part;
    while (step.next(part))
      if (part.is(1, WireType::varint)) number = part.integer();
    row_.add("_step", static_cast<double>(number));
  }
  if (reader.damaged()) return false;
  row_.finish(start_us_, reader_.offset());
  return true;
}

Result<bool> RunFileLog::take_item(std::string_view message) {
  WireReader names(message);
  WireField field;
  name_.clear();
  while (names.next(field)) {
    if (field.type != WireType::bytes) continue;
    if (field.number == kKey) name_ = field.bytes;
    if (field.number != kNestedKey) continue;
    if (!name_.empty()) name_ += '.';
    name_ += field.bytes;
  }
  if (names.damaged()) return false;
  WireReader values(message);
  while (values.next(field)) {
    double word = 0;
    if (field.is(kBoolean, WireType::varint)) row_.add(name_, field.bits != 0 ? 1 : 0);
    if (field.is(kInteger, WireType::varint)) row_.add(name_, static_cast<double>(field.zigzag()));
    if (field.is(kNumber, WireType::fixed64)) row_.add(name_, field.number64());
    if (field.is(kText, WireType::bytes) && nonfinite_word(field.bytes, word))
      row_.add(name_, word);
    if (field.is(kJson, WireType::bytes) || field.is(kValueJson, WireType::bytes)) {
      if (!BALLAST_TRY(take_json(field.bytes))) return false;
    }
  }
  return true;
}

Result<bool> RunFileLog::take_json(std::string_view text) {
  json_.reset(text);
  const JsonToken first = BALLAST_TRY(json_.next());
  return json_.numbers(first, name_,
                       [&](std::string_view name, double value) { row_.add(name, value); });
}

// Seconds and nanoseconds of a google.protobuf.Timestamp.
int64_t time_us_of(std::string_view message) {
  WireReader reader(message);
  WireField field;
  double seconds = 0;
  while (reader.next(field)) {
    if (field.is(1, WireType::varint)) seconds += static_cast<double>(field.integer());
    if (field.is(2, WireType::varint)) seconds += static_cast<double>(field.integer()) * 1e-9;
  }
  return time_us_of_number(seconds).value_or(0);
}

void take_config(std::string_view message, Json& config) {
  WireReader updates(message);
  WireField update;
  while (updates.next(update)) {
    if (!update.is(1, WireType::bytes)) continue;
    WireReader item(update.bytes);
    WireField field;
    std::string key;
    Json value;
    while (item.next(field)) {
      if (field.is(kKey, WireType::bytes)) key = replace_invalid_utf8(field.bytes, nullptr);
      if (!field.is(kValueJson, WireType::bytes)) continue;
      JsonPull json(field.bytes);
      const Result<JsonToken> first = json.next();
      if (!first.ok() || !json.value(*first, value).ok()) value = nullptr;
    }
    if (!key.empty() && key != "_wandb") config[key] = std::move(value);
  }
}

bool RunFileLog::take_run(std::string_view message) {
  TraceRecord record;
  record.type = RecordType::run;
  RunRecord& run = record.run;
  std::string id;
  Json details = Json::object();
  Json config = Json::object();
  WireReader reader(message);
  WireField field;
  while (reader.next(field)) {
    if (field.type != WireType::bytes) continue;
    if (field.number == kRunId) id = field.bytes;
    if (field.number == kEntity) details["entity"] = std::string(field.bytes);
    if (field.number == kProject) details["project"] = std::string(field.bytes);
    if (field.number == kDisplayName) run.run = field.bytes;
    if (field.number == kHost) run.host = field.bytes;
    if (field.number == kStartTime) run.time_us = time_us_of(field.bytes);
    if (field.number == kConfig && field.bytes.size() <= kMostConfigBytes)
      take_config(field.bytes, config);
  }
  if (reader.damaged()) return false;
  if (run.time_us > 0) start_us_ = run.time_us;
  if (has_run_) return true;  // the client may send it again
  has_run_ = true;
  if (run.run.empty()) run.run = id;
  if (!id.empty()) details["run_id"] = id;
  if (!config.empty()) details["config"] = std::move(config);
  run.details = std::move(details);
  rows_.add_record(std::move(record));
  return true;
}

std::vector<std::string> run_files(FileSystem& fs, const std::string& path) {
  Result<std::vector<std::string>> names = fs.list(path);
  if (!names.ok()) return {};
  std::erase_if(*names, [](const std::string& name) {
    return !name.starts_with("run-") || !name.ends_with(".wandb");
  });
  return names.take_value();
}

}  // namespace

bool looks_like_wandb_run(std::string_view head) { return head.starts_with(kWandbMagic); }

Result<std::unique_ptr<ForeignLog>> wandb_run_log(std::unique_ptr<ByteSource> source,
                                                  const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, source->name()));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  auto log = std::make_unique<RunFileLog>(std::move(source), std::move(map));
  BALLAST_TRY(log->open());
  return std::unique_ptr<ForeignLog>(std::move(log));
}

bool is_wandb_run_folder(FileSystem& fs, const std::string& path) {
  return !run_files(fs, path).empty();
}

Result<std::unique_ptr<ForeignLog>> wandb_run_folder_log(FileSystem& fs, const std::string& path,
                                                         const ImportOptions& options) {
  const std::vector<std::string> files = run_files(fs, path);
  if (files.size() != 1)
    return usage_error(files.empty() ? "the folder has no run file" : "the folder has several runs",
                       path, "name the .wandb file");
  return wandb_run_log(BALLAST_TRY(open_source(fs, join_path(path, files.front()))), options);
}

}  // namespace ballast
