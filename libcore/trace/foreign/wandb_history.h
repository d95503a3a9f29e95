// The history of a W&B run as JSON. Either one object a line, as old clients write it
// (wandb-history.jsonl) and scripts that walk through the API do, memory flat; or one document:
// an array of such objects, or columns as arrays (or as pandas writes them, {"0": v, ...}), bare
// or in groups with a step column each ({"name", "config", "summary", "history": {"train": {"iter":
// [...], "train_loss": [...]}, "val": {...}}}). Columns are held in memory whole; the document is
// bounded by 1 GiB. Groups are put together by step and by pass: where a step column goes back the
// trainer was restarted, and a group that does not go back itself is laid beside the passes of the
// others by its steps. A pass that repeats the one before it number by number was exported twice
// and counts once. A column as long as no step column is unused.
#pragma once

#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

bool looks_like_wandb_history(std::string_view head);
Result<std::unique_ptr<ForeignLog>> wandb_history_log(std::unique_ptr<ByteSource> source,
                                                      const ImportOptions& options);

}  // namespace ballast
