// A robots.txt compiled for a list of robots: robots that obey the same groups share one rule set,
// so a URL is matched once per distinct set. A document is excluded when at least one robot may not
// fetch it (Apertus report, section 3.1.1). Immutable after construction; threads may share it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/text/robots.h"
#include "libcore/text/robots_agents.h"

namespace ballast {

struct RobotsVerdict {
  bool allowed = true;
  std::vector<int> agents;  // indexes of the robots that may not fetch it, ascending
  // That stopped the first of them; when allowed, the Allow that let the first robot through that
  // any rule is about, or null.
  const RobotsRule* rule = nullptr;
};

class RobotsPolicy {
 public:
  RobotsPolicy(std::string_view content, const std::vector<std::string>& agents,
               RobotsMode mode = RobotsMode::rfc);
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
