// Presets: published runs (and small ones for tests and the lab) as whole recipes. A preset is a
// model and the values of options of `pretrain` that go with it, by flag name; what is given on the
// command line, in the environment or in a file wins over the recipe. Pure; kind usage for unknown
// names.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/model/config.h"

namespace ballast {

struct Preset {
  std::string name;
  std::string summary;  // what it is and where it is from
  ModelConfig model;
  std::vector<std::pair<std::string, std::string>> recipe;  // {"lr", "1e-3"}; empty: only a shape
};

const std::vector<Preset>& presets();
Result<Preset> find_preset(const std::string& name);
std::string preset_names();

}  // namespace ballast
