#include "tools/ckpt/incidents.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "libcore/base/units.h"
#include "libcore/checkpoint/json_fields.h"
#include "libcore/guard/detector.h"
#include "libcore/io/stream.h"
#include "libcore/io/utf8.h"
#include "libcore/trace/reader.h"

namespace ballast {
namespace {

constexpr int64_t kQuietSteps = 50;  // between the end of one incident and the next onset
constexpr const char* kSkipForms = "accepted: onset:+Nb, or A:B in samples";

// The earliest step that the record connects with the incident: the norm may lead the loss.
Result<RunTrouble> parse_incident(const Json& json, const std::string& where) {
  RunTrouble trouble;
  trouble.onset = BALLAST_TRY(count_field(json, "onset", where));
  for (const char* key : {"first", "norm_onset"}) {
    if (json.contains(key) && json.at(key).is_number_integer() && json.at(key).get<int64_t>() >= 0)
      trouble.onset = std::min(trouble.onset, json.at(key).get<int64_t>());
  }
  trouble.abandoned = json.contains("abandoned") && json.at("abandoned") == true;
  if (trouble.abandoned) trouble.segment = BALLAST_TRY(count_field(json, "segment", where));
  if (json.contains("id"))
    trouble.id =
        json.at("id").is_string() ? json.at("id").get<std::string>() : to_json_line(json.at("id"));
  return trouble;
}

struct StepPosition {
  int64_t batch_start = 0;  // data index of its first sample
  int64_t samples = 0;      // of the batch
};

Result<std::unique_ptr<TraceReader>> open_trace(FileSystem& fs, const std::string& run,
                                                TraceView view = TraceView::surviving) {
  TraceReadOptions options;
  options.view = view;
  options.steps_only = true;
  options.skip_bad_lines = true;
  return TraceReader::open(fs, run, options);
}

// A branch that was left may have fed other samples at this step than the surviving line. How many
// were consumed before a step is the same on all branches.
Result<StepPosition> position_of(FileSystem& fs, const std::string& run,
                                 const RunTrouble& incident) {
  const bool surviving = incident.segment < 0;
  auto reader = BALLAST_TRY(open_trace(fs, run, surviving ? TraceView::surviving : TraceView::all));
  TraceRecord record;
  int64_t before = 0;
  const int64_t onset = incident.onset;
  while (BALLAST_TRY(reader->next(record))) {
    if (record.type != RecordType::step) continue;
    const StepRecord& step = record.step;
    if (step.step == onset - 1) before = step.samples;
    if (step.step != onset || (!surviving && step.segment != incident.segment)) continue;
    if (!step.batch_start || step.samples <= before)
      return insufficient_error(fmt::format("trace has no data position of step {}", onset), run);
    return StepPosition{*step.batch_start, step.samples - before};
  }
  return insufficient_error(fmt::format("trace has no step {}", onset), run);
}

bool parse_int(std::string_view text, int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 &&
         value <= (int64_t{1} << 60);
}

}  // namespace

Result<std::vector<RunTrouble>> read_incidents(FileSystem& fs, const std::string& source) {
  auto input = BALLAST_TRY(open_source(fs, source));
  LineReader lines(*input);
  std::vector<RunTrouble> incidents;
  while (true) {
    const auto line = BALLAST_TRY(lines.next());
    if (!line) return incidents;
    if (line->empty()) continue;
    const std::string where = fmt::format("{}:{}", source, lines.line_number());
    const Json json = BALLAST_TRY(parse_json(*line, where));
    if (!json.is_object()) return corrupt_error("incident is not a JSON object", where);
    if (json.contains("type") && json.at("type") != "incident") continue;  // scores of the run
    incidents.push_back(BALLAST_TRY(parse_incident(json, where)));
    if (incidents.back().id.empty()) incidents.back().id = std::to_string(incidents.size());
  }
}

Result<std::vector<RunTrouble>> detect_incidents(FileSystem& fs, const std::string& run) {
  auto reader = BALLAST_TRY(open_trace(fs, run));
  Detector detector;
  std::vector<RunTrouble> incidents;
  int64_t last_bad = -kQuietSteps - 1;
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) {
    if (record.type == RecordType::event && restarts_statistics(record.event.event))
      detector.on_event();
    if (record.type != RecordType::step || !record.step.loss || !record.step.grad_norm) continue;
    const StepRecord& step = record.step;
    const Verdict verdict = detector.observe(*step.loss, *step.grad_norm);
    if (!step.skipped) detector.accept(*step.loss, *step.grad_norm);
    if (!verdict.onset() && !verdict.nonfinite()) continue;
    if (step.step > last_bad + kQuietSteps)
      incidents.push_back({std::to_string(incidents.size() + 1), step.step, -1, false});
    last_bad = step.step;
  }
  return incidents;
}

Result<RunTrouble> choose_incident(const std::vector<RunTrouble>& incidents,
                                   const std::string& wanted) {
  if (incidents.empty()) return insufficient_error("no incident", "--before-incident");
  if (wanted == "last") {
    return *std::ranges::max_element(incidents, {}, [](const RunTrouble& incident) {
      return std::pair(!incident.abandoned, incident.onset);
    });
  }
  const auto it = std::ranges::find(incidents, wanted, &RunTrouble::id);
  if (it != incidents.end()) return *it;
  std::string ids;
  for (const RunTrouble& incident : incidents)
    ids += fmt::format("{}{} (step {}{})", ids.empty() ? "" : ", ", printable(incident.id),
                       incident.onset, incident.abandoned ? ", on a branch that was left" : "");
  return usage_error("no incident '" + printable(wanted) + "'", "--before-incident",
                     "there are " + ids);
}

Result<SkipRange> parse_skip(FileSystem& fs, const std::string& run, const std::string& text,
                             const RunTrouble* incident, const std::vector<SkipRange>& skipped) {
  const size_t colon = text.find(':');
  const std::string_view first = std::string_view(text).substr(0, colon);
  const std::string_view rest =
      colon == std::string::npos ? "" : std::string_view(text).substr(colon + 1);
  SkipRange range;
  if (parse_int(first, range.begin) && parse_int(rest, range.end) && range.begin < range.end)
    return range;
  int64_t batches = 0;
  const bool relative = first == "onset" && rest.size() > 2 && rest.front() == '+' &&
                        rest.back() == 'b' && parse_int(rest.substr(1, rest.size() - 2), batches) &&
                        batches > 0 && batches < (int64_t{1} << 30);
  if (!relative)
    return usage_error("malformed range '" + printable(text) + "'", "--skip", kSkipForms);
  if (incident == nullptr)
    return usage_error("'onset' needs an incident", "--skip", "give --before-incident");
  const StepPosition at = BALLAST_TRY(position_of(fs, run, *incident));
  range = {at.batch_start, at.batch_start + batches * at.samples};
  for (const SkipRange& other : skipped) {
    if (other.begin >= range.begin && other.begin < range.end) range.end += other.end - other.begin;
  }
  return range;
}

}  // namespace ballast
