// The keys of step records and where they go: one table for both ways of reading a line.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/trace/parser.h"
#include "libcore/trace/record.h"

namespace ballast {

struct StepField {
  enum class Kind { time, whole, maybe_whole, number, text, flag, sources };
  std::string_view name;
  uint64_t mask;
  Kind kind;
  int64_t StepRecord::*whole = nullptr;
  std::optional<int64_t> StepRecord::*maybe_whole = nullptr;
  std::optional<double> StepRecord::*number = nullptr;
  std::string StepRecord::*text = nullptr;
};

namespace step_fields {
constexpr StepField whole(std::string_view name, uint64_t mask, int64_t StepRecord::*member) {
  StepField field{name, mask, StepField::Kind::whole};
  field.whole = member;
  return field;
}
constexpr StepField maybe(std::string_view name, uint64_t mask,
                          std::optional<int64_t> StepRecord::*member) {
  StepField field{name, mask, StepField::Kind::maybe_whole};
  field.maybe_whole = member;
  return field;
}
constexpr StepField number(std::string_view name, uint64_t mask,
                           std::optional<double> StepRecord::*member) {
  StepField field{name, mask, StepField::Kind::number};
  field.number = member;
  return field;
}
constexpr StepField text(std::string_view name, uint64_t mask, std::string StepRecord::*member) {
  StepField field{name, mask, StepField::Kind::text};
  field.text = member;
  return field;
}
}  // namespace step_fields

// In the order in which the writer puts them, so that the guess "the next key" is nearly always
// right.
inline constexpr std::array kStepFields = {
    StepField{"time", kFieldTime, StepField::Kind::time},
    step_fields::whole("segment", kAllFields, &StepRecord::segment),
    step_fields::whole("step", kAllFields, &StepRecord::step),
    step_fields::whole("tokens", kFieldTokens, &StepRecord::tokens),
    step_fields::whole("samples", kFieldTokens, &StepRecord::samples),
    step_fields::maybe("tokens_trained", kFieldTokens, &StepRecord::tokens_trained),
    step_fields::number("loss", kFieldLoss, &StepRecord::loss),
    step_fields::number("lr", kFieldLr, &StepRecord::lr),
    step_fields::number("grad_norm", kFieldNorm, &StepRecord::grad_norm),
    step_fields::number("grad_norm_clipped", kFieldClip, &StepRecord::grad_norm_clipped),
    step_fields::number("clip_threshold", kFieldClip, &StepRecord::clip_threshold),
    step_fields::number("clip_z", kFieldClip, &StepRecord::clip_z),
    step_fields::number("z_loss", kFieldRest, &StepRecord::z_loss),
    step_fields::number("param_norm", kFieldRest, &StepRecord::param_norm),
    step_fields::number("update_norm", kFieldRest, &StepRecord::update_norm),
    step_fields::number("v_norm", kFieldRest, &StepRecord::v_norm),
    step_fields::number("update_rms", kFieldRest, &StepRecord::update_rms),
    step_fields::number("tokens_per_s", kFieldSpeed, &StepRecord::tokens_per_s),
    step_fields::number("mfu", kFieldSpeed, &StepRecord::mfu),
    step_fields::number("step_ms", kFieldSpeed, &StepRecord::step_ms),
    step_fields::number("data_ms", kFieldRest, &StepRecord::data_ms),
    step_fields::number("compute_ms", kFieldRest, &StepRecord::compute_ms),
    step_fields::number("comm_ms", kFieldRest, &StepRecord::comm_ms),
    step_fields::number("checkpoint_ms", kFieldRest, &StepRecord::checkpoint_ms),
    step_fields::text("phase", kFieldRest, &StepRecord::phase),
    step_fields::text("precision", kFieldRest, &StepRecord::precision),
    StepField{"skipped", kFieldSkipped, StepField::Kind::flag},
    step_fields::text("skip_reason", kFieldSkipped, &StepRecord::skip_reason),
    step_fields::maybe("n_valid", kFieldRest, &StepRecord::n_valid),
    step_fields::number("loss_max_rank", kFieldRest, &StepRecord::loss_max_rank),
    step_fields::maybe("batch_start", kFieldRest, &StepRecord::batch_start),
    StepField{"source_loss", kFieldRest, StepField::Kind::sources},
};

// Empties the record, keeping its buffers.
void clear_step(StepRecord& record);

}  // namespace ballast
