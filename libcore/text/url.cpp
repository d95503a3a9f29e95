#include "libcore/text/url.h"

#include <algorithm>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

bool is_scheme(std::string_view text) {
  if (text.empty() || !is_ascii_letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_ascii_letter(c) || is_ascii_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

// Position of the ':' before the port, or npos. An authority with more colons outside of brackets
// has none: what is left of it without a port must not have another one.
size_t port_colon(std::string_view authority) {
  const size_t bracket = authority.rfind(']');
  const size_t from = bracket == std::string_view::npos ? 0 : bracket + 1;
  const size_t colon = authority.find(':', from);
  if (colon != authority.rfind(':')) return std::string_view::npos;
  return colon;
}

std::string_view without_user(std::string_view netloc) {
  size_t at = netloc.rfind('@');
  return at == std::string_view::npos ? netloc : netloc.substr(at + 1);
}

}  // namespace

UrlParts split_url(std::string_view url) {
  UrlParts parts;
  size_t colon = url.find(':');
  if (colon != std::string_view::npos && is_scheme(url.substr(0, colon))) {
    parts.scheme = url.substr(0, colon);
    url.remove_prefix(colon + 1);
  }
  if (url.starts_with("//")) {
    url.remove_prefix(2);
    size_t end = std::min(url.find_first_of("/?#"), url.size());
    parts.netloc = url.substr(0, end);
    url.remove_prefix(end);
  }
  parts.target = url.substr(0, std::min(url.find('#'), url.size()));
  return parts;
}

std::string url_host(std::string_view url) {
  std::string_view authority = without_user(split_url(url).netloc);
  return to_ascii_lower(authority.substr(0, std::min(port_colon(authority), authority.size())));
}

std::string canonical_netloc(const UrlParts& url) {
  std::string_view authority = without_user(url.netloc);
  size_t colon = port_colon(authority);
  if (colon != std::string_view::npos) {
    std::string_view port = authority.substr(colon + 1);
    bool own = port.empty() || (port == "80" && ascii_equal(url.scheme, "http")) ||
               (port == "443" && ascii_equal(url.scheme, "https"));
    if (own) authority = authority.substr(0, colon);
  }
  return to_ascii_lower(authority);
}

}  // namespace ballast
