// More for the tests of the readers of binary logs and folders: logs from bytes, errors, files.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libcore/io/memory_file_system.h"
#include "tests/unit/trace/foreign_support.h"

namespace ballast {

using OpenLog = Result<std::unique_ptr<ForeignLog>> (*)(std::unique_ptr<ByteSource>,
                                                        const ImportOptions&);

inline ReadLog read_log(Result<std::unique_ptr<ForeignLog>> opened) {
  EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message());
  return opened.ok() ? read_log(opened.take_value()) : ReadLog();
}
inline ReadLog read_log(OpenLog open, std::string bytes, const ImportOptions& options = {}) {
  return read_log(open(memory_source(std::move(bytes)), options));
}

// What goes wrong when the log is opened and read to its end.
inline std::string error_of(Result<std::unique_ptr<ForeignLog>> opened) {
  if (!opened.ok()) return opened.error().message();
  const std::unique_ptr<ForeignLog> log = opened.take_value();
  TraceRecord record;
  for (;;) {
    const Result<bool> got = log->next(record);
    if (!got.ok()) return got.error().message();
    if (!*got) return "";
  }
}

inline std::vector<RunRecord> runs_of(const ReadLog& read) {
  std::vector<RunRecord> runs;
  for (const TraceRecord& record : read.records)
    if (record.type == RecordType::run) runs.push_back(record.run);
  return runs;
}

// The records' types as they came: r(un), s(tep), e(vent), v (eval).
inline std::string order_of(const ReadLog& read) {
  std::string order;
  for (const TraceRecord& record : read.records)
    order.push_back(record.type == RecordType::run     ? 'r'
                    : record.type == RecordType::step  ? 's'
                    : record.type == RecordType::event ? 'e'
                                                       : 'v');
  return order;
}

inline void put_file(FileSystem& fs, const std::string& path, const std::string& content) {
  ASSERT_TRUE(fs.make_directories(parent_directory(path)).ok());
  auto file = fs.create_exclusive(path).take_value();
  ASSERT_TRUE(file->append(as_bytes(content)).ok());
  ASSERT_TRUE(file->close().ok());
}

}  // namespace ballast
