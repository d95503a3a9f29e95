// The parts of a URL that robots rules and statistics need, split as RFC 3986 does, without
// judging the rest. Pure; views point into the argument.
#pragma once

#include <string>
#include <string_view>

namespace ballast {

struct UrlParts {
  std::string_view scheme;  // "https", as written; empty when there is none
  std::string_view netloc;  // authority as written: case, user and port kept
  std::string_view target;  // path and query; empty, or from the first '/' or '?'
};

UrlParts split_url(std::string_view url);

// Host of a URL in lower case, without user and port; an IPv6 literal keeps its brackets, and
// without them its colons begin no port.
std::string url_host(std::string_view url);

// Authority in lower case without user, and without the scheme's own port (80, 443).
std::string canonical_netloc(const UrlParts& url);

}  // namespace ballast
