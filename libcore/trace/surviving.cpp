#include "libcore/trace/surviving.h"

#include <string.h>

#include <algorithm>

#include "libcore/trace/line_buffer.h"
#include "libcore/trace/parser.h"

namespace ballast {
namespace {

Segment* last_of(std::vector<Segment>& segments, int64_t id) {
  for (size_t i = segments.size(); i > 0; --i)
    if (segments[i - 1].id == id) return &segments[i - 1];
  return nullptr;
}

}  // namespace

Result<std::vector<Segment>> scan_segments(ByteSource& source, bool skip_bad_lines) {
  constexpr std::string_view kNeedle = "\"run\"";
  std::vector<Segment> segments;
  LineBuffer lines(source);
  TraceParser parser(0);
  TraceRecord record;
  while (const auto line = BALLAST_TRY(lines.next())) {
    if (memmem(line->data(), line->size(), kNeedle.data(), kNeedle.size()) == nullptr) continue;
    Result<void> parsed = parser.parse_padded(*line, record);
    if (!parsed.ok()) {
      if (skip_bad_lines) continue;
      Error error = parsed.take_error();
      error.where = source.name() + ":" + std::to_string(lines.line_number());
      return error;
    }
    if (record.type != RecordType::run) continue;
    Segment segment;
    segment.id = record.run.segment;
    segment.parent = record.run.parent;
    segment.parent_step = record.run.parent_step;
    segments.push_back(segment);
  }
  mark_surviving(segments);
  return segments;
}

void mark_surviving(std::vector<Segment>& segments) {
  for (Segment& segment : segments) {
    segment.surviving = false;
    segment.cut = -1;
  }
  int64_t cut = INT64_MAX;
  Segment* current = segments.empty() ? nullptr : &segments.back();
  while (current != nullptr && !current->surviving) {
    current->surviving = true;
    current->cut = cut;
    if (!current->parent) return;
    cut = std::min(cut, current->parent_step.value_or(INT64_MAX));
    current = last_of(segments, *current->parent);
  }
}

SurvivingLine::SurvivingLine(const std::vector<Segment>& segments) {
  for (const Segment& segment : segments) {
    int64_t& cut = cut_.try_emplace(segment.id, -1).first->second;
    cut = std::max(cut, segment.cut);
    // A parent whose own run record is lost still ends where its child begins.
    if (segment.surviving && segment.parent && segment.parent_step)
      cut_.try_emplace(*segment.parent, std::min(segment.cut, *segment.parent_step));
  }
}

bool SurvivingLine::holds(int64_t segment, int64_t step) const {
  const auto found = cut_.find(segment);
  return found == cut_.end() || step <= found->second;
}

}  // namespace ballast
