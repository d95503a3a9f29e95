// What scan and gate have in common: options, the probing of all tensors over the thread pool, and
// the JSON of a tensor.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/io/json.h"
#include "libcore/precision/gates.h"

namespace ballast {

struct SurveyOptions {
  std::vector<std::string> operands;
  std::string recipes;
  std::string include;
  std::string limits;
};
void add_survey_options(CLI::App& app, SurveyOptions& options, const char* default_recipes);

struct SurveyedTensor {
  std::string file;
  std::string name;
  std::string role;  // linear, embedding, vector, moment
  std::string dtype;
  std::vector<int64_t> shape;
  TensorSignals signals;
  std::vector<Verdict> verdicts;
  Level level = Level::pass;  // the worst verdict
};

struct Survey {
  Limits limits;  // the verdicts point into it
  std::vector<Recipe> recipes;
  std::vector<SurveyedTensor> tensors;  // in input order
  int64_t skipped = 0;                  // of types that cannot be probed
  std::string skipped_types;
};

// Kind insufficient when there is no tensor that can be probed.
Result<std::unique_ptr<Survey>> run_survey(const SurveyOptions& options,
                                           const CommonOptions& common);

Json verdict_json(const Verdict& verdict);
Json tensor_json(const SurveyedTensor& tensor);

// "G4,G7": the gates of the worst level for one recipe, those without recipe included; "-" for a
// pass.
std::string gates_of(const SurveyedTensor& tensor, const std::string& recipe, Level* level);

}  // namespace ballast
