// Exact deduplication: of documents, or of the lines or paragraphs of all documents, the first in
// input order stays. What was seen is kept exactly, or in a Bloom filter, which is bounded and
// takes a stated share of what is new for repeated.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libcore/dedup/bloom_filter.h"
#include "libcore/dedup/dedup_item.h"
#include "libcore/dedup/distinct_hashes.h"
#include "libcore/dedup/id_list.h"

namespace ballast {

struct ExactOptions {
  std::optional<PartKind> parts = {};   // absent: whole documents
  std::optional<BloomPlan> bloom = {};  // absent: exactly
  int64_t ignore_below = 0;  // characters: shorter parts always stay and are not remembered
  bool name_kept = false;    // duplicates name the document that stays (exact, documents)
};

class ExactRule final : public DedupRule {
 public:
  explicit ExactRule(const ExactOptions& options);
  void prepare(DedupItem& item) const override;
  void decide(DedupItem& item) override;

  int64_t distinct() const;
  int64_t bytes() const;  // of what is remembered
  const BloomFilter* bloom() const { return bloom_ ? &*bloom_ : nullptr; }

 private:
  bool is_new(const Hash128& hash) {
    return bloom_ ? bloom_->insert(hash) : exact_.insert(hash).fresh;
  }
  void decide_parts(DedupItem& item);
  void decide_document(DedupItem& item);

  ExactOptions options_;
  DistinctHashes exact_;
  std::optional<BloomFilter> bloom_;
  IdList ids_;
};

}  // namespace ballast
