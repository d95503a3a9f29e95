// The reading of Protego 0.4.0 (January 2025) and 0.5.0, whose verdicts are the same, under CPython
// 3.11: what Apertus filtered with, reproduced with its faults. What differs from the RFC:
//
//   text       UTF-8, ill-formed sequences replaced; lines end where str.splitlines() says; a byte
//              order mark belongs to the first field
//   fields     exact names and some misspellings; without a colon only in lower case
//   names      that of a group is looked for anywhere in the name asked for, the longest found
//   wins;
//              a '*' inside one is taken out to form a second name
//   groups     any other field, and an empty User-agent, Allow or Disallow, ends a run of names
//   patterns   a '$' is tried as %24 too; path decoded and escaped anew, query kept; priority
//   counts
//              code points; a '=' in the path of a URL is escaped, in a pattern it is not
//   URLs       the fragment is compared; an empty query is not; no exception for /robots.txt
//
// A URL, or a file with a pattern, that Python's urlsplit() refuses (damaged IPv6 literals) forbids
// nothing. Names asked for are compared in ASCII lower case.
#include <arpa/inet.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "libcore/base/ascii.h"
#include "libcore/io/utf8.h"
#include "libcore/text/robots_reading.h"

namespace ballast {
namespace {

// -- Python's str methods on UTF-8

// Bytes of the white-space character (str.isspace()) that `text` begins with, or 0.
size_t leading_space(std::string_view text) {
  if (text.empty()) return 0;
  auto c = static_cast<unsigned char>(text[0]);
  if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) ? 1 : 0;
  if (text.starts_with("\xC2\x85") || text.starts_with("\xC2\xA0")) return 2;
  if (text.size() < 3) return 0;
  std::string_view three = text.substr(0, 3);
  auto last = static_cast<unsigned char>(three[2]);
  if (three.starts_with("\xE2\x80")) {  // U+2000 to 200A, 2028, 2029, 202F
    return (last >= 0x80 && last <= 0x8A) || last == 0xA8 || last == 0xA9 || last == 0xAF ? 3 : 0;
  }
  return three == "\xE1\x9A\x80" || three == "\xE2\x81\x9F" || three == "\xE3\x80\x80" ? 3 : 0;
}

std::string_view strip(std::string_view text) {
  while (size_t space = leading_space(text)) text.remove_prefix(space);
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (leading_space(text.substr(start)) == 0) break;
    text = text.substr(0, start);
  }
  return text;
}

// lower(), as far as it can make ASCII of a character: the Kelvin sign is the only other one.
std::string lower(std::string_view text) {
  std::string out = to_ascii_lower(text);
  for (size_t at; (at = out.find("\xE2\x84\xAA")) != std::string::npos;) out.replace(at, 3, "k");
  return out;
}

// Bytes of the line end that stands at `at`, or 0.
size_t line_end(std::string_view text, size_t at) {
  auto c = static_cast<unsigned char>(text[at]);
  if (c == '\r' && text.substr(at).starts_with("\r\n")) return 2;
  if ((c >= 10 && c <= 13) || (c >= 28 && c <= 30)) return 1;
  if (c == 0xC2 && text.substr(at).starts_with("\xC2\x85")) return 2;
  if (c != 0xE2) return 0;
  std::string_view rest = text.substr(at);
  return rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9") ? 3 : 0;
}

