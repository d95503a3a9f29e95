// Options of `tokshard dedup`, and its methods.
#pragma once

#include <string>
#include <vector>

#include "libcore/cli/tool.h"

namespace ballast {

struct DedupFlags {
  std::vector<std::string> inputs;
  std::string method = "exact", unit = "document", rejects, stats, on_error = "fail";
  int64_t capacity = 0, memory = int64_t{4} << 30, ignore_below = 0;
  double false_positives = 1e-6;
  std::string preset = "datatrove", work, stage = "all", task, clusters;
};

// Method minhash; the options were checked against each other.
Result<int> run_minhash(const DedupFlags& flags, const CommonOptions& common);

}  // namespace ballast
