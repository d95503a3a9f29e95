// The CSV that W&B's charts export: the x axis ("Step"), then "RUN - METRIC" for each run, with
// "RUN - METRIC__MIN" and "__MAX" where the chart was sampled. Such a chart holds a point for
// several steps, which `averaged` says: spikes between the points are lost. --map takes metrics
// ("train/loss") and whole names ("run7 - train/loss").
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// Usage error: several runs and none is named (the runs are listed), no run of that name, and what
// table.h says.
Result<std::unique_ptr<ForeignLog>> wandb_csv_log(std::unique_ptr<ByteSource> source,
                                                  const ImportOptions& options);
bool looks_like_wandb_csv(std::string_view head);

}  // namespace ballast
