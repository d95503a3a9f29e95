// Where elements of the flat index (params.h) lie. A rank need not keep all of them: what it owns
// stands run after run in one buffer (FlatRuns), and what it works on may be in several places,
// some of which share memory because they are never needed together (FlatPlaces). Views; they own
// nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "libcore/tensor/tensor.h"

namespace ballast {

// Elements of the flat index, half open; borders of what ranks share out are multiples of
// kFlatBlock.
struct FlatRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool holds(const FlatRange& part) const { return begin <= part.begin && part.end <= end; }
  bool operator==(const FlatRange&) const = default;
};

class FlatPlaces {
 public:
  FlatPlaces() = default;            // nowhere
  FlatPlaces(const Tensor& whole) {  // NOLINT(google-explicit-constructor): all of the index
    if (!whole.empty()) put({0, whole.cols}, whole);
  }
  // The elements of `run` are those of `at` (1, n >= run.size()), in order.
  void put(const FlatRange& run, const Tensor& at) { places_.push_back({run, at}); }
  bool empty() const { return places_.empty(); }
  // (1, part.size()); `part` must lie in one run.
  Tensor at(const FlatRange& part) const;

 private:
  struct Place {
    FlatRange run;
    Tensor at;
  };
  std::vector<Place> places_;
};

// Runs of the index that stand one after another in a buffer.
class FlatRuns {
 public:
  FlatRuns() = default;
  // Any order; neighbours are joined.
  explicit FlatRuns(std::vector<FlatRange> runs);
  const std::vector<FlatRange>& runs() const { return runs_; }  // ascending
  int64_t size() const;
  // Where in the buffer `part`, which must lie in one run, begins.
  int64_t offset(const FlatRange& part) const;
  Tensor part(const Tensor& buffer, const FlatRange& part) const {
    return cols_of(buffer, offset(part), part.size());
  }
  FlatPlaces places(const Tensor& buffer) const;

 private:
  std::vector<FlatRange> runs_;
};

}  // namespace ballast
