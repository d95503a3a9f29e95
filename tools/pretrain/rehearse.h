// One step in which nothing is computed: what the device will want besides the run's own buffers,
// before the first step (libcore/tensor/rehearsal.h). With the buffers of a run the device then has
// it; with those of a plan it is only counted. Nothing for a backend that finds out nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcore/model/model.h"
#include "libcore/tensor/rehearsal.h"
#include "tools/pretrain/buffers.h"
#include "tools/pretrain/layer_stats.h"
#include "tools/pretrain/shard_state.h"

namespace ballast {

// What takes part in a step; `layers` may be null.
struct StepParts {
  Backend& backend;
  const RunConfig& config;
  const TrainBuffers& buffers;
  Model& model;  // bound
  LayerStats* layers = nullptr;
  const std::vector<ShardPiece>& shard;
};

std::optional<RehearsedMemory> rehearse(Rehearsal::Kind kind, const StepParts& parts);
// The same in two halves, for buffers that are carved in between. Null: the backend has no need.
Rehearsal* begin_rehearsal(Backend& backend, Rehearsal::Kind kind);
void walk_through(const StepParts& parts);

// How the backend multiplies (Rehearsal::product_choices); empty where there is no choice.
std::string product_choices(Backend& backend);
// Whether the backend could take them.
bool take_product_choices(Backend& backend, const std::string& choices);

}  // namespace ballast
