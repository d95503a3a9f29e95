// How ranks share the flat index. It is cut into buckets, runs of whole blocks whose gradients
// become final at about the same point of the backward pass: so one bucket can travel while the
// next is computed. Within a bucket every rank owns one run of blocks (ZeRO-1, Rajbhandari et al.
// 2020: optimizer states exist on their owner only), and the rest of a division goes to whoever
// owns least so far. Pure; a function of table and rank count.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/model/params.h"

namespace ballast {

// Elements of the flat index, half open; borders are multiples of kFlatBlock.
struct FlatRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const FlatRange&) const = default;
};

struct FlatBucket {
  FlatRange range;
  std::vector<int64_t> borders;  // ranks + 1, relative to range.begin
};

class FlatCut {
 public:
  FlatCut(const ParamTable& table, int ranks);

  // In the order in which gradients become final: the 1-D parameters, which only the end of the
  // backward pass completes, stand last; matrices descend.
  const std::vector<FlatBucket>& buckets() const { return buckets_; }
  // What `rank` owns, ascending, without empty ranges.
  std::vector<FlatRange> shard(int rank) const;
  int64_t shard_size(int rank) const;
  int64_t largest_shard() const;

 private:
  int ranks_;
  std::vector<FlatBucket> buckets_;
};

// The optimizer's ranges inside `part`, relative to its begin.
std::vector<OptimizerRange> ranges_within(const std::vector<OptimizerRange>& ranges,
                                          const FlatRange& part);

}  // namespace ballast
