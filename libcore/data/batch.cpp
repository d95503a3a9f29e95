#include "libcore/data/batch.h"

#include <fmt/format.h>

#include <algorithm>

namespace ballast {

void HostBatch::resize(int64_t sequences, int64_t seq_len) {
  const auto n = static_cast<size_t>(sequences * seq_len);
  tokens.assign(n, 0);
  labels.assign(n, kMaskedLabel);
  doc_start.assign(n, 0);
  valid = 0;
}

WindowReader::WindowReader(std::shared_ptr<const ShardReader> shard, int64_t seq_len,
                           int64_t vocab_size, std::shared_ptr<const Goldfish> goldfish)
    : shard_(std::move(shard)),
      seq_len_(seq_len),
      vocab_size_(vocab_size),
      goldfish_(std::move(goldfish)),
      windows_(windows_in(shard_->total_tokens(), seq_len)) {}

Result<void> WindowReader::read(int64_t window, HostBatch& batch, int64_t row) const {
  std::vector<int32_t> ids(static_cast<size_t>(seq_len_ + 1));
  const int64_t first = window * seq_len_;
  BALLAST_TRY(shard_->read_tokens(first, ids));
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= vocab_size_) {
      return corrupt_error(fmt::format("token {} has id {}, the model's vocabulary has {}",
                                       first + static_cast<int64_t>(i), ids[i], vocab_size_),
                           shard_->prefix() + ".bin");
    }
  }
  std::vector<uint8_t> drop(static_cast<size_t>(seq_len_));
  if (goldfish_ != nullptr) goldfish_->mask(std::span<const int32_t>(ids).subspan(1), drop);
  const auto base = static_cast<size_t>(row * seq_len_);
  int64_t document = shard_->document_of(first);
  auto tombstone = std::ranges::upper_bound(shard_->tombstones(), first, {}, &Tombstone::end);
  for (int64_t t = 0; t < seq_len_; ++t) {
    const auto i = base + static_cast<size_t>(t);
    const int64_t position = first + t;
    while (shard_->document_begin(document + 1) <= position) ++document;
    while (tombstone != shard_->tombstones().end() && tombstone->end <= position + 1) ++tombstone;
    const bool gone = tombstone != shard_->tombstones().end() && tombstone->begin <= position + 1;
    const bool learnt = position + 1 < shard_->document_begin(document + 1) && !gone &&
                        drop[static_cast<size_t>(t)] == 0;
    batch.tokens[i] = ids[static_cast<size_t>(t)];
    batch.labels[i] = learnt ? ids[static_cast<size_t>(t) + 1] : kMaskedLabel;
    batch.doc_start[i] =
        static_cast<int32_t>(std::max<int64_t>(0, shard_->document_begin(document) - first));
    batch.valid += learnt ? 1 : 0;
  }
  return {};
}

}  // namespace ballast
