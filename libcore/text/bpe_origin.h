// How each token of a BPE vocabulary comes about from its bytes, and what follows from it: whether
// merging keeps two neighbouring tokens apart. Merging acts on each stretch of a text between two
// final token borders as if it stood alone, so a sequence of tokens is what merging makes of a text
// exactly when merging makes each token of its own bytes and keeps each two neighbours apart.
//
// Holds for merges that rise in rank: a token is never joined at a lower rank than its parts were.
// Trained vocabularies are like that. Immutable after build(); any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcore/text/merge_table.h"

namespace ballast {

class BpeOrigins {
 public:
  BpeOrigins() = default;

  // tokens[id] is the bytes of an id, "" for one that is never made. Nullopt when a token is joined
  // at a lower rank than one of its parts.
  static std::optional<BpeOrigins> build(std::span<const std::string> tokens,
                                         const MergeTable& merges);

  bool empty() const { return origins_.empty(); }
  // Merging makes this token of its bytes.
  bool is_made(int32_t id) const { return origins_[static_cast<size_t>(id)].birth != kNever; }
  // The merge that does; only for tokens of two bytes and more.
  MergeTable::Entry merge_of(int32_t id) const;
  // No merge crosses the border between two tokens that are made of their bytes.
  bool stay_apart(const MergeTable& merges, int32_t left, int32_t right) const;

 private:
  static constexpr uint32_t kNever = ~uint32_t{0};
  struct Origin {
    uint32_t birth = kNever;  // 0: a byte; else the rank of its last merge + 1
    int32_t left = -1;
    int32_t right = -1;
  };

  const Origin& at(int32_t id) const { return origins_[static_cast<size_t>(id)]; }
  bool undo_later(int32_t& left, int32_t& right, uint32_t& limit) const;
  bool meet(const MergeTable& merges, int32_t left, int32_t right) const;

  std::vector<Origin> origins_;
};

}  // namespace ballast
