// One line of a trace into one record (ballast-trace(5)). The fast path of traces: simdjson
// on-demand, only the wanted keys of step records are converted. Unknown keys of step records are
// ignored, those of run, event and eval records are kept in `details`. Errors: kind corrupt, naming
// the key. One thread per parser.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "libcore/base/result.h"
#include "libcore/trace/record.h"

namespace ballast {

enum class RecordType { run, step, event, eval, other };

// Which keys of step records to convert; segment and step always are.
enum FieldMask : uint64_t {
  kFieldTime = 1u << 0,
  kFieldTokens = 1u << 1,  // tokens, samples, tokens_trained
  kFieldLoss = 1u << 2,
  kFieldLr = 1u << 3,
  kFieldNorm = 1u << 4,     // grad_norm
  kFieldClip = 1u << 5,     // grad_norm_clipped, clip_threshold, clip_z
  kFieldSkipped = 1u << 6,  // skipped, skip_reason
  kFieldSpeed = 1u << 7,    // tokens_per_s, mfu, step_ms
  kFieldRest = 1u << 8,
};
inline constexpr uint64_t kAllFields = ~uint64_t{0};

struct TraceRecord {
  RecordType type = RecordType::other;
  int64_t line = 0;     // from 1
  int64_t segment = 0;  // of whatever record it is
  RunRecord run;        // the member that `type` names is set
  StepRecord step;
  EventRecord event;
  EvalRecord eval;
  OtherRecord other;
};

class TraceParser {
 public:
  explicit TraceParser(uint64_t fields = kAllFields);
  ~TraceParser();
  // `line` without LF. With padded(), the caller vouches that kPadding bytes after it may be read.
  static constexpr size_t kPadding = 64;
  Result<void> parse(std::string_view line, TraceRecord& record);
  Result<void> parse_padded(std::string_view line, TraceRecord& record);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ballast
