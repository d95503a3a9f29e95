#include "libcore/text/robots_tally.h"

#include <algorithm>
#include <utility>

namespace ballast {

void count_agents(std::vector<int64_t>& counts, const std::vector<int>& agents) {
  for (int agent : agents) {
    auto at = static_cast<size_t>(agent);
    if (counts.size() <= at) counts.resize(at + 1);
    ++counts[at];
  }
}

Json agent_counts(const std::vector<int64_t>& counts, const std::vector<std::string>& agents) {
  Json record = Json::object();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) record[agents[i]] = counts[i];
  }
  return record;
}

void RobotsTally::add(const std::string& host, const std::string& language, bool blocked,
                      const std::vector<int>& agents) {
  Language& counts = languages_[language];
  ++counts.asked;
  if (!blocked) return;
  ++counts.blocked;
  count_agents(counts.agents, agents);
  ++hosts_[host];
}

size_t RobotsTally::agents() const {
  size_t most = 0;
  for (const auto& [language, counts] : languages_) most = std::max(most, counts.agents.size());
  return most;
}

Json RobotsTally::languages_json(const std::vector<std::string>& agents) const {
  Json record = Json::object();
  for (const auto& [language, counts] : languages_) {
    Json& entry = record[language];
    entry["asked"] = counts.asked;
    entry["blocked"] = counts.blocked;
    entry["agents"] = agent_counts(counts.agents, agents);
  }
  return record;
}

Json RobotsTally::hosts_json(size_t limit) const {
  std::vector<std::pair<std::string, int64_t>> most(hosts_.begin(), hosts_.end());
  const size_t count = std::min(limit, most.size());
  std::partial_sort(most.begin(), most.begin() + static_cast<std::ptrdiff_t>(count), most.end(),
                    [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  Json record;
  record["hosts"] = hosts_.size();
  record["most"] = Json::object();
  for (size_t i = 0; i < count; ++i) record["most"][most[i].first] = most[i].second;
  return record;
}

}  // namespace ballast
