#include "tools/fp8probe/survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>

#include "libcore/base/thread_pool.h"
#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "tools/fp8probe/inputs.h"

namespace ballast {
namespace {

struct Includes {
  bool embeddings = false;
  bool moments = false;
};

Result<Includes> parse_includes(const std::string& list) {
  Includes includes;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const std::string word = list.substr(at, end - at);
    if (word == "embeddings") {
      includes.embeddings = true;
    } else if (word == "moments") {
      includes.moments = true;
    } else {
      return usage_error("unknown kind of tensor '" + word + "'", "--include",
                         "embeddings, moments");
    }
    at = end + 1;
  }
  return includes;
}

SurveyedTensor describe(const InputTensor& input) {
  SurveyedTensor tensor;
  tensor.file = input.file->path();
  tensor.name = input.name;
  tensor.role = input.moment ? "moment" : name_of(role_of(input.name, input.entry->shape));
  tensor.dtype = input.entry->dtype;
  tensor.shape = input.entry->shape;
  return tensor;
}

// The recipes to try on a tensor: none on what stays in high precision in all of them.
std::span<const Recipe> recipes_for(const std::string& role, const std::vector<Recipe>& recipes,
                                    const Includes& includes) {
  if (role == "vector" || (role == "embedding" && !includes.embeddings)) return {};
  return recipes;
}

Level worst(const std::vector<Verdict>& verdicts) {
  Level level = Level::pass;
  for (const Verdict& verdict : verdicts) level = std::max(level, verdict.level);
  return level;
}

// Probes all inputs, the largest first so that no thread is left with one at the end.
Result<void> probe_all(const std::vector<InputTensor>& inputs, const Includes& includes,
                       int threads, Survey& survey) {
  std::vector<size_t> order(inputs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return inputs[a].entry->bytes() > inputs[b].entry->bytes();
  });
  std::vector<std::optional<Error>> errors(inputs.size());
  ProgressLine progress;
  std::mutex progress_mutex;
  int64_t done_bytes = 0;
  ThreadPool pool(threads);
  pool.parallel_for(static_cast<int64_t>(order.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const size_t at = order[static_cast<size_t>(i)];
      const InputTensor& input = inputs[at];
      SurveyedTensor& tensor = survey.tensors[at];
      auto signals = probe_tensor({tensor.dtype, tensor.shape,
                                   [&input](int64_t offset, MutableBytes into) {
                                     return input.file->read(*input.entry, offset, into);
                                   }},
                                  recipes_for(tensor.role, survey.recipes, includes));
      if (!signals.ok()) {
        errors[at] = signals.take_error();
        continue;
      }
      tensor.signals = signals.take_value();
      std::scoped_lock lock(progress_mutex);
      done_bytes += input.entry->bytes();
      if (progress.wanted()) progress.update("probed " + format_bytes(done_bytes));
    }
  });
  progress.clear();
  for (std::optional<Error>& error : errors) {
    if (error) return std::move(*error);
  }
  return {};
}

Result<void> check_unchanged(const std::vector<InputTensor>& inputs) {
  const SafetensorsReader* checked = nullptr;
  for (const InputTensor& input : inputs) {
    if (input.file.get() == checked) continue;
    checked = input.file.get();
    BALLAST_TRY(checked->check_unchanged());
  }
  return {};
}

Json shape_json(const std::vector<int64_t>& shape) {
  Json list = Json::array();
  for (int64_t extent : shape) list.push_back(extent);
  return list;
}

Json values_json(const ValueStats& values) {
  Json exponents = Json::object();
  for (size_t field = 0; field < values.exponents.size(); ++field) {
    if (values.exponents[field] == 0) continue;
    exponents[std::to_string(static_cast<int>(field) - 127)] = values.exponents[field];
  }
  return {{"n", values.n},
          {"n_zero", values.n_zero},
          {"n_nan", values.n_nan},
          {"n_inf", values.n_inf},
          {"amax", json_number(static_cast<double>(values.amax))},
          {"amin_nonzero", json_number(static_cast<double>(values.amin_nonzero))},
          {"rms", json_number(values.rms())},
          {"crest", json_number(values.crest())},
          {"kurtosis", json_number(values.kurtosis())},
          {"exponents", std::move(exponents)}};
}

Json recipe_json(const RecipeSignals& signals) {
  return {{"recipe", signals.recipe.name()},
          {"underflow_frac", json_number(signals.underflow_frac)},
          {"subnormal_frac", json_number(signals.subnormal_frac)},
          {"clip_frac", json_number(signals.clip_frac)},
          {"top_bin_frac", json_number(signals.top_bin_frac)},
          {"sqnr_db", json_number(signals.sqnr_db)},
          {"sqnr_bulk_db", json_number(signals.sqnr_bulk_db)},
          {"sqnr_p01_db", json_number(signals.sqnr_p01_db)},
          {"gain", json_number(signals.gain)},
          {"cos", json_number(signals.cosine)},
          {"baseline_db", json_number(signals.baseline_db)},
          {"loss_db", json_number(signals.loss_db)},
          {"log2_scale_min", json_number(signals.log2_scale_min)},
          {"log2_scale_max", json_number(signals.log2_scale_max)},
          {"n_scales", signals.n_scales}};
}

}  // namespace

