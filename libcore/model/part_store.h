// How a model asks for the memory of its parts, so that a rank need not keep all of them at once.
// A part is the embedding, a block or the output matrix, and is named by the place in the flat
// index where its matrices begin; of a tied output matrix that is the embedding's. One-dimensional
// parameters belong to no part: they always stand. Called on the thread of the pass, in the same
// order on every rank.
#pragma once

#include <cstdint>

namespace ballast {

class WeightStore {
 public:
  virtual ~WeightStore() = default;
  // Ops that follow read the part's matrices, until another part is wanted. The number of the
  // content at their place: another number, other content.
  virtual int64_t want(int64_t part) = 0;
  // The weights have new values: what was gathered of the old ones is worth nothing.
  virtual void changed() = 0;
};

class GradientStore {
 public:
  virtual ~GradientStore() = default;
  // Ops that follow add to gradients of the part. May be said again before complete().
  virtual void open(int64_t part) = 0;
  // No later op of the pass adds to gradients of matrices at `part` and above. The embedding's are
  // complete when the pass is, and not announced.
  virtual void complete(int64_t part) = 0;
};

}  // namespace ballast
