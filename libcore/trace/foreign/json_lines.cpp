#include "libcore/trace/foreign/json_lines.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>

#include "libcore/base/ascii.h"
#include "libcore/trace/foreign/gather.h"

namespace ballast {
namespace {

constexpr size_t kHead = 64 << 10;

struct Item {
  std::string name;
  std::optional<double> number;
  std::string text;  // of strings that are no number
};

// An object's numbers and strings by their joined names. Items are reused.
class FlatObject {
 public:
  // False: the line is no JSON object.
  bool parse(std::string_view line);
  std::span<const Item> items() const { return {items_.data(), size_}; }

 private:
  bool add_object(simdjson::ondemand::object object, int depth);
  bool add_value(simdjson::ondemand::value value, int depth);
  Item& item();

  simdjson::ondemand::parser parser_;
  std::string padded_;
  std::string path_;
  std::vector<Item> items_;
  size_t size_ = 0;
};

bool FlatObject::parse(std::string_view line) {
  size_ = 0;
  path_.clear();
  line = trim_blanks(line);
  if (!line.starts_with('{') || !line.ends_with('}')) return false;
  padded_.assign(line);
  padded_.append(simdjson::SIMDJSON_PADDING, '\0');
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  if (parser_.iterate(padded_.data(), line.size(), padded_.size()).get(document) !=
          simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS)
    return false;
  const char* rest = nullptr;
  return add_object(object, 0) &&
         document.current_location().get(rest) != simdjson::SUCCESS;  // nothing follows
}

Item& FlatObject::item() {
  if (size_ == items_.size()) items_.emplace_back();
  Item& item = items_[size_++];
  item.name = path_;
  item.number.reset();
  item.text.clear();
  return item;
}

bool FlatObject::add_object(simdjson::ondemand::object object, int depth) {
  constexpr int kDeepest = 16;
  constexpr size_t kMostItems = 65536;
  if (depth > kDeepest) return false;
  const size_t base = path_.size();
  for (auto result : object) {
    simdjson::ondemand::field field;
    std::string_view key;
    if (std::move(result).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(key) != simdjson::SUCCESS || size_ >= kMostItems)
      return false;
    if (base > 0) path_ += '/';
    path_ += key;
    std::replace(path_.begin() + static_cast<std::ptrdiff_t>(base), path_.end(), '.', '/');
    if (!add_value(field.value(), depth)) return false;
    path_.resize(base);
  }
  return true;
}

bool FlatObject::add_value(simdjson::ondemand::value value, int depth) {
  const std::string_view raw = trim_blanks(value.raw_json_token());
  if (raw.empty()) return false;
  if (raw.front() == '{') {
    simdjson::ondemand::object object;
    return value.get_object().get(object) == simdjson::SUCCESS && add_object(object, depth + 1);
  }
  if (raw.front() == '[' || raw == "null") return true;
  if (raw.front() == '"') {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) return false;
    Item& added = item();
    added.text = text;
    added.number = number_in(text);
    return true;
  }
  if (raw == "true" || raw == "false") {
    item().number = raw == "true" ? 1 : 0;
    return true;
  }
  // Also the bare words that Python writes.
  const std::optional<double> number = number_in(raw);
  if (!number || raw.find(',') != std::string_view::npos) return false;
  item().number = number;
  return true;
}

std::string canonical(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '.', '/');
  return text;
}

bool is_value(const ColumnTarget& target) {
  return target.kind == ColumnKind::field || target.kind == ColumnKind::eval_loss ||
         target.kind == ColumnKind::eval_perplexity;
}

// The best name for the step that the complete lines of `head` have; empty: none.
std::string step_name_in(std::string_view head, KnownNames& names) {
  FlatObject object;
  std::string best;
  int rank = 0;
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find('\n'));
    head.remove_prefix(std::min(line.size() + 1, head.size()));
    if (!object.parse(line)) continue;
    for (const Item& item : object.items()) {
      const ColumnTarget& target = names.target_of(item.name);
      if (target.kind != ColumnKind::step || !item.number) continue;
      if (best.empty() || target.rank < rank) {
        best = item.name;
        rank = target.rank;
      }
    }
  }
  return best;
}

class JsonLinesLog final : public QueuedLog {
 public:
  JsonLinesLog(std::unique_ptr<ByteSource> source, ColumnMap map, std::string step_name)
      : source_(std::move(source)),
        lines_(*source_, kMaxLine),
        names_(std::move(map), notes_),
        step_name_(std::move(step_name)) {}

 private:
  Result<bool> read_more() override {
    if (const std::optional<std::string_view> line = BALLAST_TRY(lines_.next())) {
      BALLAST_TRY(take_line(*line));
      return true;
    }
    if (gatherer_.is_open()) {
      gatherer_.finish(queue_);
      return true;
    }
    BALLAST_TRY(names_.check_mapped(source_->name()));
    return false;
  }
  struct Value {
    ColumnTarget target;
    const Item* item;
  };
  static constexpr int64_t kMaxLine = int64_t{64} << 20;

  Result<void> take_line(std::string_view line);
  Result<bool> read_values();
  Result<void> add_value(const ColumnTarget& target, const Item& item);
  void store();

  std::unique_ptr<ByteSource> source_;
  LineReader lines_;
  KnownNames names_;
  std::string step_name_;
  StepGatherer gatherer_;
  FlatObject object_;
  std::vector<Value> values_;
  std::optional<int64_t> step_;  // of the line at hand
  int64_t unix_us_ = 0, elapsed_us_ = 0;
};

