// The ParamSpec table: one list that drives allocation, initialisation, optimizer groups,
// checkpoints, statistics and conversion. Storage is fused (qkv rows are [q|k|v], gate_up rows are
// [gate|up]); the table lists the Hugging Face-named row views of it.
//
// The logical flat index addresses every element of every view in one sequence of int64: matrices
// first in model order, each beginning at a multiple of 65,536 (kFlatBlock), then all 1-D
// parameters, which share blocks. Indices between the end of one matrix and the next border are
// padding: zero, never saved. Sharding, checkpoints and fused optimizers use flat ranges; norms are
// summed over its blocks, so a norm never depends on how storage is cut.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcore/model/config.h"
#include "libcore/model/flat_places.h"
#include "libcore/tensor/backend.h"

namespace ballast {

// gain: LayerScale, the scalars of xIELU and of sigma-reparametrisation; state: not trained (the
// vectors of power iterations), so no optimizer range covers it and no gradient is written there.
enum class ParamRole : uint8_t { embedding, norm, qkv, proj, fc1, fc2, head, gain, state };

// One Hugging Face tensor: a row range of a stored tensor.
struct ParamSpec {
  std::string name;  // "model.layers.3.self_attn.q_proj.weight"
  int64_t rows = 0;  // as Hugging Face has it: vocabulary rows without padding
  int64_t cols = 0;
  bool one_dimensional = false;  // saved with shape [cols]
  ParamRole role = ParamRole::norm;
  int layer = -1;       // -1: outside the blocks
  double init_std = 0;  // normal(0, init_std); 0: constant `init_value`
  double init_value = 0;
  bool decay = false;      // rank >= 2
  int64_t flat_begin = 0;  // of row 0; rows follow without gaps
  // muP: hidden matrices (both sides grow with the width) learn at 1 / width ratio of the base
  // rate; embeddings, head and everything one-dimensional at the base rate.
  double lr_scale = 1;
  int64_t elements() const { return rows * cols; }
  int64_t flat_end() const { return flat_begin + elements(); }
};

// A stored tensor: what ops see.
struct StoredTensor {
  std::string name;  // "layers.3.qkv", "embed", "norm"
  int64_t rows = 0;  // padded
  int64_t cols = 0;
  int64_t flat_begin = 0;
  bool matrix = true;
};

struct ParamTable {
  std::vector<StoredTensor> stored;  // in flat order
  std::vector<ParamSpec> specs;      // in flat order
  int64_t flat_size = 0;             // a multiple of kFlatBlock
  int64_t parameters = 0;            // trained elements: what people call the model's size
  std::vector<OptimizerRange> optimizer_ranges() const;
  const ParamSpec* find(const std::string& name) const;
  const StoredTensor* find_stored(const std::string& name) const;
  const StoredTensor& stored_named(const std::string& name) const;  // must exist
  // The stored tensor where its elements lie; empty where the model has no such tensor or they lie
  // nowhere.
  Tensor view(const FlatPlaces& flat, const std::string& stored_name) const;
};

ParamTable make_param_table(const ModelConfig& config);

// Fills `flat` (flat_size elements, f32, host) with initial values: normal by (seed, xxh3_64 of the
// name, element index), so it is the same for every rank count and storage. Padding is zero.
// Vectors of power iterations start from such normals and have run kFirstIterations on the host.
void initialise_parameters(const ParamTable& table, uint64_t seed, float* flat);
inline constexpr int kFirstIterations = 16;

}  // namespace ballast
