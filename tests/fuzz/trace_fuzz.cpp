// Trace lines: whatever parses is written and parsed again, with the same text the second time.
#include <cstdint>
#include <string>

#include "libcore/base/check.h"
#include "libcore/trace/parser.h"

namespace {

using ballast::RecordType;
using ballast::TraceRecord;

std::string written(const TraceRecord& record) {
  std::string line;
  if (record.type == RecordType::step) append_record(line, record.step);
  if (record.type == RecordType::run) append_record(line, record.run);
  if (record.type == RecordType::event) append_record(line, record.event);
  if (record.type == RecordType::eval) append_record(line, record.eval);
  if (!line.empty()) line.pop_back();
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  ballast::TraceParser parser;
  TraceRecord record;
  size_t begin = 0;
  while (begin <= text.size()) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!parser.parse(line, record).ok()) continue;
    const std::string once = written(record);
    if (once.empty()) continue;
    BALLAST_CHECK(parser.parse(once, record).ok());
    BALLAST_CHECK(written(record) == once);
  }
  return 0;
}
