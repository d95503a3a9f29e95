#include <fmt/format.h>

#include <algorithm>

#include "libcore/cli/terminal.h"
#include "libcore/io/utf8.h"
#include "tools/fp8probe/survey.h"
#include "tools/fp8probe/verbs.h"

namespace ballast {
namespace {

struct ScanOptions {
  SurveyOptions survey;
  std::string sort = "severity";
  int64_t top = 0;
};

// A line of the table: a tensor under a recipe, or a tensor with trouble that no recipe casts.
struct Row {
  const SurveyedTensor* tensor = nullptr;
  const RecipeSignals* signals = nullptr;
  Level level = Level::pass;
  std::string gates;
};

std::vector<Row> rows_of(const Survey& survey) {
  std::vector<Row> rows;
  for (const SurveyedTensor& tensor : survey.tensors) {
    for (const RecipeSignals& signals : tensor.signals.recipes) {
      Row row{&tensor, &signals, Level::pass, ""};
      row.gates = gates_of(tensor, signals.recipe.name(), &row.level);
      rows.push_back(std::move(row));
    }
    if (tensor.signals.recipes.empty() && tensor.level != Level::pass) {
      Row row{&tensor, nullptr, Level::pass, ""};
      row.gates = gates_of(tensor, "", &row.level);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

bool more_severe(const Row& a, const Row& b) {
  if (a.level != b.level) return a.level > b.level;
  const double underflow_a = a.signals == nullptr ? 1.0 : a.signals->underflow_frac;
  const double underflow_b = b.signals == nullptr ? 1.0 : b.signals->underflow_frac;
  if (underflow_a != underflow_b) return underflow_a > underflow_b;
  return a.signals != nullptr && b.signals != nullptr && a.signals->loss_db > b.signals->loss_db;
}

template <class Item, class Less>
void arrange(std::vector<Item>& items, const ScanOptions& options, Less less) {
  std::stable_sort(items.begin(), items.end(), less);
  if (options.top > 0 && static_cast<int64_t>(items.size()) > options.top) {
    items.resize(static_cast<size_t>(options.top));
  }
}

void print_row(const Row& row, size_t name_width) {
  const ValueStats& values = row.tensor->signals.values;
  std::string line = fmt::format("{:<4} {:<7} {:<{}} ", name_of(row.level), row.gates,
                                 printable(row.tensor->name), name_width);
  if (row.signals == nullptr) {
    line += fmt::format("{:<13} {:>9} {:>9} {:>8} {:>7} {:>7} {:>7} {:>7}", "-", "-", "-", "-", "-",
                        "-", "-", "-");
  } else {
    const RecipeSignals& s = *row.signals;
    line += fmt::format("{:<13} {:>9.3g} {:>9.3g} {:>8.2g} {:>7.2f} {:>7.2f} {:>7.2f} {:>7.2f}",
                        s.recipe.name(), s.underflow_frac, s.subnormal_frac, s.clip_frac, s.sqnr_db,
                        s.sqnr_bulk_db, s.sqnr_p01_db, s.loss_db);
  }
  print_out(line + fmt::format(" {:>9.4g} {:>7.4g} {:>8.4g} {:>7}\n", values.amax, values.crest(),
                               values.kurtosis(), values.n_nan + values.n_inf));
}

void print_table(const Survey& survey, const ScanOptions& options) {
  std::vector<Row> rows = rows_of(survey);
  if (options.sort == "name") {
    arrange(rows, options,
            [](const Row& a, const Row& b) { return a.tensor->name < b.tensor->name; });
  } else {
    arrange(rows, options, more_severe);
  }
  size_t width = 6;
  for (const Row& row : rows) width = std::max(width, printable(row.tensor->name).size());
  if (is_terminal(Stream::out)) {
    const Style& look = style(Stream::out);
    print_out(fmt::format(
        "{}{:<4} {:<7} {:<{}} {:<13} {:>9} {:>9} {:>8} {:>7} {:>7} {:>7} {:>7} "
        "{:>9} {:>7} {:>8} {:>7}{}\n",
        look.bold, "", "gates", "tensor", width, "recipe", "underflow", "subnormal", "clip", "sqnr",
        "bulk", "p01", "loss", "amax", "crest", "kurtosis", "nan+inf", look.reset));
  }
  for (const Row& row : rows) print_row(row, width);
}

double worst_underflow(const SurveyedTensor& tensor) {
  double worst = 0;
  for (const RecipeSignals& signals : tensor.signals.recipes) {
    worst = std::max(worst, signals.underflow_frac);
  }
  return worst;
}

void print_json(const Survey& survey, const ScanOptions& options) {
  std::vector<const SurveyedTensor*> tensors;
  for (const SurveyedTensor& tensor : survey.tensors) tensors.push_back(&tensor);
  using Pointer = const SurveyedTensor*;
  if (options.sort == "name") {
    arrange(tensors, options, [](Pointer a, Pointer b) { return a->name < b->name; });
  } else {
    arrange(tensors, options, [](Pointer a, Pointer b) {
      if (a->level != b->level) return a->level > b->level;
      return worst_underflow(*a) > worst_underflow(*b);
    });
  }
  for (const SurveyedTensor* tensor : tensors) print_out(to_json_line(tensor_json(*tensor)) + "\n");
}

Result<int> scan(const ScanOptions& options, const CommonOptions& common) {
  const auto survey = BALLAST_TRY(run_survey(options.survey, common));
  if (common.json) {
    print_json(*survey, options);
  } else {
    print_table(*survey, options);
  }
  return static_cast<int>(kExitDone);
}

}  // namespace

VerbRun add_scan(CLI::App& app, const CommonOptions& common) {
  auto options = std::make_shared<ScanOptions>();
  add_survey_options(app, options->survey, "tensor,row,1x128,128x128");
  choice_option(
      app.add_option("--sort", options->sort, "order of the lines")->capture_default_str(),
      {"severity", "name"});
  app.add_option("--top", options->top, "print only the first N lines; 0 prints all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  return [options, &common] { return scan(*options, common); };
}

}  // namespace ballast
