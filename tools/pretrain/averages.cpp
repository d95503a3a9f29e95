#include "tools/pretrain/averages.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/strategy_spec.h"
#include "libcore/base/units.h"
#include "tools/pretrain/flat_blocks.h"

namespace ballast {
namespace {

constexpr int64_t kLongest = int64_t{1} << 40;

}  // namespace

std::string AverageConfig::swa_spec() const {
  return swa ? fmt::format("window={},every={}", swa_window, swa_every) : "";
}

std::string AverageConfig::ema_spec() const {
  return ema ? fmt::format("decay={},every={}", format_double(ema_decay), ema_every) : "";
}

Result<AverageConfig> parse_averages(std::string_view swa, std::string_view ema) {
  AverageConfig c;
  if (!swa.empty()) {
    c.swa = true;
    StrategySpec spec = BALLAST_TRY(StrategySpec::parse("swa:" + std::string(swa), "--swa"));
    c.swa_window = BALLAST_TRY(spec.take_count("window", c.swa_window, 1, kLongest));
    c.swa_every = BALLAST_TRY(spec.take_count("every", c.swa_every, 1, kLongest));
    BALLAST_TRY(spec.finish());
    if (c.swa_window % c.swa_every != 0)
      return usage_error("--swa: window is no multiple of every", "", std::string(swa));
  }
  if (!ema.empty()) {
    c.ema = true;
    StrategySpec spec = BALLAST_TRY(StrategySpec::parse("ema:" + std::string(ema), "--ema"));
    c.ema_decay = BALLAST_TRY(spec.take_number("decay", c.ema_decay, 0, 0.9999999));
    c.ema_every = BALLAST_TRY(spec.take_count("every", c.ema_every, 1, kLongest));
    BALLAST_TRY(spec.finish());
  }
  return c;
}

WeightAverages::WeightAverages(const AverageConfig& config, const ParamTable& table)
    : config_(config) {
  for (const ParamSpec& spec : table.specs)
    if (spec.role == ParamRole::state)
      copied_.emplace_back(table.flat_size - spec.flat_begin, spec.elements());
}

namespace {

// average += share * (weights - average), by ops that every backend has.
void move_part(Backend& backend, const Tensor& average, const Tensor& weights,
               const Tensor& scratch, double share) {
  for (int64_t begin = 0; begin < average.cols; begin += scratch.cols) {
    const int64_t n = std::min(scratch.cols, average.cols - begin);
    const Tensor a = blocks_of(cols_of(average, begin, n)), s = blocks_of(cols_of(scratch, 0, n));
    Tensor w = blocks_of(cols_of(weights, begin, n));
    if (w.dtype != s.dtype) {
      backend.cast(s, w);
      w = s;
    }
    backend.scale(s, w, static_cast<float>(share));
    backend.scale(a, a, static_cast<float>(1 - share));
    backend.add(a, a, s);
  }
}

}  // namespace

void WeightAverages::move(Backend& backend, const Tensor& average,
                          const std::vector<Tensor>& weights, const Tensor& scratch,
                          double share) const {
  int64_t begin = 0;
  for (const Tensor& part : weights) {
    move_part(backend, cols_of(average, begin, part.cols), part, scratch, share);
    begin += part.cols;
  }
  const Tensor& last = weights.back();
  for (const auto& [from_end, n] : copied_)
    backend.scale(cols_of(average, average.cols - from_end, n),
                  cols_of(last, last.cols - from_end, n), 1.0f);
}

void WeightAverages::update(Backend& backend, const Tensor& swa, const Tensor& ema,
                            const std::vector<Tensor>& weights, const Tensor& scratch, int64_t t) {
  if (config_.swa && t % config_.swa_every == 0) {
    if ((t - 1) % config_.swa_window < config_.swa_every) swa_samples_ = 0;  // a window begins
    ++swa_samples_;
    move(backend, swa, weights, scratch, 1 / static_cast<double>(swa_samples_));
  }
  if (config_.ema && t % config_.ema_every == 0) {
    const double share = ema_samples_ == 0 ? 1 : 1 - config_.ema_decay;
    ++ema_samples_;
    move(backend, ema, weights, scratch, share);
  }
}

Json WeightAverages::state() const {
  Json json = Json::object();
  if (config_.swa) json["swa_samples"] = swa_samples_;
  if (config_.ema) json["ema_samples"] = ema_samples_;
  return json;
}

// Counts that are not there belong to an average that a change has just added.
Result<void> WeightAverages::load(const Json& state) {
  for (const auto& [key, count] :
       {std::pair("swa_samples", &swa_samples_), std::pair("ema_samples", &ema_samples_)}) {
    *count = 0;
    if (!state.contains(key)) continue;
    *count = BALLAST_TRY(integer_member(state, key, "averages"));
    if (*count < 0) return corrupt_error(fmt::format("'{}' is negative", key), "averages");
  }
  return {};
}

}  // namespace ballast
