#include "tools/pretrain/scoring.h"

#include <algorithm>

#include "libcore/model/sampling.h"

namespace ballast {

bool truncate_prompt(ScoredIds& item, int64_t most) {
  const auto limit = static_cast<size_t>(most);
  if (item.ids.size() <= limit) return true;
  const size_t scored = item.ids.size() - item.prompt;
  if (scored + 1 > limit) return false;
  item.ids.erase(item.ids.begin(), item.ids.end() - static_cast<std::ptrdiff_t>(limit));
  item.prompt = limit - scored;
  return true;
}

std::vector<Placement> pack(std::span<const ScoredIds> items, int64_t sequences, int64_t seq_len) {
  std::vector<Placement> places;
  Placement next;
  for (const ScoredIds& item : items) {
    const auto length = static_cast<int64_t>(item.ids.size()) - 1;
    if (next.column + length > seq_len) next = {next.row + 1, 0};
    if (next.row == sequences) break;
    places.push_back(next);
    next.column += length;
  }
  return places;
}

namespace {

void write_item(HostBatch& batch, const ScoredIds& item, const Placement& place, int64_t seq_len) {
  const auto base = static_cast<size_t>(place.row * seq_len + place.column);
  for (size_t i = 0; i + 1 < item.ids.size(); ++i) {
    batch.tokens[base + i] = item.ids[i];
    batch.doc_start[base + i] = static_cast<int32_t>(place.column);
    if (i + 1 >= item.prompt) batch.labels[base + i] = item.ids[i + 1];
  }
}

}  // namespace

std::vector<double> log_likelihoods(Inference& model, std::span<const ScoredIds> items,
                                    int64_t sequences, int64_t seq_len) {
  model.shape(sequences, seq_len);
  std::vector<double> sums;
  HostBatch batch;
  while (!items.empty()) {
    const std::vector<Placement> places = pack(items, sequences, seq_len);
    batch.resize(sequences, seq_len);
    // What no item covers are documents of one token: attention costs nothing there.
    for (size_t i = 0; i < batch.doc_start.size(); ++i)
      batch.doc_start[i] = static_cast<int32_t>(static_cast<int64_t>(i) % seq_len);
    for (size_t i = 0; i < places.size(); ++i) write_item(batch, items[i], places[i], seq_len);
    const std::span<const float> losses = model.loss_rows(batch);
    for (size_t i = 0; i < places.size(); ++i) {
      double sum = 0;
      const auto base = static_cast<size_t>(places[i].row * seq_len + places[i].column);
      for (size_t k = items[i].prompt; k < items[i].ids.size(); ++k)
        sum -= static_cast<double>(losses[base + k - 1]);
      sums.push_back(sum);
    }
    items = items.subspan(places.size());
  }
  return sums;
}

Result<std::vector<std::vector<int32_t>>> greedy_continuations(
    Inference& model, std::span<const std::vector<int32_t>> prompts, int64_t count,
    int64_t sequences) {
  std::vector<std::vector<int32_t>> continuations(prompts.size());
  if (prompts.empty()) return continuations;
  const auto prompt = static_cast<int64_t>(prompts.front().size());
  const int64_t seq_len = prompt + count - 1;
  model.shape(sequences, seq_len);
  HostBatch batch;
  for (size_t first = 0; first < prompts.size(); first += static_cast<size_t>(sequences)) {
    const size_t n = std::min(prompts.size() - first, static_cast<size_t>(sequences));
    batch.resize(sequences, seq_len);
    for (size_t i = 0; i < n; ++i)
      std::copy(prompts[first + i].begin(), prompts[first + i].end(),
                batch.tokens.begin() + static_cast<std::ptrdiff_t>(i) * seq_len);
    for (int64_t k = 0; k < count; ++k) {
      const std::vector<int64_t> positions(n, prompt + k - 1);
      const std::span<const float> logits = model.logits_after(batch, positions);
      const size_t vocab = logits.size() / n;
      for (size_t i = 0; i < n; ++i) {
        const int32_t id = pick_token(logits.subspan(i * vocab, vocab), {}, 0);
        if (id < 0)
          return corrupt_error("the model gives no finite logit", model.checkpoint().path);
        continuations[first + i].push_back(id);
        if (k + 1 < count)
          batch.tokens[static_cast<size_t>(static_cast<int64_t>(i) * seq_len + prompt + k)] = id;
      }
    }
  }
  return continuations;
}

}  // namespace ballast
