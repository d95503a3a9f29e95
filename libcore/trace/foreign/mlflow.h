// A run of MLflow's file store: a folder with meta.yaml and metrics/NAME, where slashes of names
// are folders. Lines are `timestamp_ms value step`, separated by single spaces; two fields mean
// step 0, more than three are of newer versions and not needed. The metrics are read side by side
// in the order of their timestamps and joined by step. The run's name, start and parameters become
// a run record. Memory is flat. Damage is counted by line; the reason names the metric.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

bool is_mlflow_folder(FileSystem& fs, const std::string& path);
Result<std::unique_ptr<ForeignLog>> mlflow_log(FileSystem& fs, const std::string& path,
                                               const ImportOptions& options);

// One line of a metric file; nullopt when it is none.
struct MlflowValue {
  int64_t time_ms = 0;
  int64_t step = 0;
  double value = 0;
};
std::optional<MlflowValue> parse_mlflow_line(std::string_view line);

}  // namespace ballast
