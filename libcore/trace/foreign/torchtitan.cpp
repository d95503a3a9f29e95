#include "libcore/trace/foreign/torchtitan.h"

#include <cstring>

#include "libcore/base/ascii.h"
#include "libcore/trace/foreign/column_map.h"
#include "libcore/trace/foreign/console.h"

namespace ballast {
namespace {

struct Head {
  int64_t step = 0;
  bool validation = false;
  std::string_view prefix, fields;
};

// "... step: 10  loss: ..."; the word stands alone or behind "validate".
std::optional<Head> find_head(std::string_view line) {
  constexpr std::string_view kWord = "step:";
  constexpr std::string_view kValidate = "validate ";
  size_t from = 0;
  while (true) {
    const size_t at = line.find(kWord, from);
    if (at == std::string_view::npos) return std::nullopt;
    from = at + kWord.size();
    if (at > 0 && line[at - 1] != ' ' && line[at - 1] != '\t') continue;
    Head head;
    head.prefix = line.substr(0, at);
    head.fields = line.substr(from);
    head.validation = head.prefix.ends_with(kValidate);
    const std::optional<int64_t> step = take_whole(head.fields);
    if (!step || *step < 0 || !head.fields.starts_with(' ')) continue;
    head.step = *step;
    head.fields = trim_blanks(head.fields);
    if (head.fields.find("loss:") != std::string_view::npos) return head;
  }
}

struct Pair {
  std::string_view name, value;
};

// "name:  value" at the start of `text`, which loses it.
bool take_pair(std::string_view& text, Pair& pair) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  pair.name = trim_blanks(text.substr(0, colon));
  text = trim_blanks(text.substr(colon + 1));
  pair.value = text.substr(0, text.find(' '));
  text = trim_blanks(text.substr(pair.value.size()));
  return !pair.name.empty() && !pair.value.empty();
}

class TorchtitanLog final : public NamedConsole {
 public:
  using NamedConsole::NamedConsole;

 private:
  void take_line(std::string_view line) override {
    if (const std::optional<Head> head = find_head(line)) read_record(*head);
  }
  bool read_pair(const Pair& pair, bool validation);
  void read_record(const Head& head);

  int64_t last_eval_step_ = -1;
  double last_eval_loss_ = 0;
};

// False: a value that counts is no number.
bool TorchtitanLog::read_pair(const Pair& pair, bool validation) {
  const ColumnTarget& target = names_.target_of(pair.name);
  if (target.kind != ColumnKind::field) return true;
  std::optional<double> value = number_in(pair.value);
  if (!value) return false;
  if (pair.value.ends_with('%') && target.scale == 1) *value *= 0.01;
  if (!validation) {
    gatherer_.add(pair.name, *value);
    if (target.field->number == &StepRecord::grad_norm) tick_.add(pair.value);
  } else if (target.field->number == &StepRecord::loss) {
    gatherer_.add("eval_loss", *value);
  }
  return true;
}

void TorchtitanLog::read_record(const Head& head) {
  gatherer_.begin(head.step, time_in_prefix(head.prefix).value_or(0), lines_.number());
  std::string_view fields = head.fields;
  Pair pair;
  while (!fields.empty()) {
    if (take_pair(fields, pair) && read_pair(pair, head.validation)) continue;
    return count_damaged(notes_, lines_.number(), "a step's values cannot be read");
  }
  ++notes_.records;
  std::deque<TraceRecord> found;
  gatherer_.finish(found);
  for (TraceRecord& record : found) {
    if (record.type == RecordType::step && repeated_.is_repeat(record.step)) continue;
    if (record.type == RecordType::eval) {
      const double loss = record.eval.loss.value_or(0);
      const bool again = record.eval.step == last_eval_step_ && loss == last_eval_loss_;
      last_eval_step_ = record.eval.step;
      last_eval_loss_ = loss;
      if (again) continue;
    }
    queue_.push_back(std::move(record));
  }
}

}  // namespace

Result<std::unique_ptr<ForeignLog>> torchtitan_log(std::unique_ptr<ByteSource> source,
                                                   const ImportOptions& options) {
  return open_named_console<TorchtitanLog>(std::move(source), options);
}

// What every rank prints first may be longer than the head.
bool looks_like_torchtitan(std::string_view head) {
  const size_t name = head.find("[titan] 20");
  if (name != std::string_view::npos && time_in_prefix(head.substr(name, 40))) return true;
  return has_record_of<TorchtitanLog>(head);
}

}  // namespace ballast
