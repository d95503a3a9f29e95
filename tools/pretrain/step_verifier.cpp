#include "tools/pretrain/step_verifier.h"

#include <bit>

#include "tools/pretrain/replicas.h"
#include "tools/pretrain/worst_sequences.h"

namespace ballast {
namespace {

Json side_json(const StepWork& work, const Hash128& gradient) {
  return {{"loss", json_number(work.losses.loss)},
          {"grad_norm", json_number(work.grad_norm)},
          {"gradient_hash", gradient.hex()}};
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

}  // namespace

StepVerifier::StepVerifier(World& world, const RunConfig& config, Engine& engine, RunState& state,
                           RunLog& log)
    : world_(world), config_(config), engine_(engine), state_(state), log_(log) {}

Result<void> StepVerifier::verify(StepWork& work,
                                  const std::function<void(StepWork&)>& compute_again) {
  if (work.valid == 0) return {};
  const int64_t every = config_.typed.check_replicas;
  const bool due = every > 0 && work.step % every == 0;
  if (due) BALLAST_TRY(compare_weights(work));
  if ((!due && !state_.laws().suspicious(work.verdict)) || !work.hardware.empty()) return {};
  return compare_passes(work, compute_again);
}

Result<void> StepVerifier::compare_passes(StepWork& work,
                                          const std::function<void(StepWork&)>& compute_again) {
  const Tensor& gradient = engine_.buffers().grads;
  const Hash128 first = hash_tensors(engine_.backend(), {gradient});
  StepWork again = work;
  compute_again(again);
  const Hash128 second = hash_tensors(engine_.backend(), {gradient});
  const bool same = first == second && same_bits(work.losses.loss, again.losses.loss) &&
                    same_bits(work.grad_norm, again.grad_norm);
  work.rerun = "same bits";
  // After the sum a wrong gradient is on every rank.
  const std::vector<Hash128> differs =
      gather_hashes(world_.comm(), {0, same ? uint64_t{0} : uint64_t{1}});
  std::vector<int64_t> ranks;
  for (size_t r = 0; r < differs.size(); ++r)
    if (differs[r].low != 0) ranks.push_back(static_cast<int64_t>(r));
  if (ranks.empty()) return {};
  return suspect(work, "a rerun of the step gave other bits", ranks,
                 {{"first", side_json(work, first)}, {"second", side_json(again, second)}});
}

// Ranks hold the same copies between two steps.
Result<void> StepVerifier::compare_weights(StepWork& work) {
  const std::vector<Hash128> hashes =
      gather_hashes(world_.comm(), hash_tensors(engine_.backend(), engine_.replicated_weights()));
  const std::vector<int64_t> odd = odd_ranks(hashes);
  if (odd.empty()) return {};
  Json values = Json::array();
  for (const Hash128& hash : hashes) values.push_back(hash.hex());
  return suspect(work, "the ranks' weights differ", odd, {{"weight_hashes", values}});
}

Result<void> StepVerifier::suspect(StepWork& work, const std::string& what,
                                   const std::vector<int64_t>& ranks, const Json& details) {
  work.hardware = what;
  state_.laws().unjudge();
  const std::vector<std::string> hosts = world_.gather(host_name());
  Json host = Json::array();
  for (const int64_t rank : ranks) host.push_back(hosts[static_cast<size_t>(rank)]);
  Json where = {{"rank", ranks.size() == 1 ? Json(ranks[0]) : Json(ranks)},
                {"host", ranks.size() == 1 ? host[0] : host},
                {"device", engine_.backend().description()}};
  for (const auto& [key, value] : details.items()) where[key] = value;
  Json line = {{"step", work.step}, {"reason", what}};
  for (const auto& [key, value] : where.items()) line[key] = value;
  BALLAST_TRY(log_.journal("hardware", line));
  BALLAST_TRY(log_.event(work.step, "rerun", what, where));
  return log_.event(work.step, "hardware", what, where);
}

}  // namespace ballast
