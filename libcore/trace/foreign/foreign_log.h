// Logs that other trainers wrote, read record by record as records of our trace; memory is flat in
// their length unless a reader's header says otherwise. A reader knows one format and nothing of
// segments: steps come as the log has them, repeated and going backwards where the trainer was
// restarted, with `segment` left 0. What turns them into segments, and what makes a trace of them,
// is libcore/trace/foreign/import.h. One thread per log.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/io/stream.h"
#include "libcore/trace/parser.h"

namespace ballast {

enum class LogFormat {
  ballast,        // our trace
  llmc,           // llm.c main.log
  megatron,       // Megatron-LM and its forks, text
  torchtitan,     // console
  olmo_core,      // console
  trainer_state,  // Hugging Face trainer_state.json
  wandb_csv,      // W&B, exported from a chart
  wandb_history,  // W&B, history as JSON: one object a line, or a dump of column arrays
  wandb_run,      // W&B, the binary run file
  tfevents,       // TensorBoard event files
  mlflow,         // a run of MLflow's file store
  table,          // CSV or TSV with a header
  json_lines,     // one object a line
};
std::string_view format_name(LogFormat format);  // "llmc", "wandb-run", ...

// What the user knows of a log that the log does not say.
struct ImportOptions {
  std::optional<LogFormat> format;  // absent: by content
  // Key of a step record ("loss", "grad_norm"), or "step", "time", "eval_loss" -> the log's column.
  std::vector<std::pair<std::string, std::string>> map;
  std::string run_name;  // of several runs in one file; empty: there must be one
  std::optional<int64_t> tokens_per_step;
  std::vector<std::pair<int64_t, std::string>> marks;  // tokens, label: becomes a `note` event
  bool norm_is_clipped = false;                        // the logged norm was taken after clipping
};

// What is to be said of the log itself once it has been read.
struct ForeignNotes {
  int64_t records = 0;              // lines, rows or binary records understood
  int64_t damaged = 0;              // ... and passed over
  int64_t first_damaged = -1;       // line from 1, or byte offset in binary formats
  std::string first_damage;         // why
  bool truncated = false;           // ends within a record: still being written, or cut
  int64_t marks_left = 0;           // marks of the user that the log did not come to
  std::string averaged;             // "" or what is a mean: "loss over 50 steps"
  double norm_tick = 0;             // the norm is written in multiples of it; 0: in full
  std::vector<std::string> unused;  // columns that were not understood, at most 100, in order
};

class ForeignLog {
 public:
  virtual ~ForeignLog() = default;
  // The next run, step, event or eval record into `record`, whose buffers are reused; false at the
  // end. Losses in nats, `tokens` and `samples` 0 where the log does not say, `time_us` 0 likewise.
  // A damaged record is passed over and counted; kind corrupt only where nothing can be read on.
  virtual Result<bool> next(TraceRecord& record) = 0;
  virtual const ForeignNotes& notes() const = 0;  // complete once next() gave false
};

// One line or header of a log as a test: `head` is its beginning, decompressed, at most 64 KiB; the
// whole log when it is shorter.
using LooksLike = bool (*)(std::string_view head);

}  // namespace ballast
