#include <algorithm>
#include <iterator>

#include "libcore/base/ascii.h"
#include "libcore/text/license/license_names.h"

namespace ballast {
namespace {

struct Known {
  std::string_view host, path, id;
};
// In lower case, hosts without "www.". Behind a path only a tail may follow.
constexpr Known kAddresses[] = {
    {"apache.org", "/licenses/license-2.0", "Apache-2.0"},
    {"gnu.org", "/licenses/gpl-3.0", "GPL-3.0-only"},
    {"gnu.org", "/licenses/old-licenses/gpl-2.0", "GPL-2.0-only"},
    {"gnu.org", "/licenses/lgpl-3.0", "LGPL-3.0-only"},
    {"gnu.org", "/licenses/old-licenses/lgpl-2.1", "LGPL-2.1-only"},
    {"gnu.org", "/licenses/agpl-3.0", "AGPL-3.0-only"},
    {"gnu.org", "/licenses/fdl-1.3", "GFDL-1.3-only"},
    {"mozilla.org", "/mpl/2.0", "MPL-2.0"},
    {"mozilla.org", "/en-us/mpl/2.0", "MPL-2.0"},
    {"opendatacommons.org", "/licenses/odbl", "ODbL-1.0"},
    {"opendatacommons.org", "/licenses/by", "ODC-By-1.0"},
    {"opendatacommons.org", "/licenses/pddl", "PDDL-1.0"},
    {"unlicense.org", "", "Unlicense"},
    {"nationalarchives.gov.uk", "/doc/open-government-licence/version/3", "OGL-UK-3.0"},
    {"nationalarchives.gov.uk", "/doc/open-government-licence/version/2", "OGL-UK-2.0"}};

bool is_any_of(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool all_letters(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_ascii_letter(c) || others.find(c) != std::string_view::npos;
  });
}

// "en", "zh-hans", "pt_br".
bool is_language(std::string_view text) {
  const std::string_view code = text.substr(0, text.find_first_of("-_"));
  return (code.size() == 2 || code.size() == 3) && text.size() <= 12 && all_letters(text, "-_");
}

// "", ".html", ".en.html", "-standalone.html".
bool is_file_tail(std::string_view tail) {
  const size_t dot = tail.rfind('.');
  if (dot == std::string_view::npos) return tail.empty();
  if (!is_any_of(tail.substr(dot + 1), {"html", "htm", "txt", "md", "xml", "rdf", "json", "pdf",
                                        "php", "tex", "texi", "odt", "rtf"}))
    return false;
  tail = tail.substr(0, dot);
  return tail.empty() || tail == "-standalone" || (tail[0] == '.' && is_language(tail.substr(1)));
}

struct Page {
  std::string_view host, tail;
};
constexpr Page kPages[] = {{"mozilla.org", "/index.txt"},       {"mozilla.org", "/index.html"},
                           {"opendatacommons.org", "/1.0"},     {"opendatacommons.org", "/1-0"},
                           {"opendatacommons.org", "/summary"}, {"unlicense.org", "/unlicense"}};

// What may stand behind a known path: nothing, a kind of file, a page about the same licence.
bool is_tail(std::string_view host, std::string_view tail) {
  while (tail.ends_with('/')) tail.remove_suffix(1);
  return is_file_tail(tail) ||
         std::any_of(std::begin(kPages), std::end(kPages),
                     [&](const Page& page) { return page.host == host && page.tail == tail; });
}

// The next part of a path, which loses it and the slash behind it.
std::string_view take_part(std::string_view& path) {
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string_view part = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return part;
}

// "", "deed.de", "legalcode", "us/", "igo/legalcode.txt": the port, and how the licence is shown.
bool is_commons_tail(std::string_view path) {
  std::string_view part = take_part(path);
  if (part == "igo" || part == "scotland" || (part.size() == 2 && all_letters(part, "")))
    part = take_part(path);
  if (!path.empty()) return false;
  if (is_any_of(part, {"", "deed", "legalcode", "rdf", "legalcode-plain", "legalcode.txt"}))
    return true;
  for (const std::string_view page : {"deed.", "legalcode."}) {
    if (part.starts_with(page)) return is_language(part.substr(page.size()));
  }
  return false;
}

// "by-nc-sa", in any order.
std::string commons_license(std::string_view elements, const std::string& version) {
  bool by = false, nc = false, sa = false, nd = false;
  while (!elements.empty()) {
    const size_t dash = std::min(elements.find('-'), elements.size());
    const std::string_view word = elements.substr(0, dash);
    bool* known = word == "by"   ? &by
                  : word == "nc" ? &nc
                  : word == "sa" ? &sa
                  : word == "nd" ? &nd
                                 : nullptr;
    if (known == nullptr) return {};
    *known = true;
    elements.remove_prefix(std::min(dash + 1, elements.size()));
  }
  return by ? creative_commons(nc, sa, nd, version) : std::string();
}

// "/licenses/by-nc-sa/4.0/deed.de", "/publicdomain/zero/1.0/".
std::string creative_commons_path(std::string_view path) {
  take_part(path);  // before the first slash
  const std::string_view folder = take_part(path);
  const std::string_view elements = take_part(path);
  const bool versioned = path.size() >= 3 && is_ascii_digit(path[0]) && path[1] == '.' &&
                         is_ascii_digit(path[2]) && (path.size() == 3 || path[3] == '/');
  const std::string version(versioned ? take_part(path) : std::string_view());
  if (!is_commons_tail(path)) return {};
  if (folder == "publicdomain" && (version.empty() || version == "1.0"))
    return elements == "zero" ? "CC0-1.0" : elements == "mark" ? "CC-PDM-1.0" : "";
  if (folder != "licenses") return {};
  return elements == "publicdomain" ? "CC-PDDC" : commons_license(elements, version);
}

// Nothing that could say more, in an address or behind it: white space, other signs, what is not
// ASCII; nor an address in a query.
bool is_plain(std::string_view address, std::string_view signs) {
  return std::all_of(address.begin(), address.end(), [&](char c) {
    return is_ascii_alnum(c) || signs.find(c) != std::string_view::npos;
  });
}

}  // namespace

