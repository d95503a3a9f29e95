// Appends records to RUN/trace.jsonl, one write per record, and to a copy (`--trace FILE|-`). What
// a killed process left half-written (a last line without LF) is cut when the file is opened. A
// failing copy never stops training: for `-`, a closed pipe means that the reader said stop
// (reader_closed()); for a FILE there is one warning to show. The process must ignore SIGPIPE. One
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/trace/record.h"

namespace ballast {

inline constexpr const char* kTraceFileName = "trace.jsonl";

class TraceWriter {
 public:
  // `copy`: empty, "-" or a path. Creates the file, not the directory.
  static Result<std::unique_ptr<TraceWriter>> open(FileSystem& fs, const std::string& run_directory,
                                                   const std::string& copy = {});
  ~TraceWriter();

  Result<void> write(const RunRecord& record) { return write_record(record); }
  Result<void> write(const StepRecord& record) { return write_record(record); }
  Result<void> write(const EventRecord& record) { return write_record(record); }
  Result<void> write(const EvalRecord& record) { return write_record(record); }
  Result<void> write(std::string_view type, int64_t segment, int64_t time_us, int64_t step,
                     const Json& object);

  Result<void> sync();   // before a checkpoint that relies on the records is published
  Result<void> close();  // flushes; further writes are an error

  bool reader_closed() const { return reader_closed_; }
  // Standard output took no more, though its reader had not gone away (a full disk).
  bool stdout_failed() const { return stdout_failed_; }
  std::string take_warning();  // empty: nothing to say

 private:
  TraceWriter() = default;
  template <class Record>
  Result<void> write_record(const Record& record) {
    line_.clear();
    append_record(line_, record);
    return write_line();
  }
  Result<void> write_line();
  void write_copy();

  std::unique_ptr<WritableFile> file_;
  std::unique_ptr<WritableFile> copy_;
  bool copy_to_stdout_ = false;
  bool reader_closed_ = false;
  bool stdout_failed_ = false;
  std::string copy_path_;
  std::string warning_;
  std::string line_;
};

// Cuts the file after its last LF; nothing when it is missing or ends with one. Returns how many
// bytes went.
Result<int64_t> cut_torn_line(FileSystem& fs, const std::string& path);

}  // namespace ballast
