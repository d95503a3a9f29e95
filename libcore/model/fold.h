// Takes out of a model what its other parameters can express exactly, so that it becomes one with
// fewer switches: sigma-reparametrisation (into its matrices), LayerScale (into the matrices or
// norms before it), the temperature and muP's factor of the scores (into queries or their norm),
// muP's factor of the logits (into the last norm or the head). Products are worked out in double
// and rounded once. Pure. Kind usage where nothing can take a factor.
#pragma once

#include <vector>

#include "libcore/base/result.h"
#include "libcore/model/config.h"
#include "libcore/model/params.h"

namespace ballast {

struct FoldedModel {
  ModelConfig config;
  ParamTable table;
  std::vector<float> master;  // the flat index of `table`
};

Result<FoldedModel> fold_switches(const ModelConfig& config, const ParamTable& table,
                                  const float* master);

}  // namespace ballast
