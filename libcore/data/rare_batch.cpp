#include "libcore/data/rare_batch.h"

#include <algorithm>

#include "libcore/base/hash.h"
#include "libcore/base/rng.h"

namespace ballast {

std::vector<int32_t> rarest_tokens(std::span<const int64_t> counts) {
  constexpr size_t kLeast = 16, kShare = 100;
  std::vector<int32_t> ids;
  for (size_t id = 0; id < counts.size(); ++id)
    if (counts[id] > 0) ids.push_back(static_cast<int32_t>(id));
  std::ranges::stable_sort(ids, {}, [&](int32_t id) { return counts[static_cast<size_t>(id)]; });
  ids.resize(std::min(ids.size(), std::max(kLeast, ids.size() / kShare)));
  return ids;
}

void fill_rare(HostBatch& batch, std::span<const int32_t> ids, uint64_t seed) {
  BALLAST_CHECK(!ids.empty());
  const uint64_t stream = xxh3_64("rare batch");
  const auto draw = [&](size_t i) {
    return ids[random_u64(seed, stream, static_cast<uint64_t>(i)) % ids.size()];
  };
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    batch.tokens[i] = draw(i);
    batch.labels[i] = draw(i + 1);
    batch.doc_start[i] = 0;
  }
  batch.valid = static_cast<int64_t>(batch.labels.size());
}

}  // namespace ballast
