#include "libcore/trace/foreign/olmo_core.h"

#include "libcore/base/ascii.h"
#include "libcore/trace/foreign/column_map.h"
#include "libcore/trace/foreign/console.h"

namespace ballast {
namespace {

struct Head {
  int64_t step = 0;
  std::string_view prefix;
};

// "... [step=123/10000,epoch=1...]", in old logs without what follows the comma.
std::optional<Head> find_head(std::string_view line) {
  constexpr std::string_view kStart = "[step=";
  const size_t at = line.find(kStart);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(at + kStart.size());
  const std::optional<int64_t> step = take_whole(rest);
  if (!step || *step < 0 || !rest.starts_with('/')) return std::nullopt;
  rest.remove_prefix(1);
  if (!take_whole(rest) || rest.find(']') == std::string_view::npos) return std::nullopt;
  if (rest.front() != ']' && rest.front() != ',') return std::nullopt;
  return Head{*step, line.substr(0, at)};
}

// A number, also "4.2M".
std::optional<double> short_number(std::string_view text) {
  if (const std::optional<double> number = number_in(text)) return number;
  constexpr std::string_view kSuffixes = "KMBT";
  text = trim_blanks(text);
  if (text.empty()) return std::nullopt;
  size_t power = kSuffixes.find(text.back());
  if (power == std::string_view::npos) return std::nullopt;
  std::optional<double> number = number_in(text.substr(0, text.size() - 1));
  if (number)
    for (power += 1; power > 0; --power) *number *= 1000;
  return number;
}

struct Metric {
  std::string_view name, value;
};

// "    train/CE loss=2.345", behind a rank's prefix if there is one. All names have a "/".
std::optional<Metric> find_metric(std::string_view line) {
  if (const size_t prefix = line.find("]:"); prefix != std::string_view::npos)
    line.remove_prefix(prefix + 2);
  const size_t equals = line.rfind('=');
  if (equals == std::string_view::npos || !line.starts_with(' ')) return std::nullopt;
  const Metric metric{trim_blanks(line.substr(0, equals)), trim_blanks(line.substr(equals + 1))};
  const bool named = metric.name.find('/') != std::string_view::npos;
  return named && !metric.value.empty() ? std::optional(metric) : std::nullopt;
}

class OlmoCoreLog final : public NamedConsole {
 public:
  using NamedConsole::NamedConsole;

 private:
  void take_line(std::string_view line) override;
  void finish_step() override;
};

void OlmoCoreLog::take_line(std::string_view line) {
  if (const std::optional<Head> head = find_head(line)) {
    finish_step();
    gatherer_.begin(head->step, time_in_prefix(head->prefix).value_or(0), lines_.number());
    return;
  }
  if (!gatherer_.is_open()) return;
  const std::optional<Metric> metric = find_metric(line);
  if (!metric) return;
  const ColumnTarget& target = names_.target_of(metric->name);
  if (target.kind == ColumnKind::unused) return;
  const std::optional<double> value = short_number(metric->value);
  if (!value) return count_damaged(notes_, lines_.number(), "a metric's value is no number");
  if (target.kind == ColumnKind::field && target.field->number == &StepRecord::grad_norm)
    tick_.add(metric->value);
  gatherer_.add(metric->name, *value);
}

void OlmoCoreLog::finish_step() {
  if (!gatherer_.is_open()) return;
  std::deque<TraceRecord> found;
  gatherer_.finish(found);
  if (!found.empty()) ++notes_.records;
  for (TraceRecord& record : found)
    if (record.type != RecordType::step || !repeated_.is_repeat(record.step))
      queue_.push_back(std::move(record));
}

}  // namespace

Result<std::unique_ptr<ForeignLog>> olmo_core_log(std::unique_ptr<ByteSource> source,
                                                  const ImportOptions& options) {
  return open_named_console<OlmoCoreLog>(std::move(source), options);
}

// The configuration that is printed first may be longer than the head.
bool looks_like_olmo_core(std::string_view head) {
  for (const std::string_view module : {"olmo_core.train", "[olmo.train:"})
    if (head.find(module) != std::string_view::npos) return true;
  return has_record_of<OlmoCoreLog>(head);
}

}  // namespace ballast
