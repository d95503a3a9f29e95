#include "tools/gradstat/live_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "libcore/trace/foreign/json_lines.h"
#include "libcore/trace/foreign/llmc.h"
#include "libcore/trace/foreign/megatron.h"
#include "libcore/trace/foreign/olmo_core.h"
#include "libcore/trace/foreign/segmenter.h"
#include "libcore/trace/foreign/table.h"
#include "libcore/trace/foreign/torchtitan.h"

namespace ballast {
namespace {

constexpr size_t kMostHead = 64 << 10;

using OpenLog = Result<std::unique_ptr<ForeignLog>> (*)(std::unique_ptr<ByteSource>,
                                                        const ImportOptions&);
struct Format {
  LogFormat format;
  LooksLike looks_like;
  OpenLog open;
};
constexpr Format kFormats[] = {
    {LogFormat::llmc, looks_like_llmc, llmc_log},
    {LogFormat::megatron, looks_like_megatron, megatron_log},
    {LogFormat::torchtitan, looks_like_torchtitan, torchtitan_log},
    {LogFormat::olmo_core, looks_like_olmo_core, olmo_core_log},
    {LogFormat::json_lines, looks_like_json_lines, json_lines_log},
    {LogFormat::table, looks_like_table, table_log},
};

}  // namespace

class LiveRecords::Lines final : public ByteSource {
 public:
  explicit Lines(LiveRecords& records) : records_(records) {}
  Result<size_t> read(MutableBytes into) override {
    std::string& held = records_.head_;
    while (held.empty()) {
      const Tail::Next next = BALLAST_TRY(records_.tail_.next(records_.hooks_.wait_ms()));
      if (next.state == Tail::State::ended) return size_t{0};
      if (next.state == Tail::State::nothing) {
        if (!records_.hooks_.idle()) return size_t{0};
        continue;
      }
      held.assign(next.line);
      held += '\n';
      records_.hooks_.line();
    }
    const size_t taken = std::min(held.size(), into.size());
    std::memcpy(into.data(), held.data(), taken);
    held.erase(0, taken);
    return taken;
  }
  const std::string& name() const override { return records_.tail_.path(); }

 private:
  LiveRecords& records_;
};

LiveRecords::LiveRecords(Tail& tail, Hooks hooks, bool skip_bad_lines, ImportOptions import)
    : tail_(tail),
      hooks_(std::move(hooks)),
      skip_bad_lines_(skip_bad_lines),
      import_(std::move(import)) {}
LiveRecords::~LiveRecords() = default;

int64_t LiveRecords::damaged() const { return log_ != nullptr ? log_->notes().damaged : damaged_; }

// The format that the user named, whatever the lines look like.
Result<void> LiveRecords::open_named() {
  known_ = true;
  own_ = *import_.format == LogFormat::ballast;
  if (own_) return refuse_for_ours(import_, tail_.path());
  for (const Format& format : kFormats) {
    if (format.format != *import_.format) continue;
    log_ = BALLAST_TRY(format.open(std::make_unique<Lines>(*this), import_));
    return {};
  }
  return usage_error("a log of this format cannot be followed", tail_.path(),
                     std::string(format_name(*import_.format)));
}

// Reads lines until they are known for what they are. What nobody knows is taken for a trace of
// ours that is damaged.
Result<bool> LiveRecords::find_format() {
  TraceRecord record;
  while (head_.size() < kMostHead) {
    const Tail::Next next = BALLAST_TRY(tail_.next(hooks_.wait_ms()));
    if (next.state == Tail::State::ended) break;
    if (next.state == Tail::State::nothing) {
      if (!hooks_.idle()) return false;
      continue;
    }
    hooks_.line();
    const bool own = !next.line.empty() && parser_.parse(next.line, record).ok();
    head_.append(next.line);
    head_ += '\n';
    own_ = own;
    if (own) {
      BALLAST_TRY(refuse_for_ours(import_, tail_.path()));
      break;
    }
    for (const Format& format : kFormats) {
      if (!format.looks_like(head_)) continue;
      log_ = BALLAST_TRY(format.open(std::make_unique<Lines>(*this), import_));
      known_ = true;
      return true;
    }
  }
  known_ = true;
  return true;
}

Result<bool> LiveRecords::next_own(TraceRecord& record) {
  while (true) {
    std::string_view line;
    std::string held;
    if (!head_.empty()) {
      const size_t end = head_.find('\n');
      held = head_.substr(0, end);
      head_.erase(0, end + 1);
      line = held;
    } else {
      const Tail::Next next = BALLAST_TRY(tail_.next(hooks_.wait_ms()));
      if (next.state == Tail::State::ended) return false;
      if (next.state == Tail::State::nothing) {
        if (!hooks_.idle()) return false;
        continue;
      }
      hooks_.line();
      if (next.restarted) line_ = 0;
      line = next.line;
    }
    ++line_;
    if (line.empty()) continue;
    Result<void> parsed = parser_.parse(line, record);
    if (parsed.ok()) return true;
    Error error = parsed.take_error();
    error.where = fmt::format("{}:{}", tail_.path(), line_);
    if (!skip_bad_lines_ && own_) return error;
    if (!skip_bad_lines_)
      return corrupt_error("this is no log that can be followed", error.where,
                           "a trace of ours, llm.c, Megatron-LM, torchtitan, OLMo-core, CSV, TSV "
                           "or JSON Lines");
    if (damaged_++ == 0) first_damage_ = error.message();
  }
}

Result<bool> LiveRecords::next_foreign(TraceRecord& record) {
  if (!waiting_.empty()) {
    record = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }
  if (!BALLAST_TRY(log_->next(record))) return false;
  if (record.type == RecordType::step) {
    const int64_t step = record.step.step;
    if (last_step_ < 0) from_zero_ = step == 0;
    complete_step(record.step, import_, from_zero_);
    record.segment = record.step.segment = segment_;
    if (step <= last_step_) {
      record.segment = record.step.segment = ++segment_;
      waiting_.push_back(std::move(record));
      record = TraceRecord();
      record.type = RecordType::run;
      record.segment = record.run.segment = segment_;
      record.run.parent = segment_ - 1;
      record.run.parent_step = step - 1;
    }
    last_step_ = step;
  }
  return true;
}

Result<bool> LiveRecords::next(TraceRecord& record) {
  if (!known_ && import_.format) BALLAST_TRY(open_named());
  if (!known_ && !BALLAST_TRY(find_format())) return false;
  return log_ != nullptr ? next_foreign(record) : next_own(record);
}

}  // namespace ballast
