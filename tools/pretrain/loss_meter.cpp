#include "tools/pretrain/loss_meter.h"

#include <cmath>
#include <limits>

namespace ballast {

std::vector<WindowSum> sum_sequences(std::span<const float> rows, std::span<const int32_t> labels,
                                     int64_t seq_len) {
  std::vector<WindowSum> sums(rows.size() / static_cast<size_t>(seq_len));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (labels[i] == kMaskedLabel) continue;
    WindowSum& sum = sums[i / static_cast<size_t>(seq_len)];
    sum.loss += static_cast<double>(rows[i]);
    sum.tokens += 1;
  }
  return sums;
}

LossMeter::Sums::Sums(size_t parts, size_t sources)
    : all(3 * parts + RunRequests::kVotes + 1 + 2 * sources) {
  const std::span<double> whole = all;
  loss = whole.first(parts);
  lse = whole.subspan(parts, parts);
  count = whole.subspan(2 * parts, parts);
  votes = whole.subspan(3 * parts, RunRequests::kVotes);
  time_vote = whole.subspan(3 * parts + RunRequests::kVotes, 1);
  by_source = whole.last(2 * sources);
}

LossMeter::LossMeter(World& world, const RunConfig& config, Engine& engine, const RunState& state,
                     RunRequests& requests, RunClock& clock)
    : world_(world),
      config_(config),
      engine_(engine),
      state_(state),
      requests_(requests),
      clock_(clock) {}

StepLosses LossMeter::measure(const HostBatch& batch, int64_t valid) {
  const auto slots = static_cast<size_t>(engine_.slots());
  const size_t sources = config_.sources.size() > 1 ? config_.sources.size() : 0;
  Sums sums(slots * static_cast<size_t>(world_.size()), sources);
  StepLosses losses;
  add_own(batch, losses, sums);
  if (!world_.alone()) exchange(sums);
  finish(sums, valid, losses);
  return losses;
}

// The one wait of a step: what was copied out before arrives with it.
void LossMeter::read() {
  Backend& backend = engine_.backend();
  const TrainBuffers& buffers = engine_.buffers();
  const auto copy = [&](std::vector<float>& host, const Tensor& rows) {
    backend.copy_out(host.data(), rows.data, std::ssize(host) * 4, StreamId::compute);
  };
  copy(rows_, buffers.loss_rows);
  if (config_.z_loss != 0) copy(lse_rows_, buffers.lse_rows);
  backend.synchronize(backend.record(StreamId::compute));
}

void LossMeter::add_own(const HostBatch& batch, StepLosses& losses, Sums& sums) {
  for (std::vector<float>* rows : {&rows_, &lse_rows_}) rows->resize(batch.labels.size());
  const size_t slots = static_cast<size_t>(engine_.slots()),
               first = static_cast<size_t>(world_.rank()) * slots;
  const auto part = [&](size_t row) { return first + row * slots / rows_.size(); };
  read();
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (batch.labels[i] == kMaskedLabel) continue;
    sums.loss[part(i)] += static_cast<double>(rows_[i]);
    ++sums.count[part(i)];
  }
  losses.by_sequence = sum_sequences(rows_, batch.labels, config_.seq_len);
  if (!sums.by_source.empty()) add_by_source(losses.by_sequence, sums.by_source);
  if (config_.z_loss == 0) return;
  for (size_t i = 0; i < lse_rows_.size(); ++i) {
    const auto value = static_cast<double>(lse_rows_[i]);
    if (batch.labels[i] != kMaskedLabel) sums.lse[part(i)] += value * value;
  }
}

void LossMeter::add_by_source(std::span<const WindowSum> sequences, std::span<double> sums) const {
  const BatchSource& data = state_.data();
  const int64_t first = state_.counters().samples + world_.rank() * std::ssize(sequences);
  for (size_t i = 0; i < sequences.size(); ++i) {
    const int64_t sample = data.sample_of(first + static_cast<int64_t>(i));
    const auto source = static_cast<size_t>(data.order().at(sample).source);
    sums[2 * source] += sequences[i].loss;
    sums[2 * source + 1] += sequences[i].tokens;
  }
}

void LossMeter::exchange(Sums& sums) {
  requests_.vote(sums.votes);
  sums.time_vote[0] = requests_.time_vote();
  {
    const RunClock::Scope waiting = clock_.waiting();
    world_.comm().all_reduce_host(sums.all, ReduceOp::sum);
  }
  requests_.count(sums.votes);
  requests_.count_time(sums.time_vote[0]);
}

void LossMeter::finish(const Sums& sums, int64_t valid, StepLosses& losses) const {
  losses.by_source.assign(sums.by_source.size() / 2, std::numeric_limits<double>::quiet_NaN());
  for (size_t s = 0; s < losses.by_source.size(); ++s) {
    const double labels = sums.by_source[2 * s + 1];
    if (labels > 0) losses.by_source[s] = sums.by_source[2 * s] / labels;
  }
  if (valid == 0) return;
  const auto labels = static_cast<double>(valid);
  losses.loss = sum_pairwise(sums.loss) / labels;
  losses.z_loss = config_.z_loss * sum_pairwise(sums.lse) / labels;
  const size_t ranks = static_cast<size_t>(world_.size()), slots = sums.loss.size() / ranks;
  for (size_t r = 0; r < ranks; ++r) {
    const double n = sum_pairwise(sums.count.subspan(r * slots, slots));
    const double mean = n > 0 ? sum_pairwise(sums.loss.subspan(r * slots, slots)) / n : 0;
    if (mean > losses.max_rank || std::isnan(mean)) losses.max_rank = mean;
  }
}

}  // namespace ballast
