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

// How a loss goes on after a jump of 20 deviations of its noise to 4 nats (others where it says
// so). The first six are back at the noise 60 to 450 steps after the peak, the others never.
enum class Course {
  exponential,
  linear,
  hyperbolic,  // 1/t: fast at first, then ever slower
  slow_rise,   // 15 to 30 steps to the peak, then exponential
  loud,        // exponential, with 1.5 to 4 times the noise while it is up
  two_spikes,  // the second 20 to 200 steps after the first, as high
  lingering,   // exponential to 10 to 50 % of the jump
  plateau,
  loud_plateau,  // with 1.5 to 4 times the noise
  low_plateau,   // 10 to 20 deviations of the noise
  growing,       // by the jump in 1500 steps
  runaway,       // from 12 deviations tenfold in 50 steps
};
constexpr int kCourses = 12, kRecoveries = 6;
constexpr const char* kCourseNames[kCourses] = {
    "exponential", "linear",  "hyperbolic",   "slow rise",   "loud",    "two spikes",
    "lingering",   "plateau", "loud plateau", "low plateau", "growing", "runaway"};

struct SimulatedCourse {
  std::vector<double> loss;  // of the steps from 1, to 1000 after the onset
  int64_t onset = 0;
};
SimulatedCourse simulate_course(Course course, int noise, uint64_t seed);

}  // namespace ballast
