#include "tools/ckpt/logits_check.h"

#include <algorithm>
#include <cmath>

#include "kernels/open_backend.h"
#include "libcore/base/rng.h"
#include "libcore/model/model.h"

namespace ballast {
namespace {

constexpr int64_t kSequences = 2, kLongest = 64;

// (sequences * length, vocabulary) logits.
std::vector<float> logits_of(Backend& backend, const FoldedModel& m, int64_t length) {
  const ModelShape shape = {kSequences, length, Recompute::none, false};
  const int64_t rows = kSequences * length, vocab = m.config.vocab_size;
  struct Buffers {
    Tensor params, tokens, doc_start, logits;
  };
  const auto carve = [&](Arena& arena) {
    return Buffers{arena.take(Dtype::f32, 1, m.table.flat_size), arena.take(Dtype::i32, 1, rows),
                   arena.take(Dtype::i32, kSequences, length),
                   arena.take(Dtype::f32, rows, m.config.padded_vocab())};
  };
  Arena plan;
  carve(plan);
  Model(backend, plan, m.config, m.table, shape);
  Arena arena(backend, plan.peak_bytes());
  const Buffers b = carve(arena);
  Model model(backend, arena, m.config, m.table, shape);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < rows; ++i) {
    const uint64_t draw = random_u64(1, 1, static_cast<uint64_t>(i));
    tokens.push_back(static_cast<int32_t>(draw % static_cast<uint64_t>(vocab)));
  }
  backend.copy_in(b.params.data, m.master.data(), m.table.flat_size * 4, StreamId::compute);
  backend.copy_in(b.tokens.data, tokens.data(), rows * 4, StreamId::compute);
  backend.zero(b.doc_start.data, rows * 4);
  model.bind(b.params, {});
  model.prepare_weights();
  model.logits({b.tokens, {}, {}, b.doc_start}, b.logits);
  std::vector<float> padded(static_cast<size_t>(b.logits.elements())), logits;
  backend.copy_out(padded.data(), b.logits.data, b.logits.elements() * 4, StreamId::compute);
  backend.synchronize(backend.record(StreamId::compute));
  for (int64_t r = 0; r < rows; ++r) {
    const auto begin = padded.begin() + r * b.logits.cols;
    logits.insert(logits.end(), begin, begin + vocab);
  }
  return logits;
}

}  // namespace

Result<LogitsDifference> compare_logits(const FoldedModel& a, const FoldedModel& b, int threads) {
  const auto backend = BALLAST_TRY(open_backend("cpu", {.threads = threads}));
  const int64_t length = std::min(kLongest, a.config.max_position_embeddings);
  const std::vector<float> left = logits_of(*backend, a, length);
  const std::vector<float> right = logits_of(*backend, b, length);
  LogitsDifference result;
  result.tokens = kSequences * length;
  for (size_t i = 0; i < left.size(); ++i) {
    const double x = static_cast<double>(left[i]), y = static_cast<double>(right[i]);
    const double difference = std::abs(x - y);
    if (!(difference <= result.largest)) result.largest = difference;
    if (std::isnan(difference)) return result;
    result.scale = std::max(result.scale, std::abs(x));
  }
  return result;
}

}  // namespace ballast
