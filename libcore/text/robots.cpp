#include "libcore/text/robots.h"

#include <algorithm>
#include <cstring>

#include "libcore/base/ascii.h"
#include "libcore/text/robots_reading.h"

namespace ballast {
namespace {

const RobotsReading& reading_of(RobotsMode mode) {
  switch (mode) {
    case RobotsMode::google:
      return kGoogleReading;
    case RobotsMode::protego:
      return kProtegoReading;
    case RobotsMode::rfc:
      break;
  }
  return kRfcReading;
}

uint64_t load_head(const char* from, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, from, std::min<size_t>(bytes, sizeof(word)));
  return word;
}

size_t find_from(std::string_view text, size_t from, std::string_view what) {
  if (what.empty()) return from;
  const void* hit = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  if (hit == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(hit) - text.data());
}

}  // namespace

const char* robots_mode_name(RobotsMode mode) {
  switch (mode) {
    case RobotsMode::rfc:
      return "rfc";
    case RobotsMode::google:
      return "google";
    case RobotsMode::protego:
      return "protego";
  }
  return "";
}

Result<RobotsMode> parse_robots_mode(std::string_view text, const std::string& flag) {
  for (RobotsMode mode : {RobotsMode::rfc, RobotsMode::google, RobotsMode::protego}) {
    if (text == robots_mode_name(mode)) return mode;
  }
  return usage_error("unknown robots mode '" + std::string(text) + "'", flag,
                     "rfc, google or protego");
}

void append_escape(std::string& out, unsigned char octet) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  out += '%';
  out += kDigits[octet >> 4];
  out += kDigits[octet & 15];
}

bool is_escape(std::string_view text, size_t at) {
  return text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
         hex_digit(text[at + 2]) >= 0;
}

RobotsTarget::RobotsTarget(std::string_view url, RobotsMode mode)
    : path_(reading_of(mode).target(url, exempt_)) {}

void RobotsRules::add(const RobotsRule& rule, RobotsPattern pattern) {
  Compiled compiled{rule, std::move(pattern), 0};
  const std::string& normal = compiled.pattern.normal;
  compiled.literal_bytes = std::min(normal.find('*'), normal.size());
  patterns_.push_back(std::move(compiled));
}

void RobotsRules::seal() {
  std::stable_sort(patterns_.begin(), patterns_.end(), [](const Compiled& a, const Compiled& b) {
    if (a.pattern.priority != b.pattern.priority) return a.pattern.priority > b.pattern.priority;
    return a.rule.allow && !b.rule.allow;
  });
  heads_.clear();
  heads_.reserve(patterns_.size());
  for (const Compiled& compiled : patterns_) {
    Head head;
    head.word = load_head(compiled.pattern.normal.data(), compiled.literal_bytes);
    std::string ones(compiled.literal_bytes, '\xff');
    head.mask = load_head(ones.data(), ones.size());
    heads_.push_back(head);
  }
}

// Leftmost placement of each literal run is enough for `*`, so there is nothing to backtrack to;
// memmem is linear.
bool RobotsRules::matches(const Compiled& compiled, std::string_view path) {
  const bool anchored = compiled.pattern.anchored;
  std::string_view rest = compiled.pattern.normal;
  std::string_view literal = rest.substr(0, compiled.literal_bytes);
  if (!path.starts_with(literal)) return false;
  size_t position = literal.size();
  if (position == rest.size()) return !anchored || position == path.size();
  rest.remove_prefix(position + 1);
  while (true) {
    size_t star = rest.find('*');
    literal = rest.substr(0, std::min(star, rest.size()));
    if (star == std::string_view::npos && anchored) {
      return path.size() - position >= literal.size() && path.ends_with(literal);
    }
    position = find_from(path, position, literal);
    if (position == std::string_view::npos) return false;
    if (star == std::string_view::npos) return true;
    position += literal.size();
    rest.remove_prefix(star + 1);
  }
}

const RobotsRule* RobotsRules::match(const RobotsTarget& target) const {
  if (target.is_exempt()) return nullptr;
  std::string_view path = target.path();
  uint64_t word = load_head(path.data(), path.size());
  for (size_t i = 0; i < heads_.size(); ++i) {
    if ((word & heads_[i].mask) != heads_[i].word) continue;
    if (matches(patterns_[i], path)) return &patterns_[i].rule;
  }
  return nullptr;
}

RobotsFile RobotsFile::parse(std::string_view content, RobotsMode mode) {
  RobotsFile file;
  file.reading_ = &reading_of(mode);
  file.reading_->read(content, file.groups_, file.truncated_);
  return file;
}

std::vector<int> groups_by_name(const std::vector<RobotsGroup>& groups, std::string_view agent) {
  std::vector<int> named, any;
  std::string wanted = to_ascii_lower(agent);
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::vector<std::string>& names = groups[i].names;
    auto has = [&](std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (has(wanted)) named.push_back(static_cast<int>(i));
    if (has("*")) any.push_back(static_cast<int>(i));
  }
  return named.empty() ? any : named;
}

std::vector<int> RobotsFile::groups_of(std::string_view agent) const {
  return reading_->groups_of(groups_, agent);
}

RobotsRules RobotsFile::rules_of(const std::vector<int>& groups) const {
  RobotsRules rules;
  for (int group : groups) {
    for (const RobotsRule& rule : groups_[static_cast<size_t>(group)].rules) {
      reading_->compile(rule, rules);
    }
  }
  rules.seal();
  return rules;
}

RobotsDecision decide_robots(std::string_view content, std::string_view agent, std::string_view url,
                             RobotsMode mode) {
  RobotsFile file = RobotsFile::parse(content, mode);
  RobotsRules rules = file.rules_of(file.groups_of(agent));
  const RobotsRule* rule = rules.match(RobotsTarget(url, mode));
  if (rule == nullptr) return {};
  return {rule->allow, rule->line, rule->allow, rule->spelling};
}

}  // namespace ballast
