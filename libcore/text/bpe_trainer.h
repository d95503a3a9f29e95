// Learns a byte-level BPE vocabulary: pieces of documents are counted, then the most frequent
// adjacent pair is joined until the vocabulary is full; of equally frequent pairs the one with the
// smaller ids is taken, so the result depends on the documents alone, not on their order or on the
// number of threads.
//
// Memory: PieceCounter holds at most `max_pieces` distinct pieces (about 100 bytes each); past that
// the rarest are dropped after a batch, and dropped_pieces() says how many. train_bpe() needs about
// 100 more bytes per piece. Pieces over 1,024 bytes are left out of the count.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/thread_pool.h"
#include "libcore/text/added_tokens.h"
#include "libcore/text/bpe.h"
#include "libcore/text/split_pattern.h"

namespace ballast {

// The tokens that every vocabulary of ours begins with: <s>, </s>, <pad> (special), then
// <email-pii>, <ip-pii>, <iban-pii>, which stand for redacted text in documents and are therefore
// recognised there.
const std::vector<AddedToken>& leading_tokens();

class PieceCounter {
 public:
  using Counts = std::unordered_map<std::string, int64_t>;

  explicit PieceCounter(SplitPattern pattern, int64_t max_pieces = int64_t{1} << 23);
  // Counts the pieces of a batch of texts; the leading tokens are cut out first.
  void add(std::span<const std::string> texts, ThreadPool& pool);

  SplitPattern pattern() const { return pattern_; }
  const Counts& counts() const { return counts_; }
  int64_t dropped_pieces() const { return dropped_; }
  int64_t overlong_pieces() const { return overlong_; }

 private:
  int64_t count_text(std::string_view text, Counts& counts) const;
  void prune();

  SplitPattern pattern_;
  int64_t max_pieces_;
  AddedTokenMatcher markers_;
  Counts counts_;
  int64_t dropped_ = 0;
  int64_t overlong_ = 0;
};

struct TrainedBpe {
  SplitPattern pattern = SplitPattern::llama3;
  std::vector<std::string> tokens;  // id -> bytes; the leading tokens, the 256 bytes, then merges
  std::vector<BpeMerge> merges;
};

// `vocab_size` counts everything. Kind usage when it cannot hold the leading tokens and the bytes;
// kind insufficient when the documents have too few pairs to fill it.
Result<TrainedBpe> train_bpe(const PieceCounter& counter, int64_t vocab_size);

// tokenizer.json for Hugging Face tokenizers and for Tokenizer::parse: Split, ByteLevel, BPE, and a
// template that puts <s> before a text.
std::string tokenizer_json_text(const TrainedBpe& trained);

}  // namespace ballast
