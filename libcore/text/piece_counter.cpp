#include <algorithm>
#include <array>

#include "libcore/text/bpe_trainer.h"

namespace ballast {
namespace {

constexpr size_t kMaxPieceBytes = 1024;
constexpr int64_t kTextsPerChunk = 64;

}  // namespace

PieceCounter::PieceCounter(SplitPattern pattern, int64_t max_pieces)
    : pattern_(pattern), max_pieces_(max_pieces), markers_(leading_tokens()) {}

int64_t PieceCounter::count_text(std::string_view text, Counts& counts) const {
  const SplitFunction split = split_function(pattern_);
  std::vector<AddedTokenMatcher::Part> parts;
  markers_.cut(text, true, parts);
  int64_t overlong = 0;
  std::string key;
  for (const auto& part : parts) {
    if (part.id >= 0) continue;
    std::array<size_t, 256> ends;
    size_t from = 0;
    while (const size_t count = split(part.text, from, ends)) {
      for (size_t i = 0; i < count; ++i) {
        key.assign(part.text.substr(from, ends[i] - from));
        from = ends[i];
        if (key.size() > kMaxPieceBytes)
          ++overlong;
        else
          ++counts[key];
      }
    }
  }
  return overlong;
}

void PieceCounter::add(std::span<const std::string> texts, ThreadPool& pool) {
  const auto count = static_cast<int64_t>(texts.size());
  const auto chunks = static_cast<size_t>((count + kTextsPerChunk - 1) / kTextsPerChunk);
  std::vector<Counts> found(chunks);
  std::vector<int64_t> overlong(chunks);
  pool.parallel_for(count, kTextsPerChunk, [&](int64_t begin, int64_t end) {
    const auto chunk = static_cast<size_t>(begin / kTextsPerChunk);
    for (int64_t i = begin; i < end; ++i)
      overlong[chunk] += count_text(texts[static_cast<size_t>(i)], found[chunk]);
  });
  for (size_t chunk = 0; chunk < chunks; ++chunk) {
    overlong_ += overlong[chunk];
    for (const auto& [piece, times] : found[chunk]) counts_[piece] += times;
  }
  prune();
}

// Drops all pieces of the lowest counts until at most half of the room is taken.
void PieceCounter::prune() {
  const auto size = [this] { return static_cast<int64_t>(counts_.size()); };
  if (size() <= max_pieces_) return;
  const int64_t before = size();
  for (int64_t rare = 1; size() > max_pieces_ / 2; ++rare)
    std::erase_if(counts_, [rare](const auto& entry) { return entry.second <= rare; });
  dropped_ += before - size();
}

}  // namespace ballast
