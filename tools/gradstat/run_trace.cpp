#include "tools/gradstat/run_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <numeric>

#include "libcore/cli/message.h"
#include "libcore/model/presets.h"
#include "libcore/trace/reader.h"

namespace ballast {
namespace {

constexpr double kCooled =
    0.2;                      // of the peak: a cosine to a tenth, and the last step of a cooldown
constexpr size_t kTail = 20;  // steps whose mean is the final loss of a run without evaluation

struct Point {
  double tokens = 0, loss = 0, lr = 0;
};

struct Ended {
  RunRecord run;
  bool has_run = false;
  double peak_lr = 0, last_lr = 0;
  int64_t step = 0, tokens = 0;
  std::deque<double> tail;
  std::vector<Point> evals;
  std::string set;
  int64_t last_eval_step = -1;
};

void take_step(const StepRecord& step, Ended& ended) {
  ended.step = step.step;
  ended.tokens = step.tokens;
  if (step.lr && std::isfinite(*step.lr)) {
    ended.last_lr = *step.lr;
    ended.peak_lr = std::max(ended.peak_lr, *step.lr);
  }
  if (!step.loss || step.skipped) return;
  ended.tail.push_back(*step.loss);
  if (ended.tail.size() > kTail) ended.tail.pop_front();
}

Result<Ended> read_end(const std::string& path, bool skip_bad_lines) {
  TraceReadOptions read;
  read.fields = kFieldLoss | kFieldLr | kFieldTokens | kFieldSkipped;
  read.skip_bad_lines = skip_bad_lines;
  const std::unique_ptr<TraceReader> reader =
      BALLAST_TRY(TraceReader::open(posix_file_system(), path, read));
  Ended ended;
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) {
    if (record.type == RecordType::run) {
      ended.run = record.run;
      ended.has_run = true;
    } else if (record.type == RecordType::step) {
      take_step(record.step, ended);
    } else if (record.type == RecordType::eval && record.eval.loss) {
      // Of several held-out sets the first counts, always the same one.
      if (ended.evals.empty()) ended.set = record.eval.set;
      if (record.eval.set != ended.set) continue;
      ended.evals.push_back(
          {static_cast<double>(record.eval.tokens), *record.eval.loss, ended.last_lr});
      ended.last_eval_step = record.eval.step;
    }
  }
  if (reader->health().bad_lines > 0)
    print_warning(fmt::format("{}: {} damaged lines were skipped", reader->path(),
                              reader->health().bad_lines));
  return ended;
}

// Why the trace has no rows at all, or "".
std::string why_not(const Ended& ended, const RunTableOptions& options) {
  if (ended.tail.empty()) return "no loss";
  if (!ended.has_run || !ended.run.parameters) return "does not say how many parameters it trains";
  if (ended.tokens == 0) return "does not say how many tokens it consumed";
  if (ended.peak_lr == 0 && !options.assume_cooled)
    return "logs no learning rate: whether it was cooled down is not known";
  return "";
}

}  // namespace

ModelShape shape_of(const ModelConfig& c, double seq_len) {
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  ModelShape shape;
  shape.vocab = number(c.vocab_size);
  shape.hidden = number(c.hidden_size);
  shape.layers = number(c.num_hidden_layers);
  shape.heads = number(c.num_attention_heads);
  shape.head_size = number(c.q_rows()) / shape.heads;
  shape.ffw = number(c.intermediate_size);
  shape.seq_len = seq_len;
  shape.gated = c.fc1_rows() > c.intermediate_size;
  return shape;
}

Result<void> read_run_trace(const std::string& path, const RunTableOptions& options,
                            RunTable& table) {
  const Ended ended = BALLAST_TRY(read_end(path, options.on_error == "skip"));
  if (std::string why = why_not(ended, options); !why.empty()) {
    table.left_out.push_back({path, std::move(why)});
    return {};
  }
  RunRow row;
  row.name = row.source = path;
  row.parameters = static_cast<double>(*ended.run.parameters);
  row.lr = ended.peak_lr > 0 ? ended.peak_lr : RunRow::kAbsent;
  const Result<Preset> preset = find_preset(ended.run.model);
  if (preset.ok() && ended.run.seq_len)
    row.shape = shape_of(preset->model, static_cast<double>(*ended.run.seq_len));
  const bool at_end = ended.last_eval_step == ended.step;
  for (size_t i = 0; i < ended.evals.size(); ++i) {
    const Point& eval = ended.evals[i];
    if ((at_end && i + 1 == ended.evals.size()) || eval.lr < ended.peak_lr) continue;
    RunRow checkpoint = row;
    checkpoint.tokens = eval.tokens;
    checkpoint.loss = eval.loss;
    checkpoint.cooled = checkpoint.final = false;
    table.rows.push_back(std::move(checkpoint));
  }
  row.tokens = static_cast<double>(ended.tokens);
  row.loss = at_end ? ended.evals.back().loss
                    : std::accumulate(ended.tail.begin(), ended.tail.end(), 0.0) /
                          static_cast<double>(ended.tail.size());
  row.cooled = ended.peak_lr == 0 || ended.last_lr <= kCooled * ended.peak_lr;
  if (!row.cooled)
    row.source +=
        fmt::format(", ends at {:.0f} % of its peak rate", 100 * ended.last_lr / ended.peak_lr);
  if (ended.run.total_tokens && ended.tokens < *ended.run.total_tokens) {
    row.cooled = false;
    row.source +=
        fmt::format(", stopped at {} of {} tokens", ended.tokens, *ended.run.total_tokens);
  }
  table.rows.push_back(std::move(row));
  return {};
}

}  // namespace ballast
