// The options of verbs that ask classifiers about documents: languages, scores and their limits.
#pragma once

#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/text/language/language_policy.h"
#include "libcore/text/scores/score_plan.h"

namespace ballast {

struct ModelFlags {
  std::string languages, language_model, language_threshold;
  std::vector<std::string> scores, limits, thresholds;

  std::vector<std::string> files() const;  // models and thresholds
};

// `flags` must outlive the parsing.
void add_model_flags(CLI::App& app, ModelFlags& flags);

// Reads the models that the flags name.
Result<LanguagePolicy> language_policy(FileSystem& fs, const ModelFlags& flags);
Result<ScorePlan> score_plan(FileSystem& fs, const ModelFlags& flags);

}  // namespace ballast
