// Options of verbs that decide which documents of a crawl stay, and as what.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "libcore/text/filter.h"
#include "tools/tokshard/filter_job.h"
#include "tools/tokshard/model_flags.h"
#include "tools/tokshard/parts_flags.h"
#include "tools/tokshard/pii_flags.h"
#include "tools/tokshard/robots_flags.h"

namespace ballast {

struct FilterRules {
  RobotsFlags robots;
  PiiFlags pii;
  ModelFlags models;
  std::string license, quality;
  int64_t min_chars = 1;

  std::vector<std::string> files() const;  // that the rules are read from
};

// What the rules say, with what it points to.
struct OpenedRules {
  FilterOptions options;
  std::unique_ptr<RobotsStore> robots;  // null: not asked

  std::vector<std::string> agents() const;
};

// Of verbs that filter, into one set of outputs or in parts.
struct FilterRun {
  std::vector<std::string> inputs;
  FilterRules rules;
  std::string rejects, stats, on_error = "fail";
  bool keep_rejects = false;
  PartsFlags parts;

  std::vector<std::string> read_files() const;  // inputs and what the rules are read from
  FilterWork work(const OpenedRules& opened) const { return {opened.options, on_error == "skip"}; }
};

// `run` must outlive the parsing; `inputs` is what the help says of them.
void add_filter_run(CLI::App& app, FilterRun& run, const char* inputs);
// As check_filter_rules(), and whether rejected documents are wanted.
Result<FilterOptions> check_filter_run(const FilterRun& run);
Result<void> check_filter_outputs(const FilterRun& run, const PartsFlags& parts,
                                  const CommonOptions& common);
// Of the verb's plan what the rules decide.
Result<PartsPlan> plan_filter_run(const CLI::App& app, const CommonOptions& common,
                                  const FilterRun& run, const PartsFlags& parts,
                                  const OpenedRules& opened);

// `rules` must outlive the parsing.
void add_filter_rules(CLI::App& app, FilterRules& rules);
// Kind usage for what no file is needed to refuse.
Result<FilterOptions> check_filter_rules(const FilterRules& rules);
// `options` as check_filter_rules() gives them.
Result<OpenedRules> open_filter_rules(const FilterRules& rules, FilterOptions options);

}  // namespace ballast
