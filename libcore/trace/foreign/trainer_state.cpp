#include "libcore/trace/foreign/trainer_state.h"

#include <fmt/format.h>

#include <cmath>

#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/json_pull.h"
#include "libcore/trace/foreign/rows.h"

namespace ballast {
namespace {

constexpr std::string_view kHistory = "log_history";
constexpr double kMostLoggingSteps = 1e9;

class TrainerStateLog final : public ForeignLog {
 public:
  TrainerStateLog(std::unique_ptr<ByteSource> source, ColumnMap map)
      : source_(std::move(source)),
        json_(*source_),
        rows_(std::move(map), notes_),
        row_(rows_, notes_) {}

  Result<void> open() {
    if (BALLAST_TRY(json_.next()) != JsonToken::begin_object)
      return corrupt_error("the file is no JSON object", source_->name());
    return {};
  }
  Result<bool> next(TraceRecord& record) override {
    while (!BALLAST_TRY(rows_.pop(record))) {
      if (finished_) return false;
      if (BALLAST_TRY(read())) continue;
      finish();
    }
    return true;
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  Result<bool> read();
  Result<bool> read_item(JsonToken first);
  void finish();

  std::unique_ptr<ByteSource> source_;
  JsonPull json_;
  ForeignNotes notes_;
  Rows rows_;
  NamedRow row_;
  bool in_history_ = false;
  bool has_loss_ = false;
  double logging_steps_ = 0;
  bool finished_ = false;
};

// One member of the file, or one item of its history; false at the end and where it is damaged.
Result<bool> TrainerStateLog::read() {
  JsonToken token = BALLAST_TRY(json_.next());
  if (in_history_) {
    in_history_ = token != JsonToken::end_array;
    return in_history_ ? BALLAST_TRY(read_item(token)) : true;
  }
  if (token != JsonToken::key) return false;
  const std::string key = json_.text();
  token = BALLAST_TRY(json_.next());
  if (key == kHistory && token == JsonToken::begin_array) {
    in_history_ = true;
    return true;
  }
  if (key == "logging_steps" && token == JsonToken::number) logging_steps_ = json_.number();
  return json_.skip(token);
}

Result<bool> TrainerStateLog::read_item(JsonToken first) {
  const int64_t offset = json_.offset() - 1;
  if (first != JsonToken::begin_object) {
    if (!BALLAST_TRY(json_.skip(first))) return false;
    count_damaged(notes_, offset, "an item of the history is no object");
    return true;
  }
  bool summary = false;
  bool loss = false;
  std::string name;
  row_.clear();
  const bool good = BALLAST_TRY(json_.numbers(first, name, [&](std::string_view key, double value) {
    summary = summary || key == "train_runtime";
    loss = loss || key == "loss";
    row_.add(key, value);
  }));
  if (!good) return false;
  has_loss_ = has_loss_ || loss;
  if (summary) row_.clear();
  row_.finish(0, offset);
  return true;
}

void TrainerStateLog::finish() {
  finished_ = true;
  rows_.finish();
  if (json_.truncated()) {
    notes_.truncated = true;
  } else if (!json_.damage().empty()) {
    count_damaged(notes_, json_.offset(), json_.damage());
  }
  // Old files do not say over how many steps.
  if (!has_loss_ || logging_steps_ == 1 || logging_steps_ > kMostLoggingSteps) return;
  notes_.averaged = logging_steps_ > 1 ? fmt::format("loss over {:.0f} steps", logging_steps_)
                                       : std::string("loss over the steps since the record before");
  notes_.averaged += ", grad_norm of the last step alone";
}

}  // namespace

bool looks_like_trainer_state(std::string_view head) {
  JsonPull json(head);
  Result<JsonToken> token = json.next();
  if (!token.ok() || *token != JsonToken::begin_object) return false;
  for (;;) {
    token = json.next();
    if (!token.ok() || *token != JsonToken::key) return false;
    const bool history = json.text() == kHistory;
    token = json.next();
    if (!token.ok() || history) return token.ok() && *token == JsonToken::begin_array;
    const Result<bool> good = json.skip(*token);
    if (!good.ok() || !*good) return false;
  }
}

Result<std::unique_ptr<ForeignLog>> trainer_state_log(std::unique_ptr<ByteSource> source,
                                                      const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, source->name()));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  auto log = std::make_unique<TrainerStateLog>(std::move(source), std::move(map));
  BALLAST_TRY(log->open());
  return std::unique_ptr<ForeignLog>(std::move(log));
}

}  // namespace ballast
