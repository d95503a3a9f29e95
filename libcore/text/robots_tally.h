// Who keeps documents out: by host and by language, beside the counts by robot of the whole run.
// Plain counts, so the order of add() does not matter. One thread. Memory grows with the number of
// hosts that keep something out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "libcore/io/json.h"

namespace ballast {

class RobotsTally {
 public:
  // A document that robots.txt was asked about. `language` may be empty: not known by then.
  void add(const std::string& host, const std::string& language, bool blocked,
           const std::vector<int>& agents);

  bool empty() const { return languages_.empty(); }
  size_t agents() const;  // that are counted
  // {"en":{"asked":n,"blocked":n,"agents":{...}},...}; "" is an unknown language.
  Json languages_json(const std::vector<std::string>& agents) const;
  // {"hosts":n,"most":{host:blocked,...}}: how many hosts keep something out, and the `limit` that
  // keep out most, ties by name.
  Json hosts_json(size_t limit) const;

  // For json_counts.h.
  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("languages", self.languages_);
    field("hosts", self.hosts_);
  }

 private:
  struct Language {
    int64_t asked = 0, blocked = 0;
    std::vector<int64_t> agents;

    template <class Self, class Field>
    static void fields(Self& self, Field&& field) {
      field("asked", self.asked);
      field("blocked", self.blocked);
      field("agents", self.agents);
    }
  };
  std::map<std::string, Language> languages_;
  std::unordered_map<std::string, int64_t> hosts_;
};

// {name: count} of the counts that are not 0.
Json agent_counts(const std::vector<int64_t>& counts, const std::vector<std::string>& agents);
void count_agents(std::vector<int64_t>& counts, const std::vector<int>& agents);

}  // namespace ballast
