#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"
#include "tools/fp8probe/survey.h"
#include "tools/fp8probe/verbs.h"

namespace ballast {
namespace {

struct GateOptions {
  SurveyOptions survey;
  std::string require;
  bool strict = false;
};

struct Outcome {
  Level level = Level::pass;
  int64_t verdicts[3] = {};         // by level
  std::set<std::string> evaluated;  // gates
  int64_t judged_tensors = 0;       // under a recipe
  std::map<std::string, Level> recipes;
};

Outcome conclude(const Survey& survey) {
  Outcome outcome;
  for (const Recipe& recipe : survey.recipes) outcome.recipes[recipe.name()] = Level::pass;
  for (const SurveyedTensor& tensor : survey.tensors) {
    bool judged = false;
    for (const Verdict& verdict : tensor.verdicts) {
      outcome.level = std::max(outcome.level, verdict.level);
      ++outcome.verdicts[static_cast<size_t>(verdict.level)];
      outcome.evaluated.insert(verdict.gate->id);
      judged = judged || !verdict.recipe.empty();
      for (auto& [recipe, level] : outcome.recipes) {
        if (verdict.recipe.empty() || verdict.recipe == recipe) {
          level = std::max(level, verdict.level);
        }
      }
    }
    if (judged) ++outcome.judged_tensors;
  }
  return outcome;
}

Result<std::vector<std::string>> parse_required(const std::string& list, const Limits& limits) {
  std::vector<std::string> required;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const std::string id = list.substr(at, end - at);
    const bool known = std::any_of(limits.gates.begin(), limits.gates.end(),
                                   [&](const Gate& gate) { return gate.id == id; });
    if (!known) return usage_error("unknown gate '" + id + "'", "--require", "G1 to G20");
    required.push_back(id);
    at = end + 1;
  }
  return required;
}

std::string_view paint(Level level) {
  const Style& look = style(Stream::out);
  if (level == Level::pass) return look.green;
  return level == Level::warn ? look.yellow : look.red;
}

std::string painted(Level level) {
  return fmt::format("{}{}{}", paint(level), name_of(level), style(Stream::out).reset);
}

void print_verdict(const SurveyedTensor& tensor, const Verdict& verdict) {
  print_out(fmt::format("{} {} {} {} {}={:.4g} limit={:.4g} ({})\n", painted(verdict.level),
                        verdict.gate->id, printable(tensor.name),
                        verdict.recipe.empty() ? "-" : verdict.recipe, verdict.gate->signal,
                        verdict.value, verdict.limit, printable(verdict.gate->origin)));
}

// Why a gate has no verdict: it needs other data, or no tensor here could answer it.
std::string missing_reason(const Gate& gate) {
  return gate.needs.empty() ? "too few values, or no recipe it is for" : "needs " + gate.needs;
}

void print_text(const Survey& survey, const Outcome& outcome) {
  for (Level level : {Level::fail, Level::warn}) {
    for (const SurveyedTensor& tensor : survey.tensors) {
      for (const Verdict& verdict : tensor.verdicts) {
        if (verdict.level == level) print_verdict(tensor, verdict);
      }
    }
  }
  for (const Recipe& recipe : survey.recipes) {
    print_out(
        fmt::format("recipe {}: {}\n", recipe.name(), painted(outcome.recipes.at(recipe.name()))));
  }
  print_out(fmt::format("evaluated {} of {} gates:", outcome.evaluated.size(),
                        survey.limits.gates.size()));
  for (const Gate& gate : survey.limits.gates) {
    if (outcome.evaluated.contains(gate.id)) print_out(" " + gate.id);
  }
  print_out("\n");
  for (const Gate& gate : survey.limits.gates) {
    if (outcome.evaluated.contains(gate.id)) continue;
    print_out(
        fmt::format("not evaluated: {} {} ({})\n", gate.id, gate.signal, missing_reason(gate)));
  }
  print_out(fmt::format("verdict: {} ({} tensors judged; {} fail, {} warn, {} pass)\n",
                        painted(outcome.level), outcome.judged_tensors, outcome.verdicts[2],
                        outcome.verdicts[1], outcome.verdicts[0]));
}

void print_json(const Survey& survey, const Outcome& outcome, int exit_code) {
  for (const SurveyedTensor& tensor : survey.tensors) {
    for (const Verdict& verdict : tensor.verdicts) {
      Json line = {{"v", 1}, {"type", "verdict"}, {"file", tensor.file}, {"name", tensor.name}};
      line.update(verdict_json(verdict));
      print_out(to_json_line(line) + "\n");
    }
  }
  Json evaluated = Json::array();
  Json missing = Json::object();
  for (const Gate& gate : survey.limits.gates) {
    if (outcome.evaluated.contains(gate.id)) {
      evaluated.push_back(gate.id);
    } else {
      missing[gate.id] = missing_reason(gate);
    }
  }
  Json recipes = Json::object();
  for (const Recipe& recipe : survey.recipes) {
    recipes[recipe.name()] = name_of(outcome.recipes.at(recipe.name()));
  }
  const Json summary = {{"v", 1},
                        {"type", "summary"},
                        {"level", name_of(outcome.level)},
                        {"recipes", recipes},
                        {"tensors", survey.tensors.size()},
                        {"tensors_judged", outcome.judged_tensors},
                        {"tensors_skipped", survey.skipped},
                        {"fail", outcome.verdicts[2]},
                        {"warn", outcome.verdicts[1]},
                        {"pass", outcome.verdicts[0]},
                        {"gates", survey.limits.gates.size()},
                        {"evaluated", evaluated},
                        {"not_evaluated", missing},
                        {"exit", exit_code}};
  print_out(to_json_line(summary) + "\n");
}

// A definite no stands before "cannot tell".
int exit_code_for(const Outcome& outcome, const std::vector<std::string>& required, bool strict) {
  if (outcome.level == Level::fail) return kExitNo;
  if (outcome.level == Level::warn && strict) return kExitNo;
  for (const std::string& id : required) {
    if (!outcome.evaluated.contains(id)) {
      print_error(insufficient_error("required gate could not be evaluated", id));
      return kExitInsufficient;
    }
  }
  if (outcome.judged_tensors == 0) {
    print_error(insufficient_error("no linear weight to judge", "",
                                   "embeddings, heads and vectors stay in high precision"));
    return kExitInsufficient;
  }
  return kExitDone;
}

Result<int> gate(const GateOptions& options, const CommonOptions& common) {
  const auto required = BALLAST_TRY(parse_required(options.require, default_limits()));
  const auto survey = BALLAST_TRY(run_survey(options.survey, common));
  const Outcome outcome = conclude(*survey);
  const int code = exit_code_for(outcome, required, options.strict);
  if (common.json) {
    print_json(*survey, outcome, code);
  } else {
    print_text(*survey, outcome);
  }
  return code;
}

}  // namespace

VerbRun add_gate(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<GateOptions>();
  add_survey_options(app, options->survey, "tensor");
  app.add_option("--require", options->require,
                 "gates, by commas, without which there is no pass: exit 7 when one cannot be "
                 "evaluated");
  app.add_flag("--strict", options->strict, "a warning fails too");
  return [options, &common] { return gate(*options, common); };
}

}  // namespace ballast
