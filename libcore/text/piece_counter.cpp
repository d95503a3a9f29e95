#include "libcore/text/piece_counter.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "libcore/base/hash.h"

namespace ballast {
namespace {

constexpr size_t kMostLocal = size_t{1} << 16;  // pieces; what a thread holds apart is bounded
constexpr size_t kAhead = 8;
constexpr int64_t kBatchBytesPerPiece = 16;
constexpr int64_t kLeastBatchBytes = int64_t{1} << 20;

size_t table_of(uint64_t hash) { return hash >> 58; }
static_assert(PieceCounter::kTables == size_t{1} << (64 - 58));

}  // namespace

const std::vector<AddedToken>& leading_tokens() {
  static const std::vector<AddedToken> tokens = [] {
    std::vector<AddedToken> made;
    for (const char* name : {"<s>", "</s>", "<pad>", "<email-pii>", "<ip-pii>", "<iban-pii>"}) {
      AddedToken token;
      token.content = name;
      token.id = static_cast<int32_t>(made.size());
      token.special = made.size() < 3;
      made.push_back(token);
    }
    return made;
  }();
  return tokens;
}

PieceCounter::PieceCounter(SplitPattern pattern, int64_t max_pieces)
    : pattern_(pattern), max_pieces_(max_pieces), markers_(leading_tokens()) {}

void PieceCounter::add(std::span<const std::string> texts) {
  PieceTable local;
  for (const std::string& text : texts) count_text(text, local);
  flush(local);
}

void PieceCounter::count_text(std::string_view text, PieceTable& local) {
  const SplitFunction split = split_function(pattern_);
  std::vector<AddedTokenMatcher::Part> parts;
  markers_.cut(text, true, parts);
  for (const auto& part : parts) {
    if (part.id >= 0) continue;
    std::array<size_t, 256> ends;
    size_t from = 0;
    while (const size_t count = split(part.text, from, ends)) {
      for (size_t i = 0; i < count; ++i) {
        const std::string_view piece = part.text.substr(from, ends[i] - from);
        from = ends[i];
        if (piece.size() > PieceTable::kMaxPieceBytes)
          overlong_.fetch_add(1, std::memory_order_relaxed);
        else
          local.add(piece, xxh3_64(piece), 1);
      }
      if (local.size() >= kMostLocal) flush(local);
    }
  }
}

// Adds what a thread counted, one table after the other, and empties it.
void PieceCounter::flush(PieceTable& local) {
  struct Counted {
    std::string_view piece;
    uint64_t hash;
    int64_t count;
  };
  std::array<size_t, kTables + 1> starts{};
  local.for_each([&](std::string_view, uint64_t hash, int64_t) { ++starts[table_of(hash) + 1]; });
  for (size_t i = 0; i < kTables; ++i) starts[i + 1] += starts[i];
  std::vector<Counted> sorted(local.size());
  auto next = starts;
  local.for_each([&](std::string_view piece, uint64_t hash, int64_t count) {
    sorted[next[table_of(hash)]++] = {piece, hash, count};
  });
  for (size_t i = 0; i < kTables; ++i) {
    if (starts[i] == starts[i + 1]) continue;
    const std::lock_guard lock(tables_[i].mutex);
    PieceTable& pieces = tables_[i].pieces;
    for (size_t k = starts[i]; k < starts[i + 1]; ++k) {
      if (k + kAhead < starts[i + 1]) pieces.prefetch(sorted[k + kAhead].hash);
      pieces.add(sorted[k].piece, sorted[k].hash, sorted[k].count);
    }
  }
  local.clear();
}

int64_t PieceCounter::batch_bytes() const {
  return std::max(kLeastBatchBytes, std::min(max_pieces_, int64_t{1} << 40) * kBatchBytesPerPiece);
}

int64_t PieceCounter::distinct_pieces() const {
  int64_t pieces = 0;
  for (const Table& table : tables_) pieces += static_cast<int64_t>(table.pieces.size());
  return pieces;
}

int64_t PieceCounter::count_of(std::string_view piece) const {
  const uint64_t hash = xxh3_64(piece);
  return table(table_of(hash)).count_of(piece, hash);
}

// The least threshold at which half of max_pieces has room for the pieces above it, which stay, and
// for as many as would stand for the others: the sum of their counts divided by the threshold.
int64_t PieceCounter::threshold(ThreadPool& pool) const {
  const auto fits = [&](int64_t least) {
    std::array<int64_t, kTables> common{}, rare_sum{};
    pool.parallel_for(kTables, 1, [&](int64_t begin, int64_t) {
      const auto at = static_cast<size_t>(begin);
      tables_[at].pieces.for_each([&](std::string_view, uint64_t, int64_t count) {
        if (count >= least)
          ++common[at];
        else
          rare_sum[at] += count;
      });
    });
    const __int128 room = max_pieces_ / 2 - std::reduce(common.begin(), common.end());
    return std::reduce(rare_sum.begin(), rare_sum.end()) <= room * least;
  };
  int64_t high = 2;
  while (!fits(high)) high *= 2;
  int64_t low = high / 2;  // does not fit
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (fits(middle) ? high : low) = middle;
  }
  return high;
}

void PieceCounter::prune(ThreadPool& pool) {
  const int64_t before = distinct_pieces();
  if (before <= max_pieces_) return;
  const int64_t least = threshold(pool);
  const uint64_t seed = ++prunings_;  // the draws of one pruning say nothing about those of another
  pool.parallel_for(kTables, 1, [&](int64_t begin, int64_t) {
    tables_[static_cast<size_t>(begin)].pieces.thin(least, seed);
  });
  dropped_ += before - distinct_pieces();
  count_error_ += least - 1;
}

}  // namespace ballast
