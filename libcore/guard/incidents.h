// The incidents of a run, on the line that survived and on abandoned branches alike: what the
// Detector (causal, what the guard saw) reported, joined with the Classifier's verdict in
// hindsight. Deterministic and pure. `gradstat spikes --json` prints them and `ckpt rollback
// --before-incident` takes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/guard/classifier.h"
#include "libcore/guard/detector.h"
#include "libcore/guard/history.h"
#include "libcore/io/json.h"

namespace ballast {

struct RunIncident {
  int64_t id = 0;          // from 1, in the order the run lived them
  int64_t segment = 0;     // of the onset
  bool abandoned = false;  // the onset is on a branch that a rollback or resume left
  int64_t first = 0;       // first abnormal step: of the norm or the loss
  int64_t onset = 0;       // of the loss where the loss is abnormal, else of the norm
  int64_t last = 0;
  bool classified = false;  // `verdict` is set; otherwise only the Detector saw something
  Incident verdict;
  // What the Detector said live, or would have said.
  int64_t detected = -1;  // step; -1: not seen by it
  bool detected_loss = false, detected_norm = false;
  bool nonfinite = false, persistent = false;
  double peak_loss = 0, peak_norm = 0;  // largest finite values from first to last; NaN: none
  int64_t tokens_lost = 0;              // consumed from `first` to `last`
  int64_t samples_begin = 0;            // data consumed by those steps, half-open
  int64_t samples_end = 0;
  int64_t skipped_steps = 0;  // of those, skipped by the guard
  double step_ms = 0;         // sum over them; NaN: not recorded
  double seconds = 0;         // that, else by the clock, else by tokens per second; NaN: not known
  double cost = 0;            // of that time at the cost per hour; NaN: not known
};

struct IncidentSettings {
  DetectorSettings detector;
  ClassifierSettings classifier;
  std::optional<double> cost_per_hour;  // where the run record has none
};

std::vector<RunIncident> find_incidents(const RunHistory& history,
                                        const IncidentSettings& settings = {});

// "recoverable", "lingering", "divergent", or "unclassified".
std::string class_name(const RunIncident& incident);
Json to_json(const RunIncident& incident);

}  // namespace ballast
