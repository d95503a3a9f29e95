#include "tools/tokshard/model_flags.h"

namespace ballast {

std::vector<std::string> ModelFlags::files() const {
  std::vector<std::string> paths = thresholds;
  if (!language_model.empty()) paths.push_back(language_model);
  for (const std::string& spec : scores) {
    // What is no score is refused when the plan is made.
    const Result<ScoreSpec> score = parse_score_spec(spec);
    if (score.ok() && score->reads_file()) paths.push_back(score->source);
  }
  return paths;
}

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option(
      "--languages", flags.languages,
      "languages to keep, such as en,deu,zho_Hans: by --lang-model, or as documents say");
  path_option(app.add_option("--lang-model", flags.language_model,
                             "fastText model that names the language of each text (.bin, .ftz)"));
  app.add_option("--language-threshold", flags.language_threshold,
                 "score that a wanted language must exceed: X or LANGUAGE=X, with commas (0.65)");
  app.add_option("--score", flags.scores,
                 "NAME=metadata:KEY, NAME=fasttext:FILE,label=LABEL or NAME=linear:FILE, with "
                 "over=text|max|first and chunk=N");
  app.add_option("--keep", flags.limits, "limit of a score: NAME>=X, NAME>X, NAME<=X, NAME<X");
  path_option(app.add_option("--thresholds", flags.thresholds,
                             "limits by language, as tokshard quantile writes them"));
}

Result<LanguagePolicy> language_policy(FileSystem& fs, const ModelFlags& flags) {
  std::shared_ptr<const FastTextModel> model;
  if (!flags.language_model.empty())
    model = BALLAST_TRY(FastTextModel::load(fs, flags.language_model));
  return LanguagePolicy::make(flags.languages, flags.language_threshold, std::move(model));
}

Result<ScorePlan> score_plan(FileSystem& fs, const ModelFlags& flags) {
  constexpr int64_t kLimitBytes = int64_t{64} << 20;
  ScorePlan plan;
  for (const std::string& spec : flags.scores) BALLAST_TRY(plan.add_score(spec, fs));
  for (const std::string& spec : flags.limits) BALLAST_TRY(plan.add_limit(spec));
  for (const std::string& path : flags.thresholds) {
    const std::string text = BALLAST_TRY(read_file(fs, path, kLimitBytes));
    plan.add_limit(BALLAST_TRY(parse_thresholds(text, path)));
  }
  return plan;
}

}  // namespace ballast
