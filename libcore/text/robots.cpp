#include "libcore/text/robots.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libcore/base/ascii.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

// Octets that stand for themselves in the normal form: unreserved ones and the delimiters.
constexpr std::array<bool, 256> make_plain_table() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 128; ++c) table[c] = is_ascii_alnum(static_cast<char>(c));
  for (char c : std::string_view("-._~/?=&")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kPlain = make_plain_table();

bool is_unreserved(char c) {
  return is_ascii_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void append_escape(std::string& out, unsigned char octet) {
  out += '%';
  out += kHexDigits[octet >> 4];
  out += kHexDigits[octet & 15];
}

// One octet or escape of `text` at `i` in normal form; moves `i` past it.
void append_normal(std::string& out, std::string_view text, size_t& i, bool in_query) {
  char c = text[i];
  if (c == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
      hex_digit(text[i + 2]) >= 0) {
    auto octet = static_cast<unsigned char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 3;
    bool plain_in_query = in_query && (octet == '/' || octet == '?');
    if (is_unreserved(static_cast<char>(octet)) || plain_in_query) {
      out += static_cast<char>(octet);
    } else {
      append_escape(out, octet);
    }
    return;
  }
  ++i;
  if (kPlain[static_cast<unsigned char>(c)]) {
    out += c;
  } else {
    append_escape(out, static_cast<unsigned char>(c));
  }
}

// `*` and a final `$` are operators in a pattern and literals in a URL.
std::string normal_pattern(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_query = false;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '*') {
      out += '*';
      ++i;
      continue;
    }
    bool question = text[i] == '?';
    append_normal(out, text, i, in_query);
    in_query |= question;
  }
  return out;
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

// The names under which a User-agent value can be asked for.
void add_names(std::string_view value, std::vector<std::string>& names) {
  names.push_back(to_ascii_lower(value));
  std::string_view token = value.substr(0, std::min(value.find_first_of("/ \t,;("), value.size()));
  if (!token.empty() && token != value) names.push_back(to_ascii_lower(token));
}

}  // namespace

RobotsTarget::RobotsTarget(std::string_view url) {
  std::string_view text = split_url(url).target;
  path_.reserve(text.size() + 16);
  if (text.empty() || text[0] != '/') path_ += '/';
  bool in_query = false;
  for (size_t i = 0; i < text.size();) {
    size_t begin = i;
    while (i < text.size() && kPlain[static_cast<unsigned char>(text[i])]) ++i;
    std::string_view plain = text.substr(begin, i - begin);
    path_.append(plain);
    in_query = in_query || plain.find('?') != std::string_view::npos;
    if (i < text.size()) append_normal(path_, text, i, in_query);
  }
}

void RobotsRules::add(const RobotsRule& rule) {
  if (rule.spelling.empty()) return;
  Pattern pattern;
  pattern.rule = rule;
  std::string_view text = rule.spelling;
  pattern.anchored = text.back() == '$';
  if (pattern.anchored) text.remove_suffix(1);
  pattern.normal = normal_pattern(text);
  pattern.octets = pattern.normal.size() + (pattern.anchored ? 1 : 0);
  pattern.literal_bytes = std::min(pattern.normal.find('*'), pattern.normal.size());
  patterns_.push_back(std::move(pattern));
}

void RobotsRules::seal() {
  std::stable_sort(patterns_.begin(), patterns_.end(), [](const Pattern& a, const Pattern& b) {
    if (a.octets != b.octets) return a.octets > b.octets;
    return a.rule.allow && !b.rule.allow;
  });
  heads_.clear();
  heads_.reserve(patterns_.size());
  for (const Pattern& pattern : patterns_) {
    Head head;
    head.word = load_head(pattern.normal.data(), pattern.literal_bytes);
    std::string ones(pattern.literal_bytes, '\xff');
    head.mask = load_head(ones.data(), ones.size());
    heads_.push_back(head);
  }
}

