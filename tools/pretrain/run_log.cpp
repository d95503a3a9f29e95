#include "tools/pretrain/run_log.h"

#include <algorithm>
#include <utility>

#include "libcore/base/version.h"
#include "libcore/cli/message.h"
#include "libcore/io/atomic_file.h"
#include "tools/pretrain/launch_environment.h"

namespace ballast {

Result<void> write_run_text(FileSystem& fs, const std::string& path, const std::string& text) {
  AtomicFile file(fs, path, true);
  BALLAST_TRY(file.write(text));
  return file.commit();
}

RunLog::RunLog(World& world, const RunConfig& config, RunState& state)
    : world_(world),
      fs_(world.files()),
      config_(config),
      state_(state),
      parameters_(make_param_table(config.model).parameters) {}

Result<void> RunLog::open_trace() {
  trace_ = BALLAST_TRY(
      TraceWriter::open(fs_, config_.typed.run, world_.leads() ? config_.typed.trace : ""));
  return {};
}

Result<void> RunLog::hold(StepRecord record, std::function<void(StepRecord&)> complete) {
  BALLAST_TRY(settle());
  record.segment = state_.counters().segment;
  record.time_us = wall_clock_us();
  held_ = std::move(record);
  complete_ = std::move(complete);
  return {};
}

Result<void> RunLog::settle() {
  if (!held_.has_value()) return {};
  StepRecord record = *std::exchange(held_, std::nullopt);
  complete_(record);
  return trace_->write(record);
}

Result<void> RunLog::close_trace() {
  BALLAST_TRY(settle());
  BALLAST_TRY(trace_->close());
  print_warnings();
  return {};
}

void RunLog::print_warnings() {
  if (const std::string warning = trace_->take_warning(); !warning.empty()) print_warning(warning);
}

Result<void> RunLog::event(int64_t step, const std::string& name, const std::string& reason,
                           Json details) {
  EventRecord r;
  r.step = step;
  r.event = name;
  r.reason = reason;
  r.details = std::move(details);
  return write(std::move(r));
}

Result<void> RunLog::journal(const std::string& event, const Json& fields) {
  BALLAST_TRY(append_journal(fs_, config_.typed.run, event, fields));
  return {};
}

Result<JournalContents> RunLog::read() const { return read_journal(fs_, config_.typed.run); }

Result<int64_t> RunLog::free_segment() {
  const auto choose = [&]() -> Result<Json> {
    const JournalContents journal = BALLAST_TRY(read());
    return Json(std::max(next_segment(journal), state_.counters().segment + 1));
  };
  const Json segment = BALLAST_TRY(world_.lead(choose));
  return segment.get<int64_t>();
}

Result<void> RunLog::begin_segment(const SegmentStart& start) {
  const TrainState& counters = state_.counters();
  RunRecord r;
  if (start.parent.has_value()) {
    r.parent = start.parent;
    r.parent_step = counters.step;
  }
  r.parent_checkpoint = start.checkpoint;
  r.run = file_name(config_.typed.run);
  r.version = kVersion;
  r.config_hash = config_.hash();
  r.model = config_.model_name;
  r.optimizer = config_.optimizer.spec();
  r.schedule = config_.schedule.spec();
  r.clip = state_.laws().clip_spec();
  r.guard = config_.ladder.spec();
  r.precision = config_.typed.precision;
  r.device = world_.backend().description();
  r.host = holder_.host;
  r.job = holder_.job;
  r.ranks = world_.size();
  if (config_.typed.cost_per_hour > 0) r.cost_per_hour = config_.typed.cost_per_hour;
  r.parameters = parameters_;
  r.total_tokens = config_.total_tokens();
  r.batch_tokens = config_.batches.batch_at(counters.tokens);
  r.seq_len = config_.seq_len;
  r.seed = config_.seed;
  r.data_seed = static_cast<int64_t>(config_.data_seed);
  r.clip_state = state_.laws().clip_state();
  r.detector_state = state_.laws().detector_state();
  if (config_.branch) r.details["branch"] = config_.branch->address;
  if (Json environment = launch_environment(); !environment.is_null())
    r.details["environment"] = std::move(environment);
  state_.begin_segment(start.segment);
  return write(std::move(r));
}

}  // namespace ballast
