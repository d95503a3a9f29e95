#include "tests/bench/classifier/persistence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "libcore/guard/detector.h"
#include "tests/bench/classifier/simulated_run.h"

namespace ballast {
namespace {

// Steps from the onset of the loss to the verdict; -1: none.
int64_t verdict_after(const SimulatedCourse& run, const DetectorSettings& settings) {
  Detector detector(settings);
  for (size_t i = 0; i < run.loss.size(); ++i) {
    const Verdict verdict = detector.observe(run.loss[i], 1);
    detector.accept(run.loss[i], 1);
    const int64_t since = static_cast<int64_t>(i) + 1 - run.onset;
    if (verdict.loss.persistent && since >= 0) return since;
  }
  return -1;
}

struct Told {
  int64_t runs = 0;
  std::vector<int64_t> delays;
  void add(int64_t delay) {
    ++runs;
    if (delay >= 0) delays.push_back(delay);
  }
  // "share, %: median / 90th percentile / longest delay"
  std::string text() {
    std::sort(delays.begin(), delays.end());
    const auto count = static_cast<double>(delays.size());
    std::string line = fmt::format("{:.1f} |", 100 * count / static_cast<double>(runs));
    if (delays.empty()) return line + " |";
    const auto at = [&](double share) { return delays[static_cast<size_t>(share * (count - 1))]; };
    return line + fmt::format(" {} / {} / {} |", at(.5), at(.9), delays.back());
  }
};

}  // namespace

void print_persistence(int64_t runs, uint64_t seed) {
  DetectorSettings plain;
  plain.persistent_limit = plain.persistent_steps;
  std::printf(
      "| course | 50 in a row, %% | delay: median / 90 %% / longest | not on their way back, %% | "
      "delay |\n|---|---|---|---|---|\n");
  for (int course = 0; course < kCourses; ++course) {
    Told before, after;
    for (int64_t r = 0; r < runs; ++r) {
      const uint64_t own = seed * 1000003 + static_cast<uint64_t>((course + 10) * 100000 + r);
      const SimulatedCourse run =
          simulate_course(static_cast<Course>(course), static_cast<int>(r % kNoiseKinds), own);
      before.add(verdict_after(run, plain));
      after.add(verdict_after(run, DetectorSettings()));
    }
    std::printf("| %s%s | %s %s\n",
                course < kRecoveries ? "back: " : "stays: ", kCourseNames[course],
                before.text().c_str(), after.text().c_str());
  }
}

}  // namespace ballast
