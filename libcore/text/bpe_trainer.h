// Learns a byte-level BPE vocabulary from counted pieces: the most frequent adjacent pair is joined
// until the vocabulary is full; of equally frequent pairs the one with the smaller ids is taken, so
// the result depends on the counts alone, not on the number of threads.
//
// Memory: BpeWords of the pieces, and about 24 bytes for each distinct pair.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/thread_pool.h"
#include "libcore/text/bpe.h"
#include "libcore/text/piece_counter.h"

namespace ballast {

struct TrainedBpe {
  SplitPattern pattern = SplitPattern::llama3;
  std::vector<std::string> tokens;  // id -> bytes; the leading tokens, the 256 bytes, then merges
  std::vector<BpeMerge> merges;
};

// `vocab_size` counts everything. Kind usage when it cannot hold the leading tokens and the bytes;
// kind insufficient when the documents have too few pairs to fill it.
Result<TrainedBpe> train_bpe(const PieceCounter& counter, int64_t vocab_size, ThreadPool& pool);

// tokenizer.json for Hugging Face tokenizers and for Tokenizer::parse: Split, ByteLevel, BPE, and a
// template that puts <s> before a text.
std::string tokenizer_json_text(const TrainedBpe& trained);

}  // namespace ballast
