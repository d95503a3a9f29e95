// The reading of RFC 9309.
#include <algorithm>
#include <array>

#include "libcore/base/ascii.h"
#include "libcore/text/robots_reading.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

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

// One octet or escape of `text` at `i` in normal form; moves `i` past it.
void append_normal(std::string& out, std::string_view text, size_t& i, bool in_query) {
  char c = text[i];
  if (is_escape(text, i)) {
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

class RfcParser {
 public:
  explicit RfcParser(std::vector<RobotsGroup>& groups) : groups_(groups) {}

  void read_line(std::string_view line, int64_t number) {
    std::string_view field, value;
    if (!split_rfc_line(line, field, value)) return;
    if (ascii_equal(field, "user-agent")) {
      if (!in_names_) groups_.emplace_back();
      in_names_ = true;
      add_rfc_names(value, groups_.back().names);
      return;
    }
    bool allow = ascii_equal(field, "allow");
    if (!allow && !ascii_equal(field, "disallow")) return;
    in_names_ = false;
    if (groups_.empty()) return;
    groups_.back().rules.push_back({allow, number, std::string(value)});
  }

 private:
  std::vector<RobotsGroup>& groups_;
  bool in_names_ = false;
};

void read_rfc(std::string_view content, std::vector<RobotsGroup>& groups, bool& truncated) {
  RfcParser parser(groups);
  for_each_line(rfc_content(content, truncated), [&parser](std::string_view line, int64_t number) {
    parser.read_line(line, number);
  });
}

// An empty pattern matches nothing.
void compile_rfc(const RobotsRule& rule, RobotsRules& rules) {
  if (!rule.spelling.empty()) rules.add(rule, compile_rfc_pattern(rule.spelling));
}

// RFC 9309 2.2.2: escapes of unreserved octets decoded, all other escapes upper case, non-ASCII and
// reserved octets escaped, except the delimiters '/', '?', '=' and '&'. After the first '?' escaped
// and plain '/' and '?' mean the same, as in the RFC's own example.
std::string rfc_target(std::string_view url, bool& exempt) {
  std::string_view text = split_url(url).target;
  std::string path;
  path.reserve(text.size() + 16);
  if (text.empty() || text[0] != '/') path += '/';
  bool in_query = false;
  for (size_t i = 0; i < text.size();) {
    size_t begin = i;
    while (i < text.size() && kPlain[static_cast<unsigned char>(text[i])]) ++i;
    std::string_view plain = text.substr(begin, i - begin);
    path.append(plain);
    in_query = in_query || plain.find('?') != std::string_view::npos;
    if (i < text.size()) append_normal(path, text, i, in_query);
  }
  exempt = path == "/robots.txt";
  return path;
}

}  // namespace

std::string_view rfc_content(std::string_view content, bool& truncated) {
  if (content.starts_with("\xEF\xBB\xBF")) content.remove_prefix(3);
  truncated = content.size() > kRobotsLimitBytes;
  if (!truncated) return content;
  const bool whole = content[kRobotsLimitBytes] == '\r' || content[kRobotsLimitBytes] == '\n';
  content = content.substr(0, kRobotsLimitBytes);
  return whole ? content : content.substr(0, content.find_last_of("\r\n") + 1);
}

bool split_rfc_line(std::string_view line, std::string_view& field, std::string_view& value) {
  line = line.substr(0, std::min(line.find('#'), line.size()));
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  field = trim_blanks(line.substr(0, colon));
  value = trim_blanks(line.substr(colon + 1));
  return true;
}

void add_rfc_names(std::string_view value, std::vector<std::string>& names) {
  names.push_back(to_ascii_lower(value));
  std::string_view token = value.substr(0, std::min(value.find_first_of("/ \t,;("), value.size()));
  if (!token.empty() && token != value) names.push_back(to_ascii_lower(token));
}

RobotsPattern compile_rfc_pattern(std::string_view path) {
  RobotsPattern pattern;
  pattern.anchored = path.back() == '$';
  if (pattern.anchored) path.remove_suffix(1);
  pattern.normal = normal_pattern(path);
  pattern.priority = pattern.normal.size() + (pattern.anchored ? 1 : 0);
  return pattern;
}

const RobotsReading kRfcReading = {read_rfc, groups_by_name, compile_rfc, rfc_target};

}  // namespace ballast