// Leftmost placement of each literal run is enough for `*`, so there is nothing to backtrack to;
// memmem is linear.
bool RobotsRules::matches(const Pattern& pattern, std::string_view path) {
  std::string_view rest = pattern.normal;
  std::string_view literal = rest.substr(0, pattern.literal_bytes);
  if (!path.starts_with(literal)) return false;
  size_t position = literal.size();
  if (position == rest.size()) return !pattern.anchored || position == path.size();
  rest.remove_prefix(position + 1);
  while (true) {
    size_t star = rest.find('*');
    literal = rest.substr(0, std::min(star, rest.size()));
    if (star == std::string_view::npos && pattern.anchored) {
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
  if (target.is_robots_txt()) return nullptr;
  std::string_view path = target.path();
  uint64_t word = load_head(path.data(), path.size());
  for (size_t i = 0; i < heads_.size(); ++i) {
    if ((word & heads_[i].mask) != heads_[i].word) continue;
    if (matches(patterns_[i], path)) return &patterns_[i].rule;
  }
  return nullptr;
}

RobotsFile RobotsFile::parse(std::string_view content) {
  RobotsFile file;
  if (content.starts_with("\xEF\xBB\xBF")) content.remove_prefix(3);
  file.truncated_ = content.size() > kRobotsLimitBytes;
  if (file.truncated_) {
    bool whole = content[kRobotsLimitBytes] == '\r' || content[kRobotsLimitBytes] == '\n';
    content = content.substr(0, kRobotsLimitBytes);
    if (!whole) content = content.substr(0, content.find_last_of("\r\n") + 1);
  }
  bool in_names = false;
  for (int64_t number = 1; !content.empty(); ++number) {
    size_t end = std::min(content.find_first_of("\r\n"), content.size());
    file.read_line(content.substr(0, end), number, &in_names);
    size_t terminator = content.substr(end).starts_with("\r\n") ? 2 : 1;
    content.remove_prefix(std::min(end + terminator, content.size()));
  }
  return file;
}

void RobotsFile::read_line(std::string_view line, int64_t number, bool* in_names) {
  line = line.substr(0, std::min(line.find('#'), line.size()));
  size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string_view field = trim_blanks(line.substr(0, colon));
  std::string_view value = trim_blanks(line.substr(colon + 1));
  if (ascii_equal(field, "user-agent")) {
    if (!*in_names) groups_.emplace_back();
    *in_names = true;
    add_names(value, groups_.back().names);
    return;
  }
  bool allow = ascii_equal(field, "allow");
  if (!allow && !ascii_equal(field, "disallow")) return;
  *in_names = false;
  if (groups_.empty()) return;
  groups_.back().rules.push_back({allow, number, std::string(value)});
}

std::vector<int> RobotsFile::groups_of(std::string_view agent) const {
  std::vector<int> named, any;
  std::string wanted = to_ascii_lower(agent);
  for (size_t i = 0; i < groups_.size(); ++i) {
    const std::vector<std::string>& names = groups_[i].names;
    auto has = [&](std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (has(wanted)) named.push_back(static_cast<int>(i));
    if (has("*")) any.push_back(static_cast<int>(i));
  }
  return named.empty() ? any : named;
}

RobotsRules RobotsFile::rules_of(const std::vector<int>& groups) const {
  RobotsRules rules;
  for (int group : groups) {
    for (const RobotsRule& rule : groups_[static_cast<size_t>(group)].rules) rules.add(rule);
  }
  rules.seal();
  return rules;
}

RobotsDecision decide_robots(std::string_view content, std::string_view agent,
                             std::string_view url) {
  RobotsFile file = RobotsFile::parse(content);
  RobotsRules rules = file.rules_of(file.groups_of(agent));
  const RobotsRule* rule = rules.match(RobotsTarget(url));
  if (rule == nullptr) return {};
  return {rule->allow, rule->line, rule->allow, rule->spelling};
}

}  // namespace ballast
