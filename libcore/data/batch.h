// Makes training samples from shards. Window w of a source holds tokens [wT, wT + T], T + 1 of
// them: inputs are the first T, labels the last T. Document borders come from the shard's index,
// never from token ids. A label is masked (-1) when it lies in another document than its input, in
// a tombstone of the shard, or when Goldfish drops it. Errors: kind io or corrupt with the shard's
// path. Sources may be read from several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/data/goldfish.h"
#include "libcore/data/order.h"
#include "libcore/shard/reader.h"

namespace ballast {

inline constexpr int32_t kMaskedLabel = -1;

// Host side of some sequences, batch major.
struct HostBatch {
  std::vector<int32_t> tokens;     // B*T
  std::vector<int32_t> labels;     // B*T, kMaskedLabel where nothing is learnt
  std::vector<int32_t> doc_start;  // B*T: index in the window of the token's document start
  int64_t valid = 0;               // unmasked labels
  void resize(int64_t sequences, int64_t seq_len);
};

class WindowReader {
 public:
  // With `goldfish` the labels that it drops are masked and not counted as valid.
  WindowReader(std::shared_ptr<const ShardReader> shard, int64_t seq_len, int64_t vocab_size,
               std::shared_ptr<const Goldfish> goldfish = nullptr);
  int64_t windows() const { return windows_; }
  // Writes sequence `row` of `batch`. Kind corrupt when an id is not below the vocabulary.
  Result<void> read(int64_t window, HostBatch& batch, int64_t row) const;

 private:
  std::shared_ptr<const ShardReader> shard_;
  int64_t seq_len_;
  int64_t vocab_size_;
  std::shared_ptr<const Goldfish> goldfish_;
  int64_t windows_;
};

}  // namespace ballast
