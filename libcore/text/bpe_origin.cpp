#include "libcore/text/bpe_origin.h"

#include <algorithm>

namespace ballast {

// Steps back to before the later of the two tokens was made. From then on a merge across the border
// came first when its rank + 1 is below `limit`: of equal ranks the left place is first, so a merge
// inside the left token wins against one across the border, and that against one inside the right.
// False when both are bytes.
inline bool BpeOrigins::undo_later(int32_t& left, int32_t& right, uint32_t& limit) const {
  const Origin& first = at(left);
  const Origin& second = at(right);
  if (first.birth > second.birth) {
    limit = first.birth;
    left = first.right;
    return true;
  }
  if (second.birth == 0) return false;
  limit = second.birth + 1;
  right = second.left;
  return true;
}

bool BpeOrigins::stay_apart(const MergeTable& merges, int32_t left, int32_t right) const {
  uint32_t limit = kNever;
  do {
    if (!merges.may_hold(left, right)) continue;
    const auto& merge = merges.find(left, right);
    if (merge.rank != MergeTable::kNoRank && merge.rank + 1 < limit) return false;
  } while (undo_later(left, right, limit));
  return true;
}

// Both tokens come about next to each other, so that they can be joined.
bool BpeOrigins::meet(const MergeTable& merges, int32_t left, int32_t right) const {
  uint32_t limit = kNever;
  while (undo_later(left, right, limit)) {
    const auto& merge = merges.find(left, right);
    if (merge.rank != MergeTable::kNoRank && merge.rank + 1 < limit) return false;
  }
  return true;
}

MergeTable::Entry BpeOrigins::merge_of(int32_t id) const {
  const Origin& origin = at(id);
  return {origin.left, origin.right, origin.birth - 1, id};
}

std::optional<BpeOrigins> BpeOrigins::build(std::span<const std::string> tokens,
                                            const MergeTable& merges) {
  BpeOrigins made;
  made.origins_.resize(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id)
    if (tokens[id].size() == 1) made.origins_[id].birth = 0;
  const auto length = [&](int32_t id) { return tokens[static_cast<size_t>(id)].size(); };
  std::vector<MergeTable::Entry> all = merges.all();
  std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return length(a.joined) < length(b.joined);  // parts before what is made of them
  });
  for (const auto& merge : all) {
    if (!made.is_made(merge.left) || !made.is_made(merge.right)) continue;
    if (!made.meet(merges, merge.left, merge.right)) continue;
    const uint32_t birth = merge.rank + 1;
    if (birth <= made.at(merge.left).birth || birth <= made.at(merge.right).birth)
      return std::nullopt;
    made.origins_[static_cast<size_t>(merge.joined)] = {birth, merge.left, merge.right};
  }
  return made;
}

}  // namespace ballast
