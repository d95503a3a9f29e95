// What holds of every reader of foreign logs, whatever the bytes are: it ends, steps are not
// negative, every record can be written and read back, and the notes are bounded.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/check.h"
#include "libcore/trace/foreign/foreign_log.h"
#include "libcore/trace/parser.h"

namespace ballast::fuzz {

inline void check_record(const TraceRecord& record, TraceParser& parser) {
  std::string line;
  if (record.type == RecordType::run) append_record(line, record.run);
  if (record.type == RecordType::step) append_record(line, record.step);
  if (record.type == RecordType::event) append_record(line, record.event);
  if (record.type == RecordType::eval) append_record(line, record.eval);
  BALLAST_CHECK(!line.empty());
  BALLAST_CHECK(record.type != RecordType::step || record.step.step >= 0);
  BALLAST_CHECK(record.type != RecordType::eval || record.eval.step >= 0);
  line.pop_back();
  TraceRecord back;
  BALLAST_CHECK(parser.parse(line, back).ok());
}

inline void read_log(Result<std::unique_ptr<ForeignLog>> opened) {
  if (!opened.ok()) return;
  const std::unique_ptr<ForeignLog> log = opened.take_value();
  TraceParser parser;
  TraceRecord record;
  for (;;) {
    const Result<bool> more = log->next(record);
    if (!more.ok() || !*more) break;
    check_record(record, parser);
  }
  const ForeignNotes& notes = log->notes();
  BALLAST_CHECK(notes.unused.size() <= 100);
  BALLAST_CHECK((notes.damaged == 0) == notes.first_damage.empty());
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Pieces between NUL bytes.
inline std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  for (;;) {
    const size_t end = text.find('\0');
    pieces.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

// Pieces behind a length of one byte each (the last may be shorter), so that payloads of checked
// formats can be mutated without their checksums.
inline std::vector<std::string> counted_pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const size_t size = static_cast<unsigned char>(text.front());
    pieces.emplace_back(text.substr(1, size));
    text.remove_prefix(1 + pieces.back().size());
  }
  return pieces;
}

}  // namespace ballast::fuzz
