// Counts the pieces that a split pattern cuts documents into, by all threads at a time: each call
// of add() counts in a table of its own, which is then added to 64 tables, one for each first six
// bits of the hash and each under its own lock. Counts are sums, so no order of calls changes them.
//
// Memory: at most `max_pieces` distinct pieces, about 50 bytes each. prune() drops rare ones past
// that; between two calls of it the pieces of batch_bytes() of text come on top. Rare pieces are
// most of a text's distinct ones and together have much of its pairs, so a drawn share of them
// stays and stands for the others (threshold sampling): the count of a pair is then right on
// average.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "libcore/base/thread_pool.h"
#include "libcore/text/added_tokens.h"
#include "libcore/text/piece_table.h"
#include "libcore/text/split_pattern.h"

namespace ballast {

// The tokens that every vocabulary of ours begins with: <s>, </s>, <pad> (special), then
// <email-pii>, <ip-pii>, <iban-pii>, which stand for redacted text in documents and are therefore
// recognised there.
const std::vector<AddedToken>& leading_tokens();

class PieceCounter {
 public:
  static constexpr size_t kTables = 64;

  explicit PieceCounter(SplitPattern pattern, int64_t max_pieces = int64_t{1} << 23);

  // Counts the pieces of some texts; the leading tokens are cut out first, and pieces over 1,024
  // bytes are left out. Any number of calls at a time.
  void add(std::span<const std::string> texts);
  // When there are more than max_pieces, drops all pieces of the lowest counts until at most half
  // of them stay. Never while add() runs. What stays depends on which texts were added before, so
  // callers prune where the number of threads has no say.
  void prune(ThreadPool& pool);
  // How much text to add before prune() is due.
  int64_t batch_bytes() const;

  SplitPattern pattern() const { return pattern_; }
  int64_t distinct_pieces() const;
  int64_t count_of(std::string_view piece) const;
  const PieceTable& table(size_t index) const { return tables_[index].pieces; }

  int64_t dropped_pieces() const { return dropped_; }
  // No count is off by more: each prune() moves a count by less than its threshold.
  int64_t count_error() const { return count_error_; }
  int64_t overlong_pieces() const { return overlong_; }

 private:
  struct Table {
    std::mutex mutex;
    PieceTable pieces;
  };
  void count_text(std::string_view text, PieceTable& local);
  void flush(PieceTable& local);
  int64_t threshold(ThreadPool& pool) const;

  SplitPattern pattern_;
  int64_t max_pieces_;
  AddedTokenMatcher markers_;
  std::array<Table, kTables> tables_;
  int64_t dropped_ = 0, count_error_ = 0;
  uint64_t prunings_ = 0;
  std::atomic<int64_t> overlong_{0};
};

}  // namespace ballast
