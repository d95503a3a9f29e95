#include "libcore/trace/foreign/llmc.h"

#include "libcore/base/ascii.h"
#include "libcore/trace/foreign/console.h"
#include "libcore/trace/step_fields.h"

namespace ballast {
namespace {

enum class Key { train_loss, lr, norm, test_loss, accuracy, none };

struct Pair {
  Key key = Key::none;
  double value = 0;
  std::string_view digits;
};

// Names of llm.c are told apart by their first letters.
Key key_of(std::string_view name) {
  if (name == "trl") return Key::train_loss;
  if (name == "lr") return Key::lr;
  if (name == "norm") return Key::norm;
  if (name == "tel") return Key::test_loss;
  if (name == "eval") return Key::accuracy;
  return Key::none;
}

// " name:number" at the start of `text`, which loses it.
bool take_pair(std::string_view& text, Pair& pair) {
  text.remove_prefix(1);
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  pair.key = key_of(text.substr(0, colon));
  text.remove_prefix(colon + 1);
  const size_t size = read_number(text, pair.value);
  if (size == 0) return false;
  pair.digits = text.substr(0, size);
  text.remove_prefix(pair.digits.size());
  return text.empty() || text.front() == ' ';
}

bool begins_record(std::string_view line) {
  return line.size() > 2 && line[0] == 's' && line[1] == ':' &&
         (is_ascii_digit(line[2]) || line[2] == '-');
}

// One line; false when it cannot be read.
bool read_line(std::string_view line, TraceRecord& record, DecimalTick& tick) {
  line.remove_prefix(2);
  const std::optional<int64_t> step = take_whole(line);
  if (!step || *step < 0 || line.empty() || line.front() != ' ') return false;
  record.type = RecordType::step;
  clear_step(record.step);
  record.step.step = *step;
  Pair pair;
  while (!line.empty()) {
    if (!take_pair(line, pair)) return false;
    if (pair.key == Key::train_loss) record.step.loss = pair.value;
    if (pair.key == Key::lr) record.step.lr = pair.value;
    if (pair.key == Key::norm) {
      record.step.grad_norm = pair.value;
      tick.add(pair.digits);
    }
    if (pair.key != Key::test_loss && pair.key != Key::accuracy) continue;
    record.type = RecordType::eval;
    record.eval = {};
    record.eval.step = *step;
    if (pair.key == Key::test_loss) record.eval.loss = pair.value;
    if (pair.key == Key::accuracy) {
      record.eval.set = "hellaswag";
      record.eval.details = Json{{"accuracy", json_number(pair.value)}};
    }
  }
  return record.type == RecordType::eval || record.step.loss || record.step.grad_norm;
}

class LlmcLog final : public ForeignLog {
 public:
  explicit LlmcLog(std::unique_ptr<ByteSource> source) : lines_(std::move(source)) {}

  Result<bool> next(TraceRecord& record) override {
    while (true) {
      const std::optional<std::string_view> line = BALLAST_TRY(lines_.next());
      if (!line) break;
      if (!begins_record(*line)) continue;
      record.line = lines_.number();
      record.segment = 0;
      if (read_line(*line, record, tick_)) {
        ++notes_.records;
        return true;
      }
      count_damaged(notes_, lines_.number(), "no record of llm.c");
    }
    notes_.truncated = lines_.torn();
    notes_.norm_tick = tick_.tick();
    return false;
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  ConsoleLines lines_;
  ForeignNotes notes_;
  DecimalTick tick_;
};

}  // namespace

Result<std::unique_ptr<ForeignLog>> llmc_log(std::unique_ptr<ByteSource> source,
                                             const ImportOptions& options) {
  BALLAST_TRY(refuse_map(options, source->name()));
  BALLAST_TRY(refuse_run_name(options, source->name()));
  return std::make_unique<LlmcLog>(std::move(source));
}

bool looks_like_llmc(std::string_view head) {
  TraceRecord record;
  DecimalTick tick;
  while (!head.empty()) {
    std::string_view line = head.substr(0, head.find('\n'));
    head.remove_prefix(std::min(line.size() + 1, head.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (begins_record(line) && read_line(line, record, tick)) return true;
  }
  return false;
}

}  // namespace ballast
