// What the steps of a cleaning run kept and dropped: the summary records of ballast-documents(5)
// (`--stats` of filter, build, merge, dedup, decontaminate and mix), read back and added up. A
// document that several steps saw is counted by each of them. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "libcore/base/result.h"
#include "libcore/io/json.h"

namespace ballast {

inline constexpr int64_t kMostSummaries = 4096;  // that are added up

struct StepStat {
  int64_t documents = 0, kept = 0, rejected = 0;
  int64_t text = 0, text_kept = 0;  // characters of a filter, bytes of a dedup, else 0
};

struct RuleVerdicts {
  int64_t kept = 0, rejected = 0;  // by the rule about it; of sources by any rule
  int64_t asked = 0, blocked = 0;  // of languages: by robots.txt

  void add(const RuleVerdicts& other) {
    kept += other.kept;
    rejected += other.rejected;
    asked += other.asked;
    blocked += other.blocked;
  }
};

struct DroppedStat {
  std::map<std::string, StepStat> steps;   // "filter", "dedup minhash document"
  std::map<std::string, int64_t> reasons;  // documents by "stage:reason"
  std::map<std::string, RuleVerdicts> languages, licenses, sources;
  RuleVerdicts other_languages, other_licenses,
      other_sources;                     // of names that a record does not list
  std::map<std::string, int64_t> hosts;  // documents that robots.txt closes; a record lists some
  int64_t blocked = 0;                   // by robots.txt, those of unlisted hosts too

  int64_t rejected() const;
  void add(const DroppedStat& other);
};

// Kind corrupt when it is no such record, or its counts contradict each other.
Result<DroppedStat> parse_summary(const Json& record, const std::string& where);

}  // namespace ballast
