// Any log as a trace: finds out what a file or folder is, and gives the bytes of our trace that say
// the same (ballast-trace(5)), so that every reader of traces is a reader of logs, and `gradstat
// import` is a copy. A log has no segments: they are made here. A file begins one, and so does a
// step that is not later than the one before it (the trainer was restarted from an earlier
// checkpoint); what lay behind is abandoned then, as after a resume of ours. Memory is flat.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/stream.h"
#include "libcore/trace/foreign/foreign_log.h"

namespace ballast {

// What one operand was taken for, and what its reader said of it.
struct LogPart {
  std::string path;
  LogFormat format = LogFormat::ballast;
  ForeignNotes notes;  // complete once the bytes have been read to their end; empty for our traces
};

struct ImportedTrace {
  std::unique_ptr<ByteSource> bytes;                  // JSON Lines, version 1
  std::shared_ptr<const std::vector<LogPart>> parts;  // one per operand
  bool foreign() const { return parts->front().format != LogFormat::ballast; }
};

// The operands, in the order given, as one run: files (plain, gzip or zstd by content), "-", run
// directories of ours, and the folders of TensorBoard, W&B and MLflow. Kind usage when the format
// is not known, or when traces of ours and other logs are mixed.
Result<ImportedTrace> open_log(FileSystem& fs, std::span<const std::string> operands,
                               const ImportOptions& options);

// The same for a log that is already open, for tests and for logs that grow.
std::unique_ptr<ByteSource> trace_of_log(std::unique_ptr<ForeignLog> log, std::string name,
                                         const ImportOptions& options);

// What the first bytes of a file are (at most 64 KiB, decompressed); kind usage when nothing fits.
Result<LogFormat> detect_log_format(std::string_view head, const std::string& name);

// Kind usage for a word that is no format; `flag` is named.
Result<LogFormat> parse_log_format(std::string_view word, const std::string& flag = "--log-format");

}  // namespace ballast