// Of two names for one member the better one; equally good ones are an error.
Result<void> JsonLinesLog::add_value(const ColumnTarget& target, const Item& item) {
  for (Value& value : values_) {
    if (value.target.kind != target.kind || value.target.field != target.field ||
        value.target.set != target.set)
      continue;
    if (value.target.rank == target.rank && value.item->name != item.name)
      return usage_error(
          fmt::format("both '{}' and '{}' could be the same", value.item->name, item.name),
          fmt::format("{}:{}", source_->name(), lines_.line_number()),
          "say which with --map KEY=NAME");
    if (value.target.rank > target.rank) value = {target, &item};
    return {};
  }
  values_.push_back({target, &item});
  return {};
}

// False: what should be a number is none.
Result<bool> JsonLinesLog::read_values() {
  constexpr double kMostSteps = 9e15;
  values_.clear();
  step_.reset();
  unix_us_ = elapsed_us_ = 0;
  for (const Item& item : object_.items()) {
    const ColumnTarget& target = names_.target_of(item.name);
    if (item.name == step_name_ && item.number && *item.number >= 0 && *item.number <= kMostSteps &&
        *item.number == std::floor(*item.number))
      step_ = static_cast<int64_t>(*item.number);
    if (target.kind == ColumnKind::unix_seconds)
      unix_us_ =
          (item.number ? time_us_of_number(*item.number) : time_us_in(item.text)).value_or(0);
    if (target.kind == ColumnKind::elapsed_seconds && item.number)
      elapsed_us_ = time_us_of_number(*item.number).value_or(0);
    if (!is_value(target)) continue;
    const bool text =
        target.kind == ColumnKind::field && (target.field->kind == StepField::Kind::text ||
                                             target.field->kind == StepField::Kind::flag);
    if (!item.number && !text) return false;
    BALLAST_TRY(add_value(target, item));
  }
  return true;
}

Result<void> JsonLinesLog::take_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (trim_blanks(line).empty()) return {};
  const auto damaged = [this](std::string_view why) {
    count_damaged(notes_, lines_.line_number(), why);
  };
  if (!object_.parse(line)) {
    if (lines_.last_line_complete()) damaged("the line is no JSON object");
    notes_.truncated = notes_.truncated || !lines_.last_line_complete();
    return {};
  }
  if (!BALLAST_TRY(read_values())) {
    damaged("a value is no number");
  } else if (!step_ && !values_.empty()) {
    damaged(fmt::format("the line has no '{}'", step_name_));
  } else {
    ++notes_.records;
    if (!values_.empty()) store();
  }
  return {};
}

void JsonLinesLog::store() {
  const bool other = !gatherer_.is_open() || gatherer_.step().step != *step_ ||
                     std::any_of(values_.begin(), values_.end(), [this](const Value& value) {
                       return gatherer_.has(value.target);
                     });
  if (other) {
    gatherer_.finish(queue_);
    // Elapsed seconds alone count from 1970: only their differences mean anything.
    gatherer_.begin(*step_, unix_us_ != 0 ? unix_us_ : elapsed_us_, lines_.line_number());
  }
  for (const Value& value : values_) {
    if (value.item->number) {
      gatherer_.add(value.target, *value.item->number);
    } else {
      gatherer_.add(value.target, value.item->text);
    }
  }
}

// Up to `limit` bytes.
Result<std::string> read_head(ByteSource& source, size_t limit) {
  std::string head(limit, '\0');
  size_t size = 0;
  while (size < limit) {
    const size_t got =
        BALLAST_TRY(source.read({reinterpret_cast<std::byte*>(head.data() + size), limit - size}));
    if (got == 0) break;
    size += got;
  }
  head.resize(size);
  return head;
}

ImportOptions canonical(ImportOptions options) {
  for (auto& [key, column] : options.map) column = canonical(column);
  return options;
}

}  // namespace

Result<std::unique_ptr<ForeignLog>> json_lines_log(std::unique_ptr<ByteSource> source,
                                                   const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, source->name()));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(canonical(options)));
  const std::string where = source->name();
  std::string head = BALLAST_TRY(read_head(*source, kHead));
  ForeignNotes notes;
  KnownNames names(map, notes);
  std::string step_name = step_name_in(head, names);
  if (step_name.empty())
    return usage_error("no key is known to be the step", where, "say which with --map step=KEY");
  return std::make_unique<JsonLinesLog>(prefixed_source(std::move(head), std::move(source)),
                                        std::move(map), std::move(step_name));
}

bool looks_like_json_lines(std::string_view head) {
  // The first line that is not blank decides; marks of formats of their own are not ours.
  constexpr std::string_view kOthers[] = {"_step", "log_history", "v"};
  FlatObject object;
  while (!head.empty()) {
    std::string_view line = head.substr(0, head.find('\n'));
    head.remove_prefix(std::min(line.size() + 1, head.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim_blanks(line).empty()) continue;
    if (!object.parse(line) || line.find("\"log_history\"") != std::string_view::npos) return false;
    for (const Item& item : object.items())
      if (std::find(std::begin(kOthers), std::end(kOthers), item.name) != std::end(kOthers))
        return false;
    return object.items().size() >= 2;
  }
  return false;
}

}  // namespace ballast
