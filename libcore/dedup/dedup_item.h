// One document on its way through deduplication, and the rule that decides about it. Items are
// prepared and rendered in parallel, decided one after the other in input order, so what happens to
// a document depends on the documents before it alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/dedup/text_parts.h"
#include "libcore/text/document.h"

namespace ballast {

// Why a document goes: "dropped_by" and "reason" of ballast-documents(5).
struct DedupRefusal {
  const char* stage = nullptr;  // null: the document stays
  const char* reason = nullptr;
};
inline constexpr DedupRefusal kEmptyText{"length", "empty"};
inline constexpr DedupRefusal kDuplicate{"dedup", "duplicate"};
inline constexpr DedupRefusal kProbableDuplicate{"dedup", "probable_duplicate"};
inline constexpr DedupRefusal kNearDuplicate{"dedup", "near_duplicate"};
inline constexpr DedupRefusal kNothingNew{"dedup", "nothing_new"};
inline constexpr DedupRefusal kRefusedBefore{"input", "rejected"};  // its line stays as it was

struct DedupItem {
  Document document;
  int64_t number = 0;           // among all documents of all inputs, from 0
  Hash128 hash;                 // of its text
  std::vector<TextPart> parts;  // when lines or paragraphs are what is compared
  PartKind kind = PartKind::line;

  DedupRefusal refusal;
  std::string kept_id;        // of a duplicate: the document that stays, if known
  int64_t parts_removed = 0;  // of `parts`
  int64_t cluster_size = 0;   // documents of its cluster, 0: it is in none

  int64_t bytes_in = 0, bytes_kept = 0;  // of text
  std::string line;                      // what is to be written

  bool kept() const { return refusal.stage == nullptr; }
};

class DedupRule {
 public:
  virtual ~DedupRule() = default;
  // Whatever needs no other document. Called from several threads.
  virtual void prepare(DedupItem& item) const = 0;
  // Called once per document that has a text and was not rejected before, in input order.
  virtual void decide(DedupItem& item) = 0;
};

// Gives the document an id, and refuses it if there is nothing to compare.
void begin_item(DedupItem& item);
// Makes the line of a decided item: a kept one without its removed parts, a rejected one with its
// own text, reason and what it repeats.
void render_item(DedupItem& item);

}  // namespace ballast
