// The causal spike detector: the only law the guard and `gradstat --fail-on` act on. Loss and
// gradient norm are two channels; the norm is tested on its logarithm, because norms are skewed to
// the right. A value is tested against the mean and population standard deviation of the last 128
// accepted values, itself excluded, once 32 are held (while the loss is falling, against the line
// through them and its residuals: the fall is no noise); the deviation is floored, so that a flat
// curve does not turn noise into z-scores.
//   nonfinite   the value is NaN or infinite (every such step)
//   onset       the first value above mean + 6 s; the baseline is then frozen until 10 values in a
//               row are back under it, so one spike is one onset
//   persistent  50 values in a row above the frozen baseline + 6 s that are not on their way back
//               (once; the baseline then thaws): a line through the last 50 cannot, at the upper
//               end of its slope's 95 % interval, come under the threshold within 500 steps of the
//               first. A jump out of the fall begins the 50 anew. In any case after 500 in a row.
//               While the loss has an open incident the norm waits: its 50 begin after that.
// Streaming, O(window) per step. Pure; one thread.
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
  int64_t persistent_limit = 500;  // within which a spike has to be back; <= persistent_steps: none
  int64_t quiet_steps = 10;        // values back under the threshold that end an incident
  double loss_floor = 1e-3;        // s >= loss_floor * |mean|
  double trend_fall = 2;           // deviations by which a loss must fall to be judged by its trend
  double log_norm_floor = 0.05;    // s >= log_norm_floor, in units of log(norm)
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
  // Of the incident that is open or that this step closes:
  int64_t above_steps = 0;  // values in a row above, this one included
  double frozen_baseline = 0, frozen_scale = 0;
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

  // Values of the loss in a row above its frozen threshold: a persistent verdict at the next step
  // speaks of the first of them.
  int64_t loss_above_steps() const { return loss_.above_count; }

  Json state() const;
  // States of earlier versions lack the values of an open incident: its fall is told from those
  // that come.
  Result<void> load(const Json& state);
  const DetectorSettings& settings() const { return settings_; }

 private:
  struct Channel {
    explicit Channel(const DetectorSettings& settings);
    void close();
    void add(double value);  // to the run
    RollingWindow values;
    RollingWindow run;  // the newest of the values in a row above, accepted or not; from a jump on
    double peak = 0;    // the highest of the run, also when it has left the window
    int64_t since_peak = 0;  // values
    bool open = false;       // an incident is running, against the frozen baseline below
    double frozen_baseline = 0;
    double frozen_scale = 0;
    int64_t above_count = 0;  // in a row
    int64_t quiet_count = 0;  // in a row
  };
  ChannelVerdict observe(Channel& channel, double value, bool logarithmic, bool waits);
  std::pair<double, double> level(const RollingWindow& values, bool logarithmic) const;
  void follow_incident(Channel& channel, double value, ChannelVerdict& verdict, bool waits) const;
  double frozen_threshold(const Channel& channel) const;
  bool jumps_again(const Channel& channel, double value) const;
  bool comes_back(const Channel& channel) const;
  static Json channel_state(const Channel& channel);
  Result<void> load_channel(Channel& channel, const Json& state, const std::string& name) const;

  DetectorSettings settings_;
  Channel loss_;
  Channel norm_;
};

}  // namespace ballast
