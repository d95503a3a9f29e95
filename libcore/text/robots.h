// robots.txt by RFC 9309: parsed once into groups, then asked for the rules of one product token.
// A decision names the line that took it. Pure and allocation-free per decision; a parsed file is
// immutable and may be shared by threads. Nothing fails: every byte string is a robots.txt.
//
// Where the RFC is silent: a User-agent value outside its charset (`CCBot/2.0`, `Kangaroo Bot`) is
// compared whole, and also by what stands before its first '/', blank, ',', ';' or '('.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ballast {

// RFC 9309 2.5: parsing may stop here; a line that crosses the limit is not read at all, since half
// a path would block more than the whole one.
inline constexpr size_t kRobotsLimitBytes = 512000;

struct RobotsRule {
  bool allow = false;
  int64_t line = 0;      // in the file, from 1
  std::string spelling;  // path pattern as written
};

// The path and query of a URL in the form that patterns are compared with (RFC 9309 2.2.2): escapes
// of unreserved octets decoded, all other escapes upper case, non-ASCII and reserved octets
// escaped, except the delimiters '/', '?', '=' and '&'. After the first '?' escaped and plain '/'
// and '?' mean the same, as in the RFC's own example.
class RobotsTarget {
 public:
  explicit RobotsTarget(std::string_view url);
  std::string_view path() const { return path_; }
  bool is_robots_txt() const { return path_ == "/robots.txt"; }

 private:
  std::string path_;
};

// What one product token has to obey: the rules of all its groups, longest first.
class RobotsRules {
 public:
  void add(const RobotsRule& rule);  // an empty pattern is dropped: it matches nothing
  void seal();                       // sorts; call once after the last add()
  // The rule that decides, or nullptr when none matches (allowed). The pointer lives as long as
  // this object.
  const RobotsRule* match(const RobotsTarget& target) const;
  bool empty() const { return patterns_.empty(); }

 private:
  struct Pattern {
    RobotsRule rule;
    std::string normal;        // '*' is the wildcard, everything else literal
    size_t literal_bytes = 0;  // before the first '*'
    bool anchored = false;     // ended with '$'
    size_t octets = 0;         // precedence
  };
  struct Head {  // first bytes of the literal, so that most patterns fail on one comparison
    uint64_t word = 0;
    uint64_t mask = 0;
  };
  static bool matches(const Pattern& pattern, std::string_view path);
  std::vector<Pattern> patterns_;
  std::vector<Head> heads_;
};

class RobotsFile {
 public:
  static RobotsFile parse(std::string_view content);

  // Indexes of the groups that `agent` obeys: those naming it, else those naming `*`, else none.
  // `*` itself may be asked for. Case does not matter.
  std::vector<int> groups_of(std::string_view agent) const;
  RobotsRules rules_of(const std::vector<int>& groups) const;
  bool truncated() const { return truncated_; }  // content beyond the limit was not read

 private:
  struct Group {
    std::vector<std::string> names;  // lower case
    std::vector<RobotsRule> rules;
  };
  void read_line(std::string_view line, int64_t number, bool* in_names);
  std::vector<Group> groups_;
  bool truncated_ = false;
};

struct RobotsDecision {
  bool allowed = true;
  int64_t line = 0;  // 0: no rule matched
  bool allow_rule = false;
  std::string pattern;  // as written
};

// One question, parsed from scratch.
RobotsDecision decide_robots(std::string_view content, std::string_view agent,
                             std::string_view url);

}  // namespace ballast
