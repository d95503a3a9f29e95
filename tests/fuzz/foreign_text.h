// Reads a log of another trainer to its end, for the fuzz targets of the text readers: whatever the
// bytes are, the reader ends, and each record it gives can be written into a trace and read back.
#pragma once

#include <memory>
#include <string>

#include "libcore/base/check.h"
#include "libcore/trace/foreign/foreign_log.h"
#include "libcore/trace/parser.h"

namespace ballast {

inline void check_record(const TraceRecord& record) {
  static TraceParser parser;
  std::string line;
  if (record.type == RecordType::step) append_record(line, record.step);
  if (record.type == RecordType::event) append_record(line, record.event);
  if (record.type == RecordType::eval) append_record(line, record.eval);
  BALLAST_CHECK(!line.empty());
  line.pop_back();
  TraceRecord again;
  BALLAST_CHECK(parser.parse(line, again).ok());
  BALLAST_CHECK(again.type == record.type);
  if (record.type == RecordType::event) BALLAST_CHECK(is_event_name(record.event.event));
}

inline void drain(Result<std::unique_ptr<ForeignLog>> opened) {
  if (!opened.ok()) return;
  const std::unique_ptr<ForeignLog> log = opened.take_value();
  TraceRecord record;
  while (true) {
    const Result<bool> got = log->next(record);
    if (!got.ok() || !*got) break;
    check_record(record);
  }
  const ForeignNotes& notes = log->notes();
  BALLAST_CHECK((notes.damaged > 0) == (notes.first_damaged > 0));
  BALLAST_CHECK(notes.unused.size() <= 100);
}

inline std::unique_ptr<ByteSource> bytes(const uint8_t* data, size_t size) {
  return memory_source(std::string(reinterpret_cast<const char*>(data), size));
}

}  // namespace ballast
