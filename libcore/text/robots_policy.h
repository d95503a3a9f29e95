// A robots.txt compiled for a list of robots: robots that obey the same groups share one rule set,
// so a URL is matched once per distinct set. A document is excluded when at least one robot may not
// fetch it (Apertus report, section 3.1.1). Immutable after construction; threads may share it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/robots.h"

namespace ballast {

// The list Apertus filtered with: the 14 names of its report (appendix B) and FacebookBot, which
// its published code adds. `CCBot/2.0` and `CCBot/1.0` are asked for as they stand, and `*` as a
// robot of its own, so that a global block excludes a page even where every named robot is free.
const std::vector<std::string>& apertus_agents();

// "apertus", or names separated by commas; refuses empty names and repeated ones.
Result<std::vector<std::string>> parse_agent_list(std::string_view text, const std::string& flag);

struct RobotsVerdict {
  bool allowed = true;
  std::vector<int> agents;           // indexes of the robots that may not fetch it, ascending
  const RobotsRule* rule = nullptr;  // that stopped the first of them
};

class RobotsPolicy {
 public:
  RobotsPolicy(std::string_view content, const std::vector<std::string>& agents);
  RobotsVerdict decide(const RobotsTarget& target) const;
  bool has_rules() const { return !sets_.empty(); }  // without, it allows everything

 private:
  struct RuleSet {
    RobotsRules rules;
    std::vector<int> agents;
  };
  std::vector<RuleSet> sets_;  // only those that can forbid something
};

}  // namespace ballast