size_t code_points(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string decoded(std::string_view bytes) {
  int64_t replaced = 0;
  return replace_invalid_utf8(bytes, &replaced);
}

// -- Python's urllib.parse

struct PythonUrl {
  std::string_view path, params, query, fragment;
};

bool is_bracketed_host(std::string_view host) {
  if (host.starts_with('v')) {  // IPvFuture
    size_t dot = host.find('.');
    if (dot == std::string_view::npos || dot < 2 || dot + 1 == host.size()) return false;
    return std::all_of(host.begin() + 1, host.begin() + static_cast<std::ptrdiff_t>(dot),
                       [](char c) { return hex_digit(c) >= 0; });
  }
  size_t percent = host.find('%');
  if (percent != std::string_view::npos) {
    std::string_view scope = host.substr(percent + 1);
    if (scope.empty() || scope.find('%') != std::string_view::npos) return false;
  }
  in6_addr address;
  return inet_pton(AF_INET6, std::string(host.substr(0, percent)).c_str(), &address) == 1;
}

// Does NFKC make a delimiter of some character?
bool hides_delimiter(std::string_view netloc) {
  if (code_points(netloc) == netloc.size()) return false;
  std::string plain(netloc);
  std::erase_if(plain,
                [](char c) { return std::string_view("@:#?").find(c) != std::string::npos; });
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfkc = icu::Normalizer2::getNFKCInstance(status);
  if (U_FAILURE(status)) return false;
  icu::UnicodeString before = icu::UnicodeString::fromUTF8(plain);
  icu::UnicodeString after = nfkc->normalize(before, status);
  if (U_FAILURE(status) || before == after) return false;
  return std::any_of(std::begin("/?#@:"), std::end("/?#@:") - 1,
                     [&](char c) { return after.indexOf(static_cast<char16_t>(c)) >= 0; });
}

bool is_netloc(std::string_view netloc) {
  size_t open = netloc.find('['), close = netloc.find(']');
  if ((open == std::string_view::npos) != (close == std::string_view::npos)) return false;
  if (open != std::string_view::npos) {
    std::string_view host = netloc.substr(open + 1);
    if (!is_bracketed_host(host.substr(0, host.find(']')))) return false;
  }
  return !hides_delimiter(netloc);
}

// The scheme in lower case, taken from `url`; empty when there is none.
std::string take_scheme(std::string_view& url) {
  size_t colon = url.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_ascii_letter(url[0])) return {};
  std::string_view scheme = url.substr(0, colon);
  bool valid = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return is_ascii_alnum(c) || c == '+' || c == '-' || c == '.';
  });
  if (!valid) return {};
  url.remove_prefix(colon + 1);
  return to_ascii_lower(scheme);
}

bool has_params(std::string_view scheme) {
  static constexpr std::string_view kSchemes[] = {
      "",     "ftp",   "hdl",   "prospero", "http", "imap", "https", "shttp",
      "rtsp", "rtsps", "rtspu", "sip",      "sips", "mms",  "sftp",  "tel"};
  return std::find(std::begin(kSchemes), std::end(kSchemes), scheme) != std::end(kSchemes);
}

// urlparse(); the parts are views into `cleaned`. Nothing where Python raises ValueError.
std::optional<PythonUrl> parse_url(std::string_view text, std::string& cleaned) {
  while (!text.empty() && static_cast<unsigned char>(text[0]) <= 0x20) text.remove_prefix(1);
  cleaned.assign(text);
  std::erase_if(cleaned, [](char c) { return c == '\t' || c == '\r' || c == '\n'; });
  std::string_view url = cleaned;
  std::string scheme = take_scheme(url);
  if (url.starts_with("//")) {
    size_t end = std::min(url.find_first_of("/?#", 2), url.size());
    if (!is_netloc(url.substr(2, end - 2))) return std::nullopt;
    url.remove_prefix(end);
  }
  PythonUrl parts;
  auto cut = [&url](char mark, std::string_view& tail) {
    size_t at = url.find(mark);
    if (at == std::string_view::npos) return;
    tail = url.substr(at + 1);
    url = url.substr(0, at);
  };
  cut('#', parts.fragment);
  cut('?', parts.query);
  if (has_params(scheme)) {
    size_t slash = url.rfind('/');
    size_t semicolon = url.find(';', slash == std::string_view::npos ? 0 : slash);
    if (semicolon != std::string_view::npos) {
      parts.params = url.substr(semicolon + 1);
      url = url.substr(0, semicolon);
    }
  }
  parts.path = url;
  return parts;
}

