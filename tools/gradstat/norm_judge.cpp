#include "tools/gradstat/norm_judge.h"

#include <cmath>
#include <memory>
#include <optional>

namespace ballast {
namespace {

constexpr double kSameNorm = 1e-3;  // relative; logs round

// Norms of the gradient by tensor in a `layers` record: the numbers of all keys that end with
// "_grad", but for gradients with respect to inputs.
std::vector<double> tensor_norms(const Json& layers) {
  std::vector<double> norms;
  const auto add = [&](const Json& value) {
    const Result<double> norm = number_of(value, "layers");
    norms.push_back(norm.ok() ? *norm : std::nan(""));
  };
  for (const auto& [key, value] : layers.items()) {
    if (!key.ends_with("_grad") || key.ends_with("_input_grad")) continue;
    if (!value.is_array()) add(value);
    if (value.is_array())
      for (const Json& number : value) add(number);
  }
  return norms;
}

bool makes_up(const std::vector<double>& norms, double whole) {
  double squares = 0;
  for (const double norm : norms) squares += norm * norm;
  if (!std::isfinite(whole)) return !norms.empty();
  return !norms.empty() && std::abs(std::sqrt(squares) - whole) <= kSameNorm * whole;
}

// The steps as they are judged. One is held back where its `layers` record, which follows it, may
// bring the norms of its tensors.
class Judge {
 public:
  Judge(const NormReading& reading, const std::function<void(const JudgedNorm&)>& take,
        const std::function<void()>& restart)
      : detector_(reading.detector), holds_(reading.tensors), take_(take), restart_(restart) {}

  void record(const TraceRecord& record) {
    if (record.type == RecordType::step) step(record.step);
    if (record.type == RecordType::other) layers(record.other);
    if (record.type != RecordType::event || !restarts_statistics(record.event.event)) return;
    release();
    detector_.on_event();
    restart_();
  }
  void release() {
    if (held_) take_(*held_);
    held_.reset();
  }
  int64_t norms() const { return norms_; }

 private:
  void step(const StepRecord& step) {
    release();
    if (!step.grad_norm || (step.skipped && step.skip_reason != kClipperSkip)) return;
    JudgedNorm judged{step.step, *step.grad_norm, step.loss.value_or(std::nan(""))};
    const ChannelVerdict verdict = detector_.observe(judged.loss, judged.norm).norm;
    detector_.accept(judged.loss, judged.norm);
    if (verdict.tested) judged.kind = verdict.above ? NormKind::spike : NormKind::healthy;
    judged.onset = verdict.onset;
    judged.threshold = verdict.threshold;
    ++norms_;
    held_ = std::move(judged);
    if (!holds_) release();
  }
  void layers(const OtherRecord& other) {
    if (other.type != "layers" || !held_ || other.step != held_->step) return;
    std::vector<double> norms = tensor_norms(other.object);
    if (makes_up(norms, held_->norm)) held_->tensors = std::move(norms);
  }

  Detector detector_;
  bool holds_;
  const std::function<void(const JudgedNorm&)>& take_;
  const std::function<void()>& restart_;
  std::optional<JudgedNorm> held_;
  int64_t norms_ = 0;
};

}  // namespace

Result<void> read_norms(const TraceInput& input, const NormReading& reading,
                        const std::function<void(const JudgedNorm&)>& take,
                        const std::function<void()>& restart) {
  TraceReadOptions read;
  read.fields = kFieldLoss | kFieldNorm | kFieldSkipped;
  read.steps_only = !reading.tensors;
  read.threads = reading.threads;
  const std::unique_ptr<TraceReader> reader = BALLAST_TRY(open_trace(input, read));
  Judge judge(reading, take, restart);
  TraceRecord record;
  while (BALLAST_TRY(reader->next(record))) judge.record(record);
  judge.release();
  say_what_was_passed_over(reader->health(), reader->parts());
  if (judge.norms() == 0)
    return insufficient_error("the trace has no gradient norms", reader->path());
  return require_per_step(input, reader->health());
}

double tally(ClipTally& into, const ClipDecision& decision, double norm, NormKind kind,
             double threshold) {
  const double factor = decision.skip ? 0 : decision.factor;
  into.factors += factor;
  into.clipped += decision.clipped && !decision.skip ? 1 : 0;
  into.dropped += decision.skip ? 1 : 0;
  if (kind == NormKind::healthy && factor < 1) ++into.healthy;
  if (kind == NormKind::spike && !(norm * factor <= threshold)) ++into.missed;
  return norm * factor;
}

double share_of(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : std::nan("");
}

}  // namespace ballast