void add_survey_options(CLI::App& app, SurveyOptions& options, const char* default_recipes) {
  options.recipes = default_recipes;
  path_option(app.add_option("input", options.operands,
                             "safetensors file, Hugging Face folder, checkpoint or its address"))
      ->required();
  app.add_option("--recipe", options.recipes,
                 "recipes, by commas: tensor, row, 1x128 or 128x128, then :e4m3 or :e5m2 and "
                 ":exact, :floor or :ceil")
      ->capture_default_str();
  app.add_option("--include", options.include,
                 "try the recipes on these too: embeddings, moments (of a checkpoint's optimizer)");
  path_option(app.add_option("--limits", options.limits,
                             "JSON file with other limits (ballast-precision-limits(5))"));
}

Result<std::unique_ptr<Survey>> run_survey(const SurveyOptions& options,
                                           const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  auto survey = std::make_unique<Survey>();
  survey->limits = default_limits();
  survey->recipes = BALLAST_TRY(parse_recipes(options.recipes, "--recipe"));
  const Includes includes = BALLAST_TRY(parse_includes(options.include));
  if (!options.limits.empty()) {
    const std::string text = BALLAST_TRY(read_file(fs, options.limits, int64_t{1} << 20));
    BALLAST_TRY(apply_limits(text, options.limits, survey->limits));
  }
  std::vector<InputTensor> inputs =
      BALLAST_TRY(open_inputs(fs, options.operands, includes.moments));
  std::set<std::string> skipped;
  std::erase_if(inputs, [&](const InputTensor& input) {
    if (can_probe(input.entry->dtype)) return false;
    skipped.insert(input.entry->dtype);
    ++survey->skipped;
    return true;
  });
  survey->skipped_types = fmt::format("{}", fmt::join(skipped, " "));
  if (inputs.empty()) {
    return insufficient_error(
        "no tensor of a type that can be probed", options.operands.front(),
        survey->skipped == 0 ? "there are no tensors" : "found " + survey->skipped_types);
  }
  for (const InputTensor& input : inputs) survey->tensors.push_back(describe(input));
  BALLAST_TRY(probe_all(inputs, includes, common.threads, *survey));
  BALLAST_TRY(check_unchanged(inputs));
  for (SurveyedTensor& tensor : survey->tensors) {
    tensor.verdicts =
        judge_tensor(tensor.name, tensor.dtype, tensor.shape, tensor.signals, survey->limits);
    tensor.level = worst(tensor.verdicts);
  }
  if (survey->skipped > 0) {
    print_note(fmt::format("skipped {} tensors that cannot be probed ({})", survey->skipped,
                           survey->skipped_types));
  }
  return survey;
}

Json verdict_json(const Verdict& verdict) {
  Json json = {{"level", name_of(verdict.level)}, {"gate", verdict.gate->id}};
  if (!verdict.recipe.empty()) json["recipe"] = verdict.recipe;
  json["signal"] = verdict.gate->signal;
  json["value"] = json_number(verdict.value);
  json["limit"] = json_number(verdict.limit);
  json["origin"] = verdict.gate->origin;
  return json;
}

Json tensor_json(const SurveyedTensor& tensor) {
  Json recipes = Json::array();
  for (const RecipeSignals& signals : tensor.signals.recipes) {
    recipes.push_back(recipe_json(signals));
  }
  Json verdicts = Json::array();
  for (const Verdict& verdict : tensor.verdicts) verdicts.push_back(verdict_json(verdict));
  return {{"v", 1},
          {"type", "tensor"},
          {"file", tensor.file},
          {"name", tensor.name},
          {"role", tensor.role},
          {"dtype", tensor.dtype},
          {"shape", shape_json(tensor.shape)},
          {"level", name_of(tensor.level)},
          {"values", values_json(tensor.signals.values)},
          {"span_15_share", json_number(tensor.signals.share_of_spans_from(15))},
          {"span_17_share", json_number(tensor.signals.share_of_spans_from(17))},
          {"recipes", std::move(recipes)},
          {"verdicts", std::move(verdicts)}};
}

std::string gates_of(const SurveyedTensor& tensor, const std::string& recipe, Level* level) {
  *level = Level::pass;
  std::string gates;
  for (const Verdict& verdict : tensor.verdicts) {
    if (!verdict.recipe.empty() && verdict.recipe != recipe) continue;
    if (verdict.level == Level::pass || verdict.level < *level) continue;
    if (verdict.level > *level) gates.clear();
    *level = verdict.level;
    gates += (gates.empty() ? "" : ",") + verdict.gate->id;
  }
  return gates.empty() ? "-" : gates;
}

}  // namespace ballast
