// One decoder block over Backend: forward, and its mirrored backward below it, out of the parts in
// parts.h. Activations needed by the backward pass live in a Saved table; what a recompute level
// drops is made again from what it keeps, by the same calls, so gradients have the same bits at
// every level.
#pragma once

#include <cstdint>

#include "libcore/model/parts.h"
#include "libcore/tensor/arena.h"

namespace ballast {

// What is made again in the backward pass.
enum class Recompute : uint8_t {
  none,   // nothing
  norms,  // the outputs of the norms in front of the branches, and the activation's output
  block,  // everything inside the block: only its input is kept
};

// Types of one run: activations (and the weights that ops read), and statistics, loss rows and
// parameter gradients. The float64 reference has both in f64.
struct Types {
  Dtype activation = Dtype::f32;
  Dtype statistic = Dtype::f32;
};
Types types_of(const Backend& backend);

// out (N, H) must not alias s.x.
void block_forward(const BlockContext& c, const Tensor& out, const Saved& s, const BlockParams& w);
// dx (N, H): gradient of `out` on entry, of s.x on return. `dw` accumulates.
void block_backward(const BlockContext& c, const Tensor& dx, const Saved& s, const BlockParams& w,
                    const BlockParams& dw, const BlockScratch& t);
// Makes what `level` did not keep again; s.x is there. Called before block_backward.
void block_recompute(const BlockContext& c, const Saved& s, const BlockParams& w, Recompute level);

// Takes the tensors of a Saved from `kept` (one per block) or `shared` (one for all), as `level`
// says.
Saved take_saved(Arena& arena, const Saved& shared, const ModelConfig& config, const Types& types,
                 int64_t rows, Recompute level);
Saved take_shared(Arena& arena, const ModelConfig& config, const Types& types, int64_t rows,
                  Recompute level);
BlockScratch take_scratch(Arena& arena, const ModelConfig& config, const Types& types,
                          int64_t rows);

}  // namespace ballast
