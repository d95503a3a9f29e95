// What the modes of robots.h differ in, as one constant struct of functions per mode: chosen once
// per file, called per file, rule and URL. Private to the robots sources.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/text/robots.h"

namespace ballast {

struct RobotsReading {
  // Groups of the file in its order; sets `truncated` when not all of it was read.
  void (*read)(std::string_view content, std::vector<RobotsGroup>& groups, bool& truncated);
  // See RobotsFile::groups_of().
  std::vector<int> (*groups_of)(const std::vector<RobotsGroup>& groups, std::string_view agent);
  // Adds what the rule stands for: none (an empty path), one, or several patterns.
  void (*compile)(const RobotsRule& rule, RobotsRules& rules);
  // The comparable form of a URL.
  std::string (*target)(std::string_view url, bool& exempt);
};

extern const RobotsReading kRfcReading, kGoogleReading, kProtegoReading;

// Groups that name the agent exactly as written in lower case, else those that name `*`.
std::vector<int> groups_by_name(const std::vector<RobotsGroup>& groups, std::string_view agent);

// Parts of the reading of RFC 9309 that other lines of a robots.txt are read with: what is read of
// the file, a line as field and value (false: it is no such pair), the names that a User-agent
// value can be asked for by, and a path that is not empty.
std::string_view rfc_content(std::string_view content, bool& truncated);
bool split_rfc_line(std::string_view line, std::string_view& field, std::string_view& value);
void add_rfc_names(std::string_view value, std::vector<std::string>& names);
RobotsPattern compile_rfc_pattern(std::string_view path);

// Calls `read` with each line and its number, from 1; lines end with CR, LF or CRLF.
template <typename Read>
void for_each_line(std::string_view content, Read&& read) {
  for (int64_t number = 1; !content.empty(); ++number) {
    const size_t end = std::min(content.find_first_of("\r\n"), content.size());
    read(content.substr(0, end), number);
    const size_t terminator = content.substr(end).starts_with("\r\n") ? 2 : 1;
    content.remove_prefix(std::min(end + terminator, content.size()));
  }
}

// `%XX` in capitals.
void append_escape(std::string& out, unsigned char octet);

// Is there an escape at `at`?
bool is_escape(std::string_view text, size_t at);

}  // namespace ballast
