#include "libcore/text/robots_policy.h"

#include <algorithm>
#include <map>

#include "libcore/base/ascii.h"

namespace ballast {

const std::vector<std::string>& apertus_agents() {
  static const std::vector<std::string> agents = {"AI2Bot",
                                                  "Applebot-Extended",
                                                  "Bytespider",
                                                  "CCBot",
                                                  "CCBot/2.0",
                                                  "CCBot/1.0",
                                                  "ClaudeBot",
                                                  "cohere-training-data-crawler",
                                                  "Diffbot",
                                                  "FacebookBot",
                                                  "Meta-ExternalAgent",
                                                  "Google-Extended",
                                                  "GPTBot",
                                                  "PanguBot",
                                                  "*"};
  return agents;
}

Result<std::vector<std::string>> parse_agent_list(std::string_view text, const std::string& flag) {
  if (text == "apertus") return apertus_agents();
  std::vector<std::string> agents;
  while (true) {
    size_t comma = std::min(text.find(','), text.size());
    std::string name(trim_blanks(text.substr(0, comma)));
    if (name.empty()) return usage_error("empty robot name in the list", flag);
    for (const std::string& other : agents) {
      if (ascii_equal(other, name)) return usage_error("robot named twice: " + name, flag);
    }
    agents.push_back(std::move(name));
    if (comma == text.size()) return agents;
    text.remove_prefix(comma + 1);
  }
}

RobotsPolicy::RobotsPolicy(std::string_view content, const std::vector<std::string>& agents) {
  RobotsFile file = RobotsFile::parse(content);
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
    if (rule == nullptr || rule->allow) continue;
    if (verdict.allowed || set.agents.front() < verdict.agents.front()) verdict.rule = rule;
    verdict.allowed = false;
    verdict.agents.insert(verdict.agents.end(), set.agents.begin(), set.agents.end());
    std::sort(verdict.agents.begin(), verdict.agents.end());
  }
  return verdict;
}

}  // namespace ballast