bool is_address(std::string_view said) {
  return said.starts_with("//") || said.find("://") != std::string_view::npos;
}

std::string license_of_address(std::string_view address) {
  std::string path = to_ascii_lower(address);
  for (const std::string_view scheme : {"https:", "http:"}) {
    if (!path.starts_with(scheme)) continue;
    path.erase(0, scheme.size());
    break;
  }
  if (!path.starts_with("//")) return {};
  const size_t query = std::min(path.find_first_of("?#"), path.size());
  if (!is_plain(std::string_view(path).substr(query), "?#=&%+-._~")) return {};
  path.resize(query);
  if (!is_plain(path, "/-._")) return {};
  path.erase(0, path.starts_with("//www.") ? 6 : 2);
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string host = path.substr(0, slash);
  path.erase(0, slash);
  if (host == "creativecommons.org") return creative_commons_path(path);
  for (const Known& known : kAddresses) {
    if (host == known.host && path.starts_with(known.path) &&
        is_tail(host, std::string_view(path).substr(known.path.size())))
      return std::string(known.id);
  }
  for (const Known& list :
       {Known{"spdx.org", "/licenses/", ""}, Known{"opensource.org", "/licenses/", ""},
        Known{"opensource.org", "/license/", ""}}) {
    if (host != list.host || !path.starts_with(list.path)) continue;
    std::string_view id = std::string_view(path).substr(list.path.size());
    for (const std::string_view tail : {"/", ".html", ".php", ".txt", ".json"}) {
      if (id.ends_with(tail)) id.remove_suffix(tail.size());
    }
    return std::string(spdx_license(id));
  }
  return {};
}

}  // namespace ballast
