#include "tools/pretrain/run_requests.h"

#include <algorithm>
#include <utility>

namespace ballast {

RunRequests::RunRequests(World& world, const RunConfig& config, const RunClock& clock,
                         const RunLog& log)
    : world_(world),
      config_(config),
      clock_(clock),
      log_(log),
      control_(world.files(), world.leads() ? config.typed.run : "", config.max_wall_seconds) {}

// What this rank alone knows of.
ControlRequest RunRequests::poll() {
  ControlRequest request = control_.poll(clock_.longest_save(), clock_.step_seconds());
  if (log_.reader_gone()) request.cause = std::max(request.cause, Cause::reader_gone);
  return request;
}

void RunRequests::vote(std::span<double> votes) { votes[static_cast<size_t>(poll().cause)] = 1; }

void RunRequests::count(std::span<const double> votes) {
  for (size_t c = 0; c < kCauses; ++c)
    if (votes[c] > 0) agreed_.cause = std::max(agreed_.cause, static_cast<Cause>(c));
}

double RunRequests::time_vote() const {
  const bool due = world_.leads() && config_.checkpoint_steps == 0 &&
                   clock_.seconds_since_save() >= config_.checkpoint_seconds;
  return due ? 1 : 0;
}

ControlRequest RunRequests::take() {
  if (world_.alone()) return poll();
  return std::exchange(agreed_, ControlRequest());
}

bool RunRequests::cuts_evaluation() const {
  return world_.alone() ? Control::stop_signalled() : agreed_.cause >= Cause::usr1_signal;
}

bool RunRequests::checkpoint_due(int64_t step) const {
  if (config_.checkpoint_steps > 0) return step % config_.checkpoint_steps == 0;
  if (!world_.alone()) return save_due_;
  return clock_.seconds_since_save() >= config_.checkpoint_seconds;
}

}  // namespace ballast
