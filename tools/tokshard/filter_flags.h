// Options of verbs that decide which documents of a crawl stay, and as what.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "libcore/text/filter.h"
#include "tools/tokshard/model_flags.h"
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

// `rules` must outlive the parsing.
void add_filter_rules(CLI::App& app, FilterRules& rules);
// Kind usage for what no file is needed to refuse.
Result<FilterOptions> check_filter_rules(const FilterRules& rules);
// `options` as check_filter_rules() gives them.
Result<OpenedRules> open_filter_rules(const FilterRules& rules, FilterOptions options);

}  // namespace ballast
