#include "libcore/dedup/exact_rule.h"

namespace ballast {

ExactRule::ExactRule(const ExactOptions& options) : options_(options), exact_(options.name_kept) {
  if (options.bloom) bloom_.emplace(*options.bloom);
}

void ExactRule::prepare(DedupItem& item) const {
  if (!options_.parts) {
    item.hash = xxh3_128(as_bytes(item.document.text));
    return;
  }
  item.kind = *options_.parts;
  cut_parts(item.document.text, item.kind, item.parts);
}

void ExactRule::decide(DedupItem& item) {
  if (options_.parts) {
    decide_parts(item);
  } else {
    decide_document(item);
  }
}

void ExactRule::decide_parts(DedupItem& item) {
  for (TextPart& part : item.parts) {
    if (part.chars < options_.ignore_below) continue;
    part.removed = !is_new(part.hash);
    item.parts_removed += part.removed ? 1 : 0;
  }
  if (item.parts.empty()) {
    item.refusal = kEmptyText;
  } else if (item.parts_removed == static_cast<int64_t>(item.parts.size())) {
    item.refusal = kNothingNew;
  }
}

void ExactRule::decide_document(DedupItem& item) {
  if (bloom_) {
    if (!bloom_->insert(item.hash)) item.refusal = kProbableDuplicate;
    return;
  }
  const DistinctHashes::Answer answer = exact_.insert(item.hash);
  if (answer.fresh) {
    if (options_.name_kept) ids_.append(item.document.id);
    return;
  }
  item.refusal = kDuplicate;
  if (options_.name_kept) item.kept_id = ids_.at(answer.number);
}

int64_t ExactRule::distinct() const { return bloom_ ? bloom_->size() : exact_.size(); }

int64_t ExactRule::bytes() const {
  return (bloom_ ? bloom_->bytes() : exact_.bytes()) + ids_.bytes();
}

}  // namespace ballast
