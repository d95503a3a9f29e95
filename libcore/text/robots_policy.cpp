#include "libcore/text/robots_policy.h"

#include <algorithm>
#include <map>

namespace ballast {

RobotsPolicy::RobotsPolicy(std::string_view content, const std::vector<std::string>& agents,
                           RobotsMode mode) {
  RobotsFile file = RobotsFile::parse(content, mode);
  std::map<std::vector<int>, size_t> known;
  for (size_t i = 0; i < agents.size(); ++i) {
    std::vector<int> groups = file.groups_of(agents[i]);
    if (groups.empty()) continue;
    auto [entry, added] = known.try_emplace(groups, sets_.size());
    if (added) sets_.push_back({file.rules_of(groups), {}});
    sets_[entry->second].agents.push_back(static_cast<int>(i));
  }
  std::erase_if(sets_, [](const RuleSet& set) { return set.rules.empty(); });
}

RobotsVerdict RobotsPolicy::decide(const RobotsTarget& target) const {
  RobotsVerdict verdict;
  for (const RuleSet& set : sets_) {
    const RobotsRule* rule = set.rules.match(target);
    if (rule == nullptr) continue;
    if (rule->allow) {
      if (verdict.allowed && verdict.rule == nullptr) verdict.rule = rule;
      continue;
    }
    if (verdict.allowed || set.agents.front() < verdict.agents.front()) verdict.rule = rule;
    verdict.allowed = false;
    verdict.agents.insert(verdict.agents.end(), set.agents.begin(), set.agents.end());
    std::sort(verdict.agents.begin(), verdict.agents.end());
  }
  return verdict;
}

}  // namespace ballast
