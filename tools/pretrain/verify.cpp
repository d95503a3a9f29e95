// A suspicious step is computed a second time from the same weights and the same batch, before its
// update: other bits are the hardware's, the same bits are the data's or the optimisation's. Every
// N steps of --check-replicas a step that looks well is computed twice too, and the ranks compare
// their weights.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "libcore/cli/message.h"
#include "tools/pretrain/replicas.h"
#include "tools/pretrain/trainer.h"

namespace ballast {
namespace {

Json side_json(const StepWork& work, const Hash128& gradient) {
  return {{"loss", json_number(work.loss)},
          {"grad_norm", json_number(work.grad_norm)},
          {"gradient_hash", gradient.hex()}};
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

}  // namespace

Result<void> Trainer::verify(StepWork& work) {
  if (work.valid == 0) return {};
  const Verdict& verdict = work.verdict;
  const bool suspicious =
      !config_.ladder.off() && (verdict.nonfinite() || verdict.onset() || verdict.loss.persistent);
  const int64_t every = config_.typed.check_replicas;
  const bool due = every > 0 && work.step % every == 0;
  if (due) BALLAST_TRY(compare_weights(work));
  if ((!suspicious && !due) || !work.hardware.empty()) return {};

  const Hash128 first = hash_tensor(*backend_, buffers_.grads);
  StepWork again = work;
  forward_backward(again, true);
  measure(again);
  const Hash128 second = hash_tensor(*backend_, buffers_.grads);
  const bool same = first == second && same_bits(work.loss, again.loss) &&
                    same_bits(work.grad_norm, again.grad_norm);
  work.rerun = "same bits";
  // After the sum a wrong gradient is on every rank.
  const std::vector<Hash128> differs = gather_hashes(*comm_, {0, same ? uint64_t{0} : uint64_t{1}});
  std::vector<int64_t> ranks;
  for (size_t r = 0; r < differs.size(); ++r)
    if (differs[r].low != 0) ranks.push_back(static_cast<int64_t>(r));
  if (ranks.empty()) return {};
  return suspect_hardware(
      work, "a rerun of the step gave other bits", ranks,
      {{"first", side_json(work, first)}, {"second", side_json(again, second)}});
}

// All ranks hold the same weights between two steps.
Result<void> Trainer::compare_weights(StepWork& work) {
  const std::vector<Hash128> hashes =
      gather_hashes(*comm_, hash_tensor(*backend_, buffers_.params));
  const std::vector<int64_t> odd = odd_ranks(hashes);
  if (odd.empty()) return {};
  Json values = Json::array();
  for (const Hash128& hash : hashes) values.push_back(hash.hex());
  return suspect_hardware(work, "the ranks' weights differ", odd, {{"weight_hashes", values}});
}

Result<void> Trainer::suspect_hardware(StepWork& work, const std::string& what,
                                       const std::vector<int64_t>& ranks, Json details) {
  work.hardware = what;
  detector_ = detector_before_;  // the step has not been
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  const std::vector<std::string> hosts = world_.gather(name);
  Json host = Json::array();
  for (const int64_t rank : ranks) host.push_back(hosts[static_cast<size_t>(rank)]);
  Json line = {{"step", work.step}, {"reason", what}};
  Json where = {{"rank", ranks.size() == 1 ? Json(ranks[0]) : Json(ranks)},
                {"host", ranks.size() == 1 ? host[0] : host},
                {"device", backend_->description()}};
  for (const auto& [key, value] : details.items()) where[key] = value;
  for (const auto& [key, value] : where.items()) line[key] = value;
  BALLAST_TRY(journal("hardware", line));
  BALLAST_TRY(event(work.step, "rerun", what, where));
  return event(work.step, "hardware", what, where);
}

// The step has not been: the state before it is saved, for another machine to go on from.
Result<void> Trainer::stop_on_hardware(const StepWork& work, RunResult& result) {
  if (last_saved_step_ != state_.step) BALLAST_TRY(save("hardware"));
  result.exit_code = kExitHardware;
  result.reason = fmt::format("{} at step {}", work.hardware, work.step);
  return {};
}

}  // namespace ballast
