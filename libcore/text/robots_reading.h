// What the modes of robots.h differ in, as one constant struct of functions per mode: chosen once
// per file, called per file, rule and URL. Private to the robots sources.
#pragma once

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

// `%XX` in capitals.
void append_escape(std::string& out, unsigned char octet);

// Is there an escape at `at`?
bool is_escape(std::string_view text, size_t at);

}  // namespace ballast
