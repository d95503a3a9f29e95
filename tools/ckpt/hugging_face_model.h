// A model as the Hugging Face class that computes it: its config.json, and its tensors by the names
// of that class. LLaMA, Qwen3 (QK-norm), Apertus (QK-norm without a gate), Arcee (no gate) and
// Nemotron (LayerNorm without a gate); switches that no class has are refused by name (kind usage).
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/model/fold.h"

namespace ballast {

struct HuggingFaceTensor {
  std::string name;
  std::vector<int64_t> shape;     // [] is a scalar
  const float* values = nullptr;  // of the folded model, or of `owned`
  int64_t elements = 0;
};

struct HuggingFaceModel {
  Json config;
  std::vector<HuggingFaceTensor> tensors;
  std::deque<std::vector<float>> owned;  // values that the class stores in another form
};

// Views of `model`, which must stay.
Result<HuggingFaceModel> map_to_hugging_face(const FoldedModel& model);

// A folder that was written from such a model, read back: its config and flat parameters.
Result<FoldedModel> read_hugging_face(FileSystem& fs, const std::string& folder);

}  // namespace ballast
