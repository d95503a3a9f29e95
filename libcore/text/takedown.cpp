#include "libcore/text/takedown.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"
#include "libcore/text/robots.h"
#include "libcore/text/url.h"

namespace ballast {
namespace {

constexpr int64_t kMaxLine = int64_t{1} << 20;

std::string_view without_comment(std::string_view line) {
  for (size_t at = line.find('#'); at != line.npos; at = line.find('#', at + 1)) {
    if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') return line.substr(0, at);
  }
  return line;
}

// Every ".domain" that a host is a subdomain of, then the host itself.
template <class Visit>
void for_each_name(std::string_view host, const Visit& visit) {
  for (size_t dot = host.find('.', 1); dot != host.npos; dot = host.find('.', dot + 1))
    visit(std::string(host.substr(dot)));
  visit(std::string(host));
}

bool host_applies(std::string_view wanted, std::string_view host) {
  if (!wanted.starts_with('.')) return wanted == host;
  return host.size() > wanted.size() && host.ends_with(wanted);
}

}  // namespace

TakedownList::Address TakedownList::address_of(std::string_view url) {
  const UrlParts parts = split_url(url);
  if (parts.netloc.empty()) return {};
  return {url_host(url), canonical_netloc(parts) + std::string(RobotsTarget(url).path())};
}

Result<void> TakedownList::read_url(std::string_view url, Entry& entry, const std::string& where) {
  entry.prefix = url.ends_with('*');
  if (entry.prefix) url.remove_suffix(1);
  Address address = address_of(url);
  if (address.host.empty()) return corrupt_error("takedown entry is not a URL with a host", where);
  if (address.host.find('*') != address.host.npos)
    return corrupt_error("takedown entry has a '*' in its host", where,
                         ".h.example is every subdomain of h.example");
  if (entry.prefix && split_url(url).target.empty())
    return corrupt_error("takedown entry ends inside its host", where,
                         "a prefix has a '/' after the host");
  if (entry.prefix && url.find('#') != url.npos)
    return corrupt_error("takedown entry ends inside a fragment", where, "fragments do not count");
  entry.address = std::move(address.key);
  return {};
}

Result<void> TakedownList::read_host(std::string_view host, Entry& entry,
                                     const std::string& where) {
  const bool sound = std::all_of(host.begin(), host.end(), [](char c) {
    return is_ascii_alnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' ||
           c == ']' || static_cast<unsigned char>(c) >= 0x80;
  });
  const bool port = host.find(':') != host.npos && !host.starts_with('[');
  if (!sound || port || host.empty() || host == "." || host.starts_with(".."))
    return corrupt_error("takedown entry is neither a URL nor a host", where,
                         "like https://h.example/page, https://h.example/blog/*, h.example, "
                         ".h.example");
  entry.host = to_ascii_lower(host);
  return {};
}

Result<void> TakedownList::read_word(std::string_view word, Entry& entry,
                                     const std::string& where) {
  if (word.find_first_of(" \t") != word.npos)
    return corrupt_error("takedown line has more than one entry", where,
                         "a comment begins with '#'");
  if (word.find("://") == word.npos) return read_host(word, entry, where);
  BALLAST_TRY(read_url(word, entry, where));
  // It would stand for itself, which nobody means who writes a list; addresses in JSON lines were
  // read from documents.
  if (word.substr(0, word.find('#')).find('*') < word.size() - 1)
    return corrupt_error("takedown entry has a '*' before its end", where,
                         "one at the end stands for any rest; %2A is one of the address");
  return {};
}

Result<void> TakedownList::read_object(std::string_view text, Entry& entry,
                                       const std::string& where) {
  const Json object = BALLAST_TRY(parse_json(text, where));
  if (object.contains("id")) entry.id = BALLAST_TRY(string_member(object, "id", where));
  if (object.contains("url")) {
    const std::string url = BALLAST_TRY(string_member(object, "url", where));
    BALLAST_TRY(read_url(url, entry, where));
  }
  if (object.contains("host")) {
    const std::string host = BALLAST_TRY(string_member(object, "host", where));
    BALLAST_TRY(read_host(host, entry, where));
  }
  if (!entry.id && !entry.address && !entry.host)
    return corrupt_error("takedown entry names nothing", where, "keys: url, host, id");
  return {};
}

void TakedownList::index(const Entry& entry) {
  const size_t place = entries_.size();
  if (entry.id) {
    by_id_[*entry.id].push_back(place);
  } else if (entry.address && entry.prefix) {
    by_prefix_[*entry.address].push_back(place);
    prefix_lengths_.insert(entry.address->size());
  } else if (entry.address) {
    by_address_[*entry.address].push_back(place);
  } else {
    by_host_[*entry.host].push_back(place);
  }
  if (entry.address) {
    hosts_.insert(url_host("//" + *entry.address));
  } else if (entry.host) {
    hosts_.insert(*entry.host);
  } else {
    any_host_ = true;
  }
}

Result<void> TakedownList::add(std::string_view line, int64_t number, const std::string& where) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  Entry entry;
  std::string_view text = trim_blanks(line);
  if (text.starts_with('{')) {
    BALLAST_TRY(read_object(text, entry, where));
  } else {
    text = trim_blanks(without_comment(text));
    if (text.empty()) return {};
    BALLAST_TRY(read_word(text, entry, where));
  }
  entry.shown = {number, std::string(text)};
  index(entry);
  entries_.push_back(std::move(entry));
  return {};
}

bool TakedownList::may_name(std::string_view host) const {
  if (any_host_) return true;
  bool named = false;
  for_each_name(host, [&](const std::string& name) { named = named || hosts_.contains(name); });
  return named;
}

bool TakedownList::names(const Entry& entry, const std::string& id, const std::string& key,
                         std::string_view host) const {
  if (entry.id && *entry.id != id) return false;
  if (entry.host && !host_applies(*entry.host, host)) return false;
  if (!entry.address) return true;
  return entry.prefix ? key.starts_with(*entry.address) : key == *entry.address;
}

const TakedownEntry* TakedownList::match(const std::string& id, const std::string& url,
                                         const std::string& host) const {
  const std::string key = address_of(url).key;
  size_t first = entries_.size();
  const auto look = [&](const Places& places, const std::string& name) {
    const auto found = places.find(name);
    if (found == places.end()) return;
    for (const size_t place : found->second) {
      if (place >= first) return;
      if (names(entries_[place], id, key, host)) first = place;
    }
  };
  look(by_id_, id);
  if (!key.empty()) look(by_address_, key);
  for (const size_t length : prefix_lengths_)
    if (length <= key.size()) look(by_prefix_, key.substr(0, length));
  if (!host.empty() && !by_host_.empty())
    for_each_name(host, [&](const std::string& name) { look(by_host_, name); });
  return first == entries_.size() ? nullptr : &entries_[first].shown;
}

Result<TakedownList> load_takedown(FileSystem& fs, const std::string& path) {
  const auto source = BALLAST_TRY(open_source(fs, path));
  LineReader reader(*source, kMaxLine);
  TakedownList list;
  while (auto line = BALLAST_TRY(reader.next())) {
    const int64_t number = reader.line_number();
    if (number == 1 && line->starts_with("\xEF\xBB\xBF")) line->remove_prefix(3);
    BALLAST_TRY(list.add(*line, number, fmt::format("{}:{}", source->name(), number)));
  }
  return list;
}

}  // namespace ballast
