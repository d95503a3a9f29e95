// The causal spike detector: the only law the guard and `gradstat --fail-on` act on. Loss and
// gradient norm are two channels; the norm is tested on its logarithm, because norms are skewed to
// the right. A value is tested against the mean and population standard deviation of the last 128
// accepted values, itself excluded, once 32 are held (while the loss is falling, against the line
// through them and its residuals: the fall is no noise); the deviation is floored, so that a flat
// curve does not turn noise into z-scores.
//   nonfinite   the value is NaN or infinite (every such step)
//   onset       the first value above mean + 6 s; the baseline is then frozen until 10 values in a
//               row are back under it, so one spike is one onset
//   persistent  50 values in a row above the frozen baseline + 6 s (once; the baseline then thaws)
// Streaming, O(window) per step, no allocation after construction. Pure; one thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"
#include "libcore/stats/window.h"

namespace ballast {

struct DetectorSettings {
  int64_t window = 128;  // accepted values
  int64_t minimum = 32;  // values before the first verdict
  double sigmas = 6;
  int64_t persistent_steps = 50;
  int64_t quiet_steps = 10;      // values back under the threshold that end an incident
  double loss_floor = 1e-3;      // s >= loss_floor * |mean|
  double trend_fall = 2;         // deviations by which a loss must fall to be judged by its trend
  double log_norm_floor = 0.05;  // s >= log_norm_floor, in units of log(norm)
};

struct ChannelVerdict {
  bool nonfinite = false;
  bool onset = false;
  bool persistent = false;
  bool above = false;    // over the threshold in force, onset or not
  bool tested = false;   // enough history; the fields below are set
  double z = 0;          // against the moving window
  double baseline = 0;   // mean (of log(norm) for the norm)
  double scale = 0;      // s, floored
  double threshold = 0;  // loss or norm above which `above` is true
};

struct Verdict {
  ChannelVerdict loss;
  ChannelVerdict norm;
  bool nonfinite() const { return loss.nonfinite || norm.nonfinite; }
  bool onset() const { return loss.onset || norm.onset; }
  bool persistent() const { return loss.persistent || norm.persistent; }
};

class Detector {
 public:
  explicit Detector(const DetectorSettings& settings = {});
  // Judges this step. Called once for every step that has a loss, skipped or not.
  Verdict observe(double loss, double grad_norm);
  // Lets the step into the window. Called after observe(), unless the step was skipped; values that
  // are not finite stay out.
  void accept(double loss, double grad_norm);
  // Levels move for good (restarts_statistics() in libcore/trace/record.h): forgets both windows
  // and any open incident.
  void on_event();

  Json state() const;
  Result<void> load(const Json& state);
  const DetectorSettings& settings() const { return settings_; }

 private:
  struct Channel {
    explicit Channel(int64_t window) : values(window) {}
    RollingWindow values;
    bool open = false;  // an incident is running, against the frozen baseline below
    double frozen_baseline = 0;
    double frozen_scale = 0;
    int64_t above_count = 0;  // in a row
    int64_t quiet_count = 0;  // in a row
  };
  ChannelVerdict observe(Channel& channel, double value, bool logarithmic);
  std::pair<double, double> level(const RollingWindow& values, bool logarithmic) const;
  void follow_incident(Channel& channel, double value, ChannelVerdict& verdict) const;
  static Json channel_state(const Channel& channel);
  Result<void> load_channel(Channel& channel, const Json& state, const std::string& name) const;

  DetectorSettings settings_;
  Channel loss_;
  Channel norm_;
};

}  // namespace ballast
