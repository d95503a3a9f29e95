// Simulated training runs with a known truth: a falling loss and a gradient norm under noise of
// different kinds, with one incident of a known type, a planned jump with its event, norms that
// grow without harm, or nothing. A pure function of the seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ballast {

enum class RunKind { calm, growing_norm, planned, type1, type2, type3 };
constexpr int kRunKinds = 6;
constexpr const char* kRunKindNames[kRunKinds] = {"calm",   "growing norm", "planned jump",
                                                  "type 1", "type 2",       "type 3"};
constexpr int kNoiseKinds = 4;
constexpr const char* kNoiseNames[kNoiseKinds] = {"white", "AR(1)", "heteroscedastic",
                                                  "heavy tails"};

struct SimulatedRun {
  RunKind kind = RunKind::calm;
  int noise = 0;
  std::vector<int64_t> steps;  // from 1
  std::vector<double> loss, norm;
  std::vector<int64_t> events;  // that move levels
  int64_t onset = -1;           // of the loss; -1: no incident
  int64_t lead = 0;             // of the norm
  int64_t over = -1;            // first step that is clean again; the end without recovery
  double settled = 0;           // type 2: nats above the curve for good
  double fall = 0;              // of the curve in the 500 steps after the onset, nats
};

constexpr int64_t kSimulatedSteps = 4000;

SimulatedRun simulate(RunKind kind, int noise, uint64_t seed);

}  // namespace ballast
