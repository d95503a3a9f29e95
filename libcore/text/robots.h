// robots.txt, parsed once into groups, then asked for the rules of one product token. A decision
// names the line that took it. Pure; a parsed file is immutable and may be shared by threads.
// Nothing fails: every byte string is a robots.txt.
//
// Three readings, chosen when a file is parsed and the same for the URLs asked about:
//   rfc      RFC 9309. Where the RFC is silent: a User-agent value outside its charset
//            (`CCBot/2.0`, `Kangaroo Bot`) is compared whole, and also by what stands before its
//            first '/', blank, ',', ';' or '('.
//   google   google/robotstxt of April 2026 in every detail (robots_google.cpp).
//   protego  Protego 0.4 and 0.5 under CPython 3.11, which Apertus filtered with, faults included
//            (robots_protego.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

enum class RobotsMode { rfc, google, protego };
const char* robots_mode_name(RobotsMode mode);
Result<RobotsMode> parse_robots_mode(std::string_view text, const std::string& flag);

// RFC 9309 2.5: parsing may stop here; a line that crosses the limit is not read at all, since half
// a path would block more than the whole one. Only `rfc` has a limit.
inline constexpr size_t kRobotsLimitBytes = 512000;

struct RobotsRule {
  bool allow = false;
  int64_t line = 0;      // in the file, from 1
  std::string spelling;  // path pattern as written
};

// The path and query of a URL in the form that patterns are compared with.
class RobotsTarget {
 public:
  explicit RobotsTarget(std::string_view url, RobotsMode mode = RobotsMode::rfc);
  std::string_view path() const { return path_; }
  // No rule is asked: `/robots.txt` itself (rfc), a URL that Python refuses to split (protego).
  bool is_exempt() const { return exempt_; }

 private:
  bool exempt_ = false;
  std::string path_;
};

// A rule's path in the form that targets are compared with.
struct RobotsPattern {
  std::string normal;     // '*' is the wildcard, everything else literal
  bool anchored = false;  // must reach the end of the target
  size_t priority = 0;    // the highest that matches decides; at a tie, Allow
};

// What one product token has to obey: the rules of all its groups, highest priority first.
class RobotsRules {
 public:
  void add(const RobotsRule& rule, RobotsPattern pattern);
  void seal();  // sorts; call once after the last add()
  // The rule that decides, or nullptr when none matches (allowed). The pointer lives as long as
  // this object.
  const RobotsRule* match(const RobotsTarget& target) const;
  bool empty() const { return patterns_.empty(); }

 private:
  struct Compiled {
    RobotsRule rule;
    RobotsPattern pattern;
    size_t literal_bytes = 0;  // before the first '*'
  };
  struct Head {  // first bytes of the literal, so that most patterns fail on one comparison
    uint64_t word = 0;
    uint64_t mask = 0;
  };
  static bool matches(const Compiled& compiled, std::string_view path);
  std::vector<Compiled> patterns_;
  std::vector<Head> heads_;
};

// Consecutive User-agent lines and the rules after them.
struct RobotsGroup {
  std::vector<std::string> names;  // in the form that the mode looks them up by
  std::vector<RobotsRule> rules;
};

struct RobotsReading;

class RobotsFile {
 public:
  static RobotsFile parse(std::string_view content, RobotsMode mode = RobotsMode::rfc);

  // Indexes of the groups that `agent` obeys: those naming it, else those naming `*`, else none.
  // `*` itself may be asked for. Case does not matter.
  std::vector<int> groups_of(std::string_view agent) const;
  RobotsRules rules_of(const std::vector<int>& groups) const;
  bool truncated() const { return truncated_; }  // content beyond the limit was not read

 private:
  const RobotsReading* reading_ = nullptr;
  std::vector<RobotsGroup> groups_;
  bool truncated_ = false;
};

struct RobotsDecision {
  bool allowed = true;
  int64_t line = 0;  // 0: no rule matched
  bool allow_rule = false;
  std::string pattern;  // as written
};

// One question, parsed from scratch.
RobotsDecision decide_robots(std::string_view content, std::string_view agent, std::string_view url,
                             RobotsMode mode = RobotsMode::rfc);

}  // namespace ballast
