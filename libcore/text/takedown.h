// A list of what has to be taken down, one entry a line:
//   https://example.org/page     that page: scheme, fragment, user, case of the host and an implied
//                                port do not count, escapes are compared as robots.txt does
//   https://example.org/blog/*   every page that begins so; the host stands whole. A '*' elsewhere
//                                would be no wildcard and is refused; %2A is one of the address
//   example.org                  every page of the host
//   .example.org                 every page of its subdomains, not of the host itself
//   {"url":U,"host":H,"id":I}    documents to which all of these keys apply; others are not read
// Empty lines do not count, nor does what follows a '#' at the start of a line or after a blank.
// Of several entries that name a document the first decides. Filled once, then shared by threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"

namespace ballast {

struct TakedownEntry {
  int64_t line = 0;      // from 1
  std::string spelling;  // as written, without comment
};

class TakedownList {
 public:
  // Kind corrupt, naming `where`, when the line is none of the above.
  Result<void> add(std::string_view line, int64_t number, const std::string& where);

  // Can an entry name a document of this host (lower case; empty: without URL)?
  bool may_name(std::string_view host) const;
  // The entry that decides, or nullptr; lives as long as this object.
  const TakedownEntry* match(const std::string& id, const std::string& url,
                             const std::string& host) const;
  int64_t entries() const { return static_cast<int64_t>(entries_.size()); }
  const TakedownEntry& entry(int64_t i) const { return entries_[static_cast<size_t>(i)].shown; }

 private:
  struct Address {  // what a URL comes down to
    std::string host;
    std::string key;  // authority and path
  };
  struct Entry {
    TakedownEntry shown;
    std::optional<std::string> id;
    std::optional<std::string> address;  // key, or its beginning
    bool prefix = false;
    std::optional<std::string> host;  // ".domain" for subdomains
  };
  using Places = std::unordered_map<std::string, std::vector<size_t>>;  // entries, ascending

  static Address address_of(std::string_view url);
  static Result<void> read_word(std::string_view word, Entry& entry, const std::string& where);
  static Result<void> read_object(std::string_view text, Entry& entry, const std::string& where);
  static Result<void> read_url(std::string_view url, Entry& entry, const std::string& where);
  static Result<void> read_host(std::string_view host, Entry& entry, const std::string& where);
  void index(const Entry& entry);
  bool names(const Entry& entry, const std::string& id, const std::string& key,
             std::string_view host) const;

  std::vector<Entry> entries_;
  // Each entry stands under the rarest thing that it names.
  Places by_id_, by_address_, by_prefix_, by_host_;
  std::unordered_set<size_t> prefix_lengths_;
  std::unordered_set<std::string> hosts_;  // of all entries; ".domain" too
  bool any_host_ = false;
};

// PATH or "-", plain or compressed. Kind corrupt with path:line.
Result<TakedownList> load_takedown(FileSystem& fs, const std::string& path);

}  // namespace ballast
