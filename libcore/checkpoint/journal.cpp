#include "libcore/checkpoint/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/hash.h"
#include "libcore/checkpoint/json_fields.h"
#include "libcore/trace/record.h"

namespace ballast {
namespace {

constexpr int64_t kJournalLimit = int64_t{1} << 30;
constexpr std::string_view kHashKey = ",\"hash\":\"";
constexpr size_t kHashDigits = 64;
constexpr size_t kTailBytes = kHashKey.size() + kHashDigits + 2;  // ,"hash":"..."}

std::string no_hash() { return std::string(kHashDigits, '0'); }

bool starts_segment(const JournalRecord& record) {
  return record.event == "start" || record.event == "resume";
}

Result<JournalRecord> parse_line(std::string_view line, const JournalContents& before,
                                 const std::string& where) {
  JournalRecord record;
  record.object = BALLAST_TRY(parse_json(line, where));
  if (BALLAST_TRY(count_field(record.object, "v", where)) != 1) {
    return corrupt_error("journal version is not 1", where);
  }
  record.seq = BALLAST_TRY(count_field(record.object, "seq", where));
  record.event = BALLAST_TRY(string_member(record.object, "event", where));
  const std::string time = BALLAST_TRY(string_member(record.object, "time", where));
  record.time_us = BALLAST_TRY(parse_time_us(time));
  const int64_t expected = static_cast<int64_t>(before.records.size()) + 1;
  if (record.seq != expected) {
    return corrupt_error(fmt::format("'seq' is {}", record.seq), where,
                         fmt::format("{} is expected; a line is missing", expected));
  }
  if (BALLAST_TRY(string_member(record.object, "prev", where)) != before.last_hash) {
    return corrupt_error("journal line does not follow the line before it", where,
                         "'prev' is not the hash of that line");
  }
  const std::string hash = BALLAST_TRY(string_member(record.object, "hash", where));
  const bool tail = line.size() > kTailBytes &&
                    line.substr(line.size() - kTailBytes, kHashKey.size()) == kHashKey;
  if (!tail || hash != sha256_hex(line.substr(0, line.size() - kTailBytes))) {
    return corrupt_error("journal line was changed", where, "its hash of itself does not fit");
  }
  return record;
}

Result<PendingRollback> parse_rollback(const JournalRecord& record) {
  const std::string where = fmt::format("{}:{}", kJournalName, record.seq);
  const Json& json = record.object;
  PendingRollback rollback;
  rollback.seq = record.seq;
  rollback.step = BALLAST_TRY(count_field(json, "step", where));
  rollback.segment = BALLAST_TRY(count_field(json, "segment", where));
  rollback.parent_segment = BALLAST_TRY(count_field(json, "parent_segment", where));
  rollback.abandoned = BALLAST_TRY(count_field(json, "abandoned", where));
  rollback.reason = BALLAST_TRY(string_member(json, "reason", where));
  rollback.skip = BALLAST_TRY(skip_ranges_field(json, "skip", where));
  return rollback;
}

}  // namespace

std::string journal_line(int64_t seq, int64_t time_us, const std::string& event, const Json& fields,
                         const std::string& previous_hash) {
  Json json;
  json["v"] = 1;
  json["seq"] = seq;
  json["time"] = format_time_us(time_us);
  json["event"] = event;
  for (const auto& [key, value] : fields.items()) {
    BALLAST_CHECK(!json.contains(key) && key != "prev" && key != "hash");
    json[key] = value;
  }
  json["prev"] = previous_hash;
  std::string line = to_json_line(json);
  if (line.back() == '\n') line.pop_back();
  line.pop_back();  // the closing brace
  const std::string hash = sha256_hex(line);
  return line.append(kHashKey).append(hash).append("\"}\n");
}

Result<JournalContents> parse_journal(std::string_view text, const std::string& where) {
  JournalContents contents;
  contents.last_hash = no_hash();
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string place = fmt::format("{}:{}", where, contents.records.size() + 1);
    contents.records.push_back(BALLAST_TRY(parse_line(text.substr(0, end), contents, place)));
    contents.last_hash = contents.records.back().object.at("hash").get<std::string>();
    contents.bytes += static_cast<int64_t>(end) + 1;
    text.remove_prefix(end + 1);
  }
  contents.torn_bytes = static_cast<int64_t>(text.size());
  return contents;
}

Result<JournalContents> read_journal(FileSystem& fs, const std::string& run_directory) {
  const std::string path = join_path(run_directory, kJournalName);
  if (!fs.exists(path)) return parse_journal("", path);
  const std::string text = BALLAST_TRY(read_file(fs, path, kJournalLimit));
  return parse_journal(text, path);
}

Result<JournalRecord> append_journal(FileSystem& fs, const std::string& run_directory,
                                     const std::string& event, const Json& fields) {
  const std::string path = join_path(run_directory, kJournalName);
  JournalContents contents = BALLAST_TRY(read_journal(fs, run_directory));
  if (contents.torn_bytes > 0) BALLAST_TRY(fs.truncate(path, contents.bytes));
  const std::string line = journal_line(static_cast<int64_t>(contents.records.size()) + 1,
                                        wall_clock_us(), event, fields, contents.last_hash);
  const bool created = !fs.exists(path);
  auto file = BALLAST_TRY(fs.open_append(path));
  BALLAST_TRY(file->append(as_bytes(line)));
  BALLAST_TRY(file->sync());
  BALLAST_TRY(file->close());
  if (created) BALLAST_TRY(fs.sync_directory(run_directory));
  return parse_line(std::string_view(line).substr(0, line.size() - 1), contents, path);
}

Result<std::optional<PendingRollback>> pending_rollback(const JournalContents& journal) {
  const JournalRecord* pending = nullptr;
  for (const JournalRecord& record : journal.records) {
    if (record.event == "rollback") pending = &record;
    if (starts_segment(record)) pending = nullptr;
  }
  if (pending == nullptr) return std::optional<PendingRollback>();
  return std::optional(BALLAST_TRY(parse_rollback(*pending)));
}

Result<std::optional<PendingRollback>> pending_rollback(FileSystem& fs,
                                                        const std::string& run_directory) {
  return pending_rollback(BALLAST_TRY(read_journal(fs, run_directory)));
}

Result<std::vector<SkipRange>> skips_of_parent(const JournalContents& journal, int64_t step,
                                               int64_t segment) {
  std::vector<SkipRange> skips;
  for (const JournalRecord& record : journal.records) {
    if (record.event != "rollback") continue;
    const PendingRollback rollback = BALLAST_TRY(parse_rollback(record));
    if (rollback.step != step || rollback.parent_segment != segment) continue;
    for (const SkipRange& range : rollback.skip) add_skip_range(skips, range);
  }
  return skips;
}

std::vector<int64_t> rollback_parents(const JournalContents& journal) {
  std::vector<int64_t> steps;
  for (const JournalRecord& record : journal.records) {
    if (record.event == "rollback" && record.object.contains("step") &&
        record.object.at("step").is_number_integer())
      steps.push_back(record.object.at("step").get<int64_t>());
  }
  return steps;
}

int64_t next_segment(const JournalContents& journal) {
  int64_t next = 0;
  for (const JournalRecord& record : journal.records) {
    const auto segment = count_field(record.object, "segment", "");
    if (segment.ok()) next = std::max(next, *segment + 1);
  }
  return next;
}

}  // namespace ballast
