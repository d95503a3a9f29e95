#include "libcore/model/flat_cut.h"

#include <algorithm>
#include <utility>

#include "libcore/base/check.h"

namespace ballast {
namespace {

// Below this a message costs more by its latency than by its bytes.
constexpr int64_t kSmallestBucket = 16 * kFlatBlock;

// Begins of the runs of matrices that one stretch of the backward pass completes (the embedding, a
// layer, the output matrix), and where the 1-D parameters begin; ascending.
std::vector<int64_t> matrix_groups(const ParamTable& table, int64_t* one_dimensional) {
  std::vector<int64_t> begins;
  const ParamSpec* last = nullptr;
  *one_dimensional = table.flat_size;
  for (const ParamSpec& spec : table.specs) {
    if (spec.one_dimensional) {
      *one_dimensional = std::min(*one_dimensional, spec.flat_begin / kFlatBlock * kFlatBlock);
      continue;
    }
    if (last == nullptr || last->layer != spec.layer || last->role == ParamRole::embedding)
      begins.push_back(spec.flat_begin);
    last = &spec;
  }
  return begins;
}

}  // namespace

FlatCut::FlatCut(const ParamTable& table, int ranks) : ranks_(ranks) {
  int64_t end = 0;
  const std::vector<int64_t> begins = matrix_groups(table, &end);
  const FlatRange gains = {end, table.flat_size};
  for (size_t i = begins.size(); i-- > 0;) {
    if (i > 0 && end - begins[i] < kSmallestBucket) continue;  // joined to the one before it
    buckets_.push_back({{begins[i], end}, {}});
    end = begins[i];
  }
  BALLAST_CHECK(end == 0);
  if (gains.size() > 0) buckets_.push_back({gains, {}});

  std::vector<int64_t> owned(static_cast<size_t>(ranks));
  for (FlatBucket& bucket : buckets_) {
    const int64_t blocks = bucket.range.size() / kFlatBlock;
    std::vector<int64_t> share(owned.size(), blocks / ranks);
    for (int64_t rest = blocks % ranks; rest > 0; --rest) {
      size_t least = 0;
      for (size_t r = 1; r < owned.size(); ++r)
        if (owned[r] + share[r] < owned[least] + share[least]) least = r;
      ++share[least];
    }
    bucket.borders = {0};
    for (size_t r = 0; r < owned.size(); ++r) {
      owned[r] += share[r];
      bucket.borders.push_back(bucket.borders.back() + share[r] * kFlatBlock);
    }
  }
}

size_t FlatCut::bucket_of(int64_t element) const {
  const auto found = std::ranges::find_if(buckets_, [&](const FlatBucket& bucket) {
    return bucket.range.holds({element, element + 1});
  });
  BALLAST_CHECK(found != buckets_.end());
  return static_cast<size_t>(found - buckets_.begin());
}

std::vector<FlatRange> FlatCut::shard(int rank) const {
  std::vector<FlatRange> parts;
  for (const FlatBucket& bucket : buckets_) parts.push_back(bucket.part(rank));
  return FlatRuns(std::move(parts)).runs();
}

int64_t FlatCut::shard_size(int rank) const {
  int64_t size = 0;
  for (const FlatRange& range : shard(rank)) size += range.size();
  return size;
}

int FlatCut::largest_rank() const {
  int largest = 0;
  for (int r = 1; r < ranks_; ++r)
    if (shard_size(r) > shard_size(largest)) largest = r;
  return largest;
}

std::vector<OptimizerRange> ranges_within(const std::vector<OptimizerRange>& ranges,
                                          const FlatRange& part) {
  std::vector<OptimizerRange> inside;
  for (OptimizerRange range : ranges) {
    range.begin = std::max(range.begin, part.begin) - part.begin;
    range.end = std::min(range.end, part.end) - part.begin;
    if (range.begin < range.end) inside.push_back(range);
  }
  return inside;
}

}  // namespace ballast
