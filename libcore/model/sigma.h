// The matrices of a model under sigma-reparametrisation (switches.h): blocks compute with
// gain / sigma * W, made here once per update, and their gradients are taken back to W and the gain
// after each block's backward pass. A gradient goes through sigma; u and v are constants. u and v
// are parts of the flat parameter buffer (ParamRole::state), so checkpoints hold them and a resumed
// run continues the same power iterations bit for bit. One thread; memory is the arena's.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "libcore/model/block.h"
#include "libcore/model/params.h"
#include "libcore/tensor/arena.h"
#include "libcore/tensor/backend.h"

namespace ballast {

class SigmaMatrices {
 public:
  // With room for the scaled matrices of all blocks, or of one where weights come and go, and when
  // training for the gradients of one.
  SigmaMatrices(Arena& arena, const ModelConfig& config, const ParamTable& table,
                const Types& types, bool training, bool resident);

  // Replaces the matrices of `blocks` by scaled ones and those of `dblocks` (empty when not
  // training) by the room for gradients. Views are of the table's places.
  void bind(const ParamTable& table, const FlatPlaces& params, const FlatPlaces& grads,
            std::vector<BlockParams>& blocks, std::vector<BlockParams>& dblocks);
  // A block's weights or vectors have new content.
  void scale(Backend& backend, size_t layer);
  // Whether its scaled matrices stand.
  bool scaled(size_t layer) const { return resident_ || scaled_ == layer; }
  // One power iteration on every matrix of a block: once per applied update.
  void iterate(Backend& backend, size_t layer) const;
  void begin_backward(Backend& backend) const;
  void end_backward(Backend& backend, size_t layer) const;

 private:
  struct Matrix {
    Tensor w, gain, u, v;  // in the flat parameters
    Tensor hat, sigma;
    Tensor dw, dgain;  // in the flat gradients
    Tensor dhat;       // shared by all layers
  };
  std::vector<std::array<Matrix, 4>> layers_;  // qkv, proj, fc1, fc2
  bool resident_;
  std::optional<size_t> scaled_;
};

}  // namespace ballast
