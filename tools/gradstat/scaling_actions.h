// The actions of `gradstat scaling`.
#pragma once

#include <string>
#include <vector>

#include "libcore/io/json.h"
#include "tools/gradstat/run_table.h"
#include "tools/gradstat/xy_chart.h"

namespace ballast {

struct ScalingOptions {
  std::string action;
  RunTableOptions runs;
  std::vector<double> budgets;  // FLOPs
  int64_t bootstrap = 4000;
  std::vector<std::string> horizons;  // tokens
  std::string parameters;             // counts, comma-separated
  std::string cooldown = "20%";
  ChartOptions chart;
};

Result<int> scaling_fit_action(const ScalingOptions& options, const CommonOptions& common);
Result<int> scaling_points_action(const ScalingOptions& options, const CommonOptions& common);
Result<int> scaling_savings_action(const ScalingOptions& options, const CommonOptions& common);
Result<int> scaling_lr_action(const ScalingOptions& options, const CommonOptions& common);

// Lines that name what was left out, at most ten; and the same as JSON, whole.
std::string left_out_text(const std::vector<LeftOut>& left_out);
Json left_out_json(const std::vector<LeftOut>& left_out);

// "7B,70B" as numbers.
Result<std::vector<double>> parse_counts(const std::string& list, const char* flag);

}  // namespace ballast
