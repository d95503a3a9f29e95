// What the files of a host say about training on its pages: the lines Content-Usage and
// Content-Signal of robots.txt, and /.well-known/tdmrep.json. Both are compiled once and then asked
// for targets in the form of RobotsMode::rfc. Immutable after construction; threads may share them.
// Nothing fails: what does not follow its format says nothing.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/text/ai_signals.h"
#include "libcore/text/robots.h"

namespace ballast {

inline constexpr std::string_view kRobotsPath = "/robots.txt";
inline constexpr std::string_view kTdmPath = "/.well-known/tdmrep.json";

// A preference and the rule that says so, nullptr for none.
struct HostPreference {
  Preference says = Preference::unknown;
  const RobotsRule* rule = nullptr;

  void restrict(const HostPreference& other) {  // the stricter one stays
    if (other.says > says) *this = other;
  }
};

// By signal; noai and noimageai are no host's to say.
struct HostSignals {
  std::array<HostPreference, kAiSignals.size()> of;

  HostPreference& operator[](AiSignal signal) { return of[static_cast<size_t>(signal)]; }
  const HostPreference& operator[](AiSignal signal) const {
    return of[static_cast<size_t>(signal)];
  }
  AiSignals says() const;
};

// Preferences by path, `*` and `$` as in robots.txt.
class PathPreferences {
 public:
  // `path` may be empty: it matches nothing.
  void add(std::string_view path, Preference says, RobotsRule rule);
  // Of the longest patterns that match, the strictest (draft-ietf-aipref-attach).
  HostPreference longest(const RobotsTarget& target) const;
  // The first that matches (TDMRep 5.2).
  HostPreference first(const RobotsTarget& target) const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    RobotsRules pattern;
    size_t bytes = 0;
    Preference says = Preference::unknown;
    RobotsRule rule;
  };
  std::vector<Entry> entries_;
};

// `Content-Usage: [/path] train-ai=n` and `Content-Signal: [/path] ai-train=no`, in the groups of
// the robots asked for; of several robots the strictest counts. Groups are those of RFC 9309,
// except that these lines end a run of User-agent lines as Allow and Disallow do. A line without
// path is meant for the whole site.
class UsageRules {
 public:
  UsageRules(std::string_view robots_txt, const std::vector<std::string>& agents);
  // `signal` is content_usage or content_signal.
  HostPreference ask(AiSignal signal, const RobotsTarget& target) const;
  bool empty() const { return groups_.empty(); }

 private:
  struct Group {
    PathPreferences usage, signal;
  };
  std::vector<Group> groups_;  // one per robot, or per robots that obey the same lines
};

// A tdmrep.json of at most kRobotsLimitBytes.
class TdmFile {
 public:
  explicit TdmFile(std::string_view json);
  HostPreference ask(const RobotsTarget& target) const { return rules_.first(target); }
  bool empty() const { return rules_.empty(); }

 private:
  PathPreferences rules_;
};

}  // namespace ballast
