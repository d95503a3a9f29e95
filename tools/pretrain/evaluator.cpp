#include "tools/pretrain/evaluator.h"

#include <fmt/format.h>

#include <utility>

#include "libcore/cli/message.h"
#include "libcore/trace/reader.h"
#include "tools/pretrain/flat_blocks.h"

namespace ballast {

Evaluator::Evaluator(World& world, const RunConfig& config, Engine& engine, RunState& state,
                     RunRequests& requests, RunLog& log)
    : world_(world),
      config_(config),
      engine_(engine),
      state_(state),
      requests_(requests),
      log_(log) {}

bool Evaluator::due(int64_t step) const {
  if (config_.validation.empty()) return false;
  if (step == config_.total_steps) return true;
  return config_.val_every > 0 && step > 0 && step % config_.val_every == 0;
}

Result<bool> Evaluator::missing(int64_t step) const {
  const std::string path = join_path(config_.typed.run, kTraceFileName);
  FileSystem& fs = world_.files();
  if (!due(step) || !fs.exists(path)) return false;
  const auto reader = BALLAST_TRY(
      TraceReader::open(fs, path, {.view = TraceView::all, .fields = 0, .skip_bad_lines = true}));
  TraceRecord record;
  bool found = false;
  while (BALLAST_TRY(reader->next(record))) {
    // What a segment leaves behind by beginning earlier does not count.
    if (record.type == RecordType::run && record.run.parent_step.value_or(step) < step)
      found = false;
    if (record.type == RecordType::eval && record.eval.step == step) found = true;
  }
  return !found;
}

Result<void> Evaluator::evaluate() {
  const std::string set = file_name(config_.typed.validation);  // of a folder, too
  const TrainBuffers& buffers = engine_.buffers();
  BALLAST_TRY(evaluate_weights(set, true));
  const WeightAverages& averages = state_.averages();
  if (!buffers.swa.empty())
    BALLAST_TRY(evaluate_average(set + ":swa", buffers.swa, averages.swa_samples()));
  if (!buffers.ema.empty())
    BALLAST_TRY(evaluate_average(set + ":ema", buffers.ema, averages.ema_samples()));
  return {};
}

namespace {

// The average and the weights change places while this lives. Weights in bf16 wait in host memory
// for the average, rounded to the nearest, to go: both come back bit for bit.
class AverageInPlace {
 public:
  AverageInPlace(Engine& engine, const Tensor& average) : engine_(engine), average_(average) {
    for (const Tensor& weights : weight_tensors(engine.buffers()))
      if (weights.dtype != average.dtype) wait_in_host_memory(weights);
    change_places(true);
  }
  ~AverageInPlace() { change_places(false); }
  AverageInPlace(const AverageInPlace&) = delete;
  AverageInPlace& operator=(const AverageInPlace&) = delete;

 private:
  void wait_in_host_memory(const Tensor& weights) {
    Backend& backend = engine_.backend();
    waiting_.resize(static_cast<size_t>(weights.cols * bytes_of(weights.dtype)));
    backend.copy_out(waiting_.data(), weights.data, std::ssize(waiting_), StreamId::compute);
    backend.synchronize(backend.record(StreamId::compute));
  }
  void change_places(bool begin) {
    Backend& backend = engine_.backend();
    int64_t at = 0;
    for (const Tensor& weights : weight_tensors(engine_.buffers())) {
      const Tensor average = cols_of(average_, at, weights.cols);
      at += weights.cols;
      if (weights.dtype == average.dtype) {
        exchange_flat(backend, weights, average, engine_.scratch());
      } else if (begin) {
        if (weights.cols > 0) backend.cast(blocks_of(weights), blocks_of(average));
      } else {
        backend.copy_in(weights.data, waiting_.data(), std::ssize(waiting_), StreamId::compute);
        backend.synchronize(backend.record(StreamId::compute));
      }
    }
    engine_.model().prepare_weights();
  }

  Engine& engine_;
  Tensor average_;
  std::vector<char> waiting_;
};

}  // namespace

// All ranks go the same way: what they agreed on counts, not a signal of one of them.
Result<void> Evaluator::evaluate_average(const std::string& set, const Tensor& average,
                                         int64_t samples) {
  if (samples == 0 || requests_.cuts_evaluation()) return {};
  const AverageInPlace in_place(engine_, average);
  return evaluate_weights(set, false);
}

Result<void> Evaluator::evaluate_weights(const std::string& set, bool plain) {
  const HeldOutWindows windows = config_.validation_windows();
  const auto losses_of = [&](const HostBatch& batch) { return engine_.forward(batch); };
  std::vector<WindowSum> sums(static_cast<size_t>(windows.size()));
  const bool together = engine_.passes_are_collective();
  const auto stop = [&] {
    double signalled = Control::stop_signalled() ? 1 : 0;
    if (together) world_.comm().all_reduce_host({&signalled, 1}, ReduceOp::max);
    return signalled > 0;
  };
  Result<void> read = held_out_sums(
      windows, {config_.micro_batch, config_.seq_len, world_.rank(), world_.size(), together},
      losses_of, stop, sums);
  cut_short_ = BALLAST_TRY(share(std::move(read), sums));
  const TrainState& counters = state_.counters();
  if (cut_short_) {
    print_note(
        fmt::format("step {}: evaluation cut short, it is made at the next start", counters.step));
    return {};
  }
  EvalRecord r;
  r.step = counters.step;
  r.tokens = counters.tokens;
  r.set = set;
  fill_in_loss(r, sums);
  if (!r.loss) return {};
  if (plain) last_loss_ = r.loss;
  return log_.write(std::move(r));
}

// Every rank's sums to all; true when a signal on any of them has cut the evaluation short.
Result<bool> Evaluator::share(Result<void> read, std::vector<WindowSum>& sums) {
  if (world_.alone()) {
    BALLAST_TRY(std::move(read));
    return requests_.cuts_evaluation();
  }
  std::vector<double> all(2 * sums.size() + RunRequests::kVotes + 1);
  for (size_t w = 0; w < sums.size(); ++w) {
    all[2 * w] = sums[w].loss;
    all[2 * w + 1] = sums[w].tokens;
  }
  const std::span<double> votes = std::span(all).subspan(2 * sums.size(), RunRequests::kVotes);
  requests_.vote(votes);
  double& failures = all.back();
  failures = read.ok() ? 0 : 1;
  world_.comm().all_reduce_host(all, ReduceOp::sum);
  if (failures > 0) return *world_.share_error(read.ok() ? nullptr : &read.error());
  for (size_t w = 0; w < sums.size(); ++w) sums[w] = {all[2 * w], all[2 * w + 1]};
  requests_.count(votes);
  return requests_.cuts_evaluation();
}

}  // namespace ballast
