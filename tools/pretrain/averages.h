// Averages of the weights that a run keeps beside them (Haegele et al., arXiv 2405.18392, sec. 4):
//   swa  the uniform mean over windows of `window` applied updates, sampled every `every`; it
//        restarts with each window
//   ema  avg = d avg + (1 - d) w every `every` applied updates
// A skipped step does not count. Buffers are f32 on the device; the counts are part of the
// checkpoint, so a resume continues them bit for bit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"
#include "libcore/model/params.h"
#include "libcore/tensor/backend.h"

namespace ballast {

struct AverageConfig {
  bool swa = false, ema = false;
  int64_t swa_window = 500, swa_every = 5;
  double ema_decay = 0.95;
  int64_t ema_every = 10;
  std::string swa_spec() const;  // "window=500,every=5"; "" without
  std::string ema_spec() const;
};

// Empty texts: none. Kind usage, naming --swa or --ema.
Result<AverageConfig> parse_averages(std::string_view swa, std::string_view ema);

class WeightAverages {
 public:
  WeightAverages(const AverageConfig& config, const ParamTable& table);
  // After applied update `t` (from 1). All (1, n), n a multiple of kFlatBlock, f32 but for weights;
  // an average is as long as all weights, which the one-dimensional ones end, and `scratch`, which
  // is overwritten, may be shorter.
  void update(Backend& backend, const Tensor& swa, const Tensor& ema,
              const std::vector<Tensor>& weights, const Tensor& scratch, int64_t t);
  int64_t swa_samples() const { return swa_samples_; }  // in the present window
  int64_t ema_samples() const { return ema_samples_; }
  Json state() const;  // an empty object without averages
  Result<void> load(const Json& state);

 private:
  void move(Backend& backend, const Tensor& average, const std::vector<Tensor>& weights,
            const Tensor& scratch, double share) const;

  AverageConfig config_;
  // What is not trained (vectors of power iterations) has no mean: averages hold the present one.
  // They are one-dimensional, and buffers end with all that is: (elements from the end, size).
  std::vector<std::pair<int64_t, int64_t>> copied_;
  int64_t swa_samples_ = 0, ema_samples_ = 0;
};

}  // namespace ballast
