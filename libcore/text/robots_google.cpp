// The reading of google/robotstxt, from its source as of April 2026. What it does beyond the RFC:
//
//   fields     by prefix and without case, with the usual misspellings; two words without a colon
//              are field and value; a line ends at a NUL, and at its 16,663rd byte
//   names      cut at the first character that is no letter, '-' or '_'; the name asked for is not
//              cut, so `CCBot/2.0` is in no group. '*' and a blank: the global group
//   groups     only Allow and Disallow end a run of User-agent lines
//   patterns   octets from 0x80 escaped, escapes in capitals, nothing decoded; every byte of that
//              counts for precedence. `Allow: /a/index.html` allows `/a/` too
//   URLs       taken as they come, from the first '/', '?' or ';' after the authority
//
// No limit of size, and /robots.txt is a path like any other.
#include <algorithm>
#include <string_view>

#include "libcore/base/ascii.h"
#include "libcore/text/robots_reading.h"

namespace ballast {
namespace {

constexpr size_t kLineBytes = 2083 * 8 - 1;
constexpr std::string_view kWhite = " \t\n\v\f\r";

std::string_view strip(std::string_view text) {
  size_t begin = text.find_first_not_of(kWhite);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

// As a C string ends.
std::string_view until_nul(std::string_view text) {
  return text.substr(0, std::min(text.find('\0'), text.size()));
}

enum class Field { other, user_agent, allow, disallow };

Field field_of(std::string_view key) {
  struct Spelling {
    std::string_view start;
    Field field;
  };
  static constexpr Spelling kSpellings[] = {
      {"user-agent", Field::user_agent}, {"useragent", Field::user_agent},
      {"user agent", Field::user_agent}, {"allow", Field::allow},
      {"disallow", Field::disallow},     {"dissallow", Field::disallow},
      {"dissalow", Field::disallow},     {"disalow", Field::disallow},
      {"diasllow", Field::disallow},     {"disallaw", Field::disallow}};
  for (const Spelling& spelling : kSpellings) {
    if (ascii_equal(key.substr(0, spelling.start.size()), spelling.start)) return spelling.field;
  }
  return Field::other;
}

// False when the line is no pair of field and value.
bool split_line(std::string_view line, std::string_view& key, std::string_view& value) {
  line = until_nul(line);
  line = strip(line.substr(0, std::min(line.find('#'), line.size())));
  size_t separator = line.find(':');
  if (separator == std::string_view::npos) {
    separator = line.find_first_of(" \t");
    if (separator == std::string_view::npos) return false;
    size_t word = line.find_first_not_of(" \t", separator);
    if (line.find_first_of(" \t", word) != std::string_view::npos) return false;
  }
  key = strip(line.substr(0, separator));
  value = strip(line.substr(separator + 1));
  return !key.empty();
}

// The name of a group, "*" for the global one; empty when the value names nobody.
std::string name_of(std::string_view value) {
  if (value.starts_with('*')) {
    bool global = value.size() == 1 || kWhite.find(value[1]) != std::string_view::npos;
    return global ? "*" : "";
  }
  size_t end = 0;
  while (end < value.size() &&
         (is_ascii_letter(value[end]) || value[end] == '-' || value[end] == '_')) {
    ++end;
  }
  return to_ascii_lower(value.substr(0, end));
}

class GoogleParser {
 public:
  explicit GoogleParser(std::vector<RobotsGroup>& groups) : groups_(groups) {}

  void read_line(std::string_view line, int64_t number) {
    std::string_view key, value;
    if (!split_line(line.substr(0, kLineBytes), key, value)) return;
    Field field = field_of(key);
    if (field == Field::other) return;
    if (field == Field::user_agent) {
      if (!in_names_) groups_.emplace_back();
      in_names_ = true;
      std::string name = name_of(value);
      if (!name.empty()) groups_.back().names.push_back(std::move(name));
      return;
    }
    in_names_ = false;
    if (groups_.empty()) return;
    groups_.back().rules.push_back({field == Field::allow, number, std::string(value)});
  }

 private:
  std::vector<RobotsGroup>& groups_;
  bool in_names_ = false;
};

void read_google(std::string_view content, std::vector<RobotsGroup>& groups, bool& truncated) {
  truncated = false;
  constexpr std::string_view kMark = "\xEF\xBB\xBF";  // a part of it is passed over too
  auto differ = std::mismatch(kMark.begin(), kMark.end(), content.begin(), content.end()).first;
  content.remove_prefix(static_cast<size_t>(differ - kMark.begin()));
  GoogleParser parser(groups);
  for_each_line(content, [&parser](std::string_view line, int64_t number) {
    parser.read_line(line, number);
  });
}

std::string escape(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (size_t i = 0; i < value.size(); ++i) {
    if (is_escape(value, i)) {
      auto octet = hex_digit(value[i + 1]) * 16 + hex_digit(value[i + 2]);
      append_escape(out, static_cast<unsigned char>(octet));
      i += 2;
    } else if (static_cast<unsigned char>(value[i]) >= 0x80) {
      append_escape(out, static_cast<unsigned char>(value[i]));
    } else {
      out += value[i];
    }
  }
  return out;
}

void add_pattern(const RobotsRule& rule, std::string text, RobotsRules& rules) {
  RobotsPattern pattern;
  pattern.priority = text.size();
  pattern.anchored = text.ends_with('$');
  if (pattern.anchored) text.pop_back();
  pattern.normal = std::move(text);
  rules.add(rule, std::move(pattern));
}

// An empty pattern has no weight against any other, nor against none.
void compile_google(const RobotsRule& rule, RobotsRules& rules) {
  std::string text = escape(rule.spelling);
  if (text.empty()) return;
  size_t slash = text.rfind('/');
  if (rule.allow && slash != std::string::npos &&
      std::string_view(text).substr(slash).starts_with("/index.htm")) {
    add_pattern(rule, text.substr(0, slash + 1) + "$", rules);
  }
  add_pattern(rule, std::move(text), rules);
}

std::string google_target(std::string_view url, bool& exempt) {
  exempt = false;
  constexpr std::string_view kStarts = "/?;";
  size_t from = url.starts_with("//") ? 2 : 0;
  size_t early = url.find_first_of(kStarts, from);
  size_t scheme = url.find("://", from);
  size_t authority = scheme == std::string_view::npos || early < scheme ? from : scheme + 3;
  size_t start = url.find_first_of(kStarts, authority);
  size_t hash = url.find('#', from);
  if (start == std::string_view::npos || hash < start) return "/";
  std::string_view target = until_nul(url.substr(start, std::min(hash, url.size()) - start));
  return (target.starts_with('/') ? "" : "/") + std::string(target);
}

}  // namespace

const RobotsReading kGoogleReading = {read_google, groups_by_name, compile_google, google_target};

}  // namespace ballast