// urlunparse() without scheme and authority; empty parts lose their mark.
void append_tail(std::string& out, const PythonUrl& parts) {
  auto append = [&out](char mark, std::string_view part) {
    if (part.empty()) return;
    out += mark;
    out += part;
  };
  append(';', parts.params);
  append('?', parts.query);
  append('#', parts.fragment);
}

// Protego's _unquote(): escapes to characters, except those of `keep`.
std::string unquote(std::string_view text, std::string_view keep) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_escape(text, i)) {
      bytes += text[i];
      continue;
    }
    auto octet = static_cast<unsigned char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    if (keep.find(static_cast<char>(octet)) != std::string_view::npos) {
      append_escape(bytes, octet);
    } else {
      bytes += static_cast<char>(octet);
    }
    i += 2;
  }
  return decoded(bytes);
}

std::string quote(std::string_view text, std::string_view safe) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    bool plain = is_ascii_alnum(c) || c == '_' || c == '.' || c == '-' || c == '~' ||
                 safe.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      append_escape(out, static_cast<unsigned char>(c));
    }
  }
  return out;
}

// Protego's _quote_pattern(); nothing where Python raises ValueError.
std::optional<std::string> quote_pattern(std::string_view spelling) {
  std::string pattern(spelling);
  if (pattern.starts_with("https://") || pattern.starts_with("http://")) pattern.insert(0, "/");
  if (pattern.starts_with("//")) pattern.insert(0, "//");
  std::string last;
  if (pattern.ends_with('?') || pattern.ends_with(';') || pattern.ends_with('$')) {
    last = pattern.back();
    pattern.pop_back();
  }
  std::string cleaned;
  std::optional<PythonUrl> parts = parse_url(pattern, cleaned);
  if (!parts) return std::nullopt;
  // The last character goes to the end of the path, even when a query follows.
  std::string out = quote(unquote(parts->path, "/*$%"), "/*%=") + last;
  append_tail(out, *parts);
  return out;
}

// -- the file

bool is_one_of(std::string_view field, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), field) != names.end();
}
bool is_user_agent(std::string_view field) {
  return is_one_of(field, {"user-agent", "useragent", "user agent"});
}
bool is_disallow(std::string_view field) {
  return is_one_of(field, {"disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"});
}
bool is_sitemap(std::string_view field) {
  return is_one_of(field, {"sitemap", "sitemaps", "site-map"});
}
bool may_lack_colon(std::string_view field) {
  return is_user_agent(field) || is_disallow(field) || is_sitemap(field) ||
         is_one_of(field,
                   {"allow", "crawl-delay", "crawl delay", "request-rate", "request rate", "host"});
}

bool split_line(std::string_view line, std::string& field, std::string_view& value) {
  line = strip(line.substr(0, std::min(line.find('#'), line.size())));
  size_t separator = line.find(':');
  if (separator == std::string_view::npos) {
    separator = line.find(' ');
    while (separator != std::string_view::npos && !may_lack_colon(line.substr(0, separator))) {
      separator = line.find(' ', separator + 1);
    }
    if (separator == std::string_view::npos) return false;
  }
  field = lower(strip(line.substr(0, separator)));
  value = strip(line.substr(separator + 1));
  return true;
}

class ProtegoParser {
 public:
  explicit ProtegoParser(std::vector<RobotsGroup>& groups) : groups_(groups) {}

  // False where Protego raises, so that nothing of the file is left.
  bool read_line(std::string_view line, int64_t number) {
    std::string field;
    std::string_view value;
    if (!split_line(line, field, value)) return true;
    bool names = is_user_agent(field);
    if (!value.empty()) {
      if (groups_.empty() && !names && !is_sitemap(field)) return true;
      if (names) add_names(lower(value));
      if (field == "allow" || is_disallow(field)) {
        if (!quote_pattern(value)) return false;
        groups_.back().rules.push_back({field == "allow", number, std::string(value)});
      }
    }
    previous_ = names ? Previous::names : field.empty() ? Previous::none : Previous::other;
    return true;
  }

