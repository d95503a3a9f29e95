#include "libcore/trace/surviving.h"

#include <string.h>

#include <algorithm>

#include "libcore/trace/line_buffer.h"
#include "libcore/trace/parser.h"
#include "libcore/trace/step_line.h"

namespace ballast {
namespace {

Segment* last_of(std::vector<Segment>& segments, int64_t id) {
  for (size_t i = segments.size(); i > 0; --i)
    if (segments[i - 1].id == id) return &segments[i - 1];
  return nullptr;
}

}  // namespace

Segment segment_of(const RunRecord& run) {
  Segment segment;
  segment.id = run.segment;
  segment.parent = run.parent;
  segment.parent_step = run.parent_step;
  return segment;
}

Result<TraceOutline> scan_outline(ByteSource& source, bool skip_bad_lines, bool events) {
  const auto says = [](std::string_view line, std::string_view word) {
    return memmem(line.data(), line.size(), word.data(), word.size()) != nullptr;
  };
  TraceOutline outline;
  LineBuffer lines(source);
  TraceParser parser(0);
  TraceRecord record;
  while (const auto line = BALLAST_TRY(lines.next())) {
    // About every line: its beginning says enough.
    if (is_step_line(*line)) continue;
    const bool maybe_run = says(*line, "\"run\"");
    if (!maybe_run && !(events && says(*line, "\"event\""))) continue;
    Result<void> parsed = parser.parse_padded(*line, record);
    if (!parsed.ok()) {
      // What is no run record is for the reader to report, in its place.
      if (skip_bad_lines || !maybe_run) continue;
      Error error = parsed.take_error();
      error.where = source.name() + ":" + std::to_string(lines.line_number());
      return error;
    }
    if (events && record.type == RecordType::event && restarts_statistics(record.event.event))
      outline.level_events.push_back({record.segment, record.event.step});
    if (record.type != RecordType::run) continue;
    outline.segments.push_back(segment_of(record.run));
    if (events) outline.runs.push_back(std::move(record.run));
  }
  mark_surviving(outline.segments);
  return outline;
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

int64_t SurvivingLine::last_step(int64_t segment) const {
  const auto found = cut_.find(segment);
  return found == cut_.end() ? INT64_MAX : found->second;
}

}  // namespace ballast
