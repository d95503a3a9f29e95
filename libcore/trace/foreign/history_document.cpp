#include "libcore/trace/foreign/history_document.h"

#include <bit>

#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/history_tables.h"
#include "libcore/trace/foreign/json_pull.h"

namespace ballast {
namespace {

constexpr size_t kMostTables = 256;

class DocumentReader {
 public:
  DocumentReader(ByteSource& source, Rows& rows, ForeignNotes& notes)
      : where_(source.name()), json_(source), rows_(rows), notes_(notes), row_(rows, notes) {}

  Result<void> read() {
    const JsonToken first = BALLAST_TRY(json_.next());
    const bool good = first == JsonToken::begin_array    ? BALLAST_TRY(read_rows())
                      : first == JsonToken::begin_object ? BALLAST_TRY(read_top())
                                                         : BALLAST_TRY(json_.skip(first));
    if (!good && json_.truncated()) notes_.truncated = true;
    if (!good && !json_.truncated()) count_damaged(notes_, json_.offset(), json_.damage());
    put_run();
    add_history_tables(std::move(tables_), rows_, notes_);
    return {};
  }

 private:
  Result<bool> read_top();
  Result<bool> read_history(JsonToken first);
  Result<bool> read_rows();
  Result<bool> read_columns();
  Result<bool> read_member(const std::string& key, JsonToken first);
  Result<bool> read_column(size_t table, const std::string& name, JsonToken first);
  Result<bool> read_values(std::vector<double>& values, JsonToken first);
  Result<JsonToken> next();
  size_t table_of(const std::string& name);
  void put_run();

  const std::string where_;
  JsonPull json_;
  Rows& rows_;
  ForeignNotes& notes_;
  NamedRow row_;
  RunRecord run_;
  bool has_run_ = false;
  std::vector<HistoryTable> tables_;
};

Result<JsonToken> DocumentReader::next() {
  if (json_.offset() > kLongestHistoryDocument)
    return corrupt_error("the history is over 1 GiB long", where_,
                         "one object a line has no limit");
  return json_.next();
}

void DocumentReader::put_run() {
  if (!has_run_) return;
  has_run_ = false;
  TraceRecord record;
  record.type = RecordType::run;
  record.run = run_;
  rows_.add_record(std::move(record));
}

Result<bool> DocumentReader::read_top() {
  for (;;) {
    JsonToken token = BALLAST_TRY(next());
    if (token == JsonToken::end_object) return true;
    if (token == JsonToken::damaged) return false;
    const std::string key = json_.text();
    token = BALLAST_TRY(next());
    bool good = true;
    if ((key == "name" || key == "display_name") && token == JsonToken::string) {
      run_.run = json_.text();
      has_run_ = true;
    } else if (key == "config" && token == JsonToken::begin_object) {
      Json config;
      good = BALLAST_TRY(json_.value(token, config));
      if (config.is_object()) run_.details["config"] = std::move(config);
      has_run_ = has_run_ || !run_.details.is_null();
    } else if (key == "summary" || key == "_wandb") {
      good = BALLAST_TRY(json_.skip(token));
    } else if (key == "history") {
      good = BALLAST_TRY(read_history(token));
    } else {
      good = BALLAST_TRY(read_member(key, token));
    }
    if (!good) return false;
  }
}

Result<bool> DocumentReader::read_history(JsonToken first) {
  if (first == JsonToken::begin_object) return read_columns();
  if (first != JsonToken::begin_array) return json_.skip(first);
  put_run();
  return read_rows();
}

Result<bool> DocumentReader::read_rows() {
  for (;;) {
    const JsonToken token = BALLAST_TRY(next());
    if (token == JsonToken::end_array) return true;
    const int64_t offset = json_.offset();
    if (token != JsonToken::begin_object) {
      if (!BALLAST_TRY(json_.skip(token))) return false;
      count_damaged(notes_, offset, "a row is no object");
      continue;
    }
    row_.clear();
    std::string name;
    const bool good = BALLAST_TRY(json_.numbers(
        token, name, [&](std::string_view key, double value) { row_.add(key, value); }));
    if (!good) return false;
    row_.finish(0, offset);
  }
}

Result<bool> DocumentReader::read_columns() {
  for (;;) {
    JsonToken token = BALLAST_TRY(next());
    if (token == JsonToken::end_object) return true;
    if (token == JsonToken::damaged) return false;
    const std::string key = json_.text();
    token = BALLAST_TRY(next());
    if (!BALLAST_TRY(read_member(key, token))) return false;
  }
}

size_t DocumentReader::table_of(const std::string& name) {
  for (size_t i = 0; i < tables_.size(); ++i)
    if (tables_[i].name == name) return i;
  tables_.push_back({name, {}});
  return tables_.size() - 1;
}

// A column, or a group of them: an object whose members are columns themselves.
Result<bool> DocumentReader::read_member(const std::string& key, JsonToken first) {
  if (tables_.size() >= kMostTables) return json_.skip(first);
  if (first == JsonToken::begin_array) return read_column(table_of(""), key, first);
  if (first != JsonToken::begin_object) return json_.skip(first);
  std::optional<size_t> group;
  std::vector<double> values;  // of one column, as pandas writes it: {"0": v, "1": v}
  for (;;) {
    JsonToken token = BALLAST_TRY(next());
    if (token == JsonToken::damaged) return false;
    if (token == JsonToken::end_object) break;
    const std::string name = json_.text();
    token = BALLAST_TRY(next());
    const bool nested = token == JsonToken::begin_array || token == JsonToken::begin_object;
    if (nested && !group) group = table_of(key);
    const bool good = nested ? BALLAST_TRY(read_column(*group, name, token))
                             : BALLAST_TRY(read_values(values, token));
    if (!good) return false;
  }
  if (!group && rows_.is_of_use(key))
    tables_[table_of("")].columns.push_back({key, std::move(values)});
  if (!group && !rows_.is_of_use(key)) count_unused(notes_, key);
  return true;
}

Result<bool> DocumentReader::read_column(size_t table, const std::string& name, JsonToken first) {
  const std::string& group = tables_[table].name;
  if (!rows_.is_of_use(name) && !rows_.is_of_use(group + "/" + name)) {
    count_unused(notes_, name);
    return json_.skip(first);
  }
  const JsonToken last =
      first == JsonToken::begin_array ? JsonToken::end_array : JsonToken::end_object;
  HistoryTable::Column column{name, {}};
  bool good = true;
  for (;;) {
    JsonToken token = BALLAST_TRY(next());
    good = token != JsonToken::damaged;
    if (token == last || !good) break;
    if (token == JsonToken::key) token = BALLAST_TRY(next());
    good = BALLAST_TRY(read_values(column.values, token));
    if (!good) break;
  }
  tables_[table].columns.push_back(std::move(column));
  return good;
}

// One value into `values`.
Result<bool> DocumentReader::read_values(std::vector<double>& values, JsonToken first) {
  double value = std::bit_cast<double>(kMissingBits);
  if (first == JsonToken::number || first == JsonToken::boolean) value = json_.number();
  if (first == JsonToken::string) (void)nonfinite_word(json_.text(), value);
  values.push_back(value);
  return json_.skip(first);
}

}  // namespace

Result<void> read_history_document(ByteSource& source, Rows& rows, ForeignNotes& notes) {
  return DocumentReader(source, rows, notes).read();
}

}  // namespace ballast