 private:
  enum class Previous { none, names, other };  // an empty field name counts as none

  // A line without a field name does not end the run, but rules before it stay with their names.
  void add_names(std::string name) {
    if (groups_.empty() || previous_ == Previous::other) {
      groups_.emplace_back();
    } else if (!groups_.back().rules.empty()) {
      groups_.push_back({groups_.back().names, {}});
    }
    std::vector<std::string>& names = groups_.back().names;
    if (name != "*" && name.find('*') != std::string::npos) {
      std::string bare = name;
      std::erase(bare, '*');
      names.push_back(std::move(name));
      if (!bare.empty()) names.push_back(std::move(bare));
      return;
    }
    names.push_back(std::move(name));
  }

  std::vector<RobotsGroup>& groups_;
  Previous previous_ = Previous::none;
};

void read_protego(std::string_view content, std::vector<RobotsGroup>& groups, bool& truncated) {
  truncated = false;
  std::string replaced;
  if (!is_valid_utf8(content)) {
    replaced = decoded(content);
    content = replaced;
  }
  ProtegoParser parser(groups);
  size_t begin = 0;
  int64_t number = 0;
  for (size_t at = 0; at <= content.size();) {
    size_t terminator = at == content.size() ? 1 : line_end(content, at);
    if (terminator == 0) {
      ++at;
      continue;
    }
    if (!parser.read_line(content.substr(begin, at - begin), ++number)) return groups.clear();
    at += terminator;
    begin = at;
  }
}

std::vector<int> protego_groups_of(const std::vector<RobotsGroup>& groups, std::string_view agent) {
  std::string wanted = lower(strip(agent));
  std::string_view best;
  size_t best_score = 0;
  for (const RobotsGroup& group : groups) {
    for (const std::string& name : group.names) {
      bool found = name == "*" || wanted.find(name) != std::string::npos;
      size_t score = found ? code_points(name) : 0;
      if (score <= best_score) continue;
      best_score = score;
      best = name;
    }
  }
  std::vector<int> found;
  for (size_t i = 0; i < groups.size() && best_score > 0; ++i) {
    const std::vector<std::string>& names = groups[i].names;
    if (std::find(names.begin(), names.end(), best) != names.end()) {
      found.push_back(static_cast<int>(i));
    }
  }
  return found;
}

void add_rule(const RobotsRule& rule, const std::string& spelling, RobotsRules& rules) {
  if (spelling.find('$') != std::string::npos) {
    std::string literal;
    for (char c : spelling) literal += c == '$' ? std::string("%24") : std::string(1, c);
    add_rule(rule, literal, rules);
  }
  std::string text = quote_pattern(spelling).value_or("");
  if (text.empty()) return;
  RobotsPattern pattern;
  pattern.priority = code_points(text);
  pattern.anchored = text.ends_with('$');
  pattern.normal = text.substr(0, text.size() - (pattern.anchored ? 1 : 0));
  rules.add(rule, std::move(pattern));
  constexpr std::string_view kIndex = "index.html";
  if (rule.allow && text.ends_with("/" + std::string(kIndex))) {
    add_rule(rule, text.substr(0, text.size() - kIndex.size()) + "$", rules);
  }
}

void compile_protego(const RobotsRule& rule, RobotsRules& rules) {
  add_rule(rule, rule.spelling, rules);
}

std::string protego_target(std::string_view url, bool& exempt) {
  std::string text = decoded(url), cleaned;
  std::optional<PythonUrl> parts = parse_url(text, cleaned);
  exempt = !parts;
  if (!parts) return "/";
  std::string target = quote(unquote(parts->path, "/%"), "/%");
  append_tail(target, *parts);
  return target.empty() ? "/" : target;
}

}  // namespace

const RobotsReading kProtegoReading = {read_protego, protego_groups_of, compile_protego,
                                       protego_target};

}  // namespace ballast
