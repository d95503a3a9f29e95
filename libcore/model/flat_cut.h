// How ranks share the flat index. It is cut into buckets, runs of whole blocks whose gradients
// become final at about the same point of the backward pass: so one bucket can travel while the
// next is computed. Within a bucket every rank owns one run of blocks (ZeRO-1, Rajbhandari et al.
// 2020: optimizer states exist on their owner only), and the rest of a division goes to whoever
// owns least so far. Pure; a function of table and rank count.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/model/flat_places.h"
#include "libcore/model/params.h"

namespace ballast {

struct FlatBucket {
  FlatRange range;
  std::vector<int64_t> borders;  // ranks + 1, relative to range.begin
  FlatRange part(int rank) const {
    const auto r = static_cast<size_t>(rank);
    return {range.begin + borders[r], range.begin + borders[r + 1]};
  }
};

class FlatCut {
 public:
  FlatCut(const ParamTable& table, int ranks);

  // In the order in which gradients become final: the 1-D parameters, which only the end of the
  // backward pass completes, stand last; matrices descend.
  const std::vector<FlatBucket>& buckets() const { return buckets_; }
  // The place in buckets() of the one that holds this element.
  size_t bucket_of(int64_t element) const;
  // What `rank` owns, ascending, without empty ranges.
  std::vector<FlatRange> shard(int rank) const;
  int64_t shard_size(int rank) const;
  int largest_rank() const;  // the first one that owns most

 private:
  int ranks_;
  std::vector<FlatBucket> buckets_;
};

// The optimizer's ranges inside `part`, relative to its begin.
std::vector<OptimizerRange> ranges_within(const std::vector<OptimizerRange>& ranges,
                                          const FlatRange& part);

}  // namespace ballast
