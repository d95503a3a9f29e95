// The list of documents that `tokshard redact` takes out, by the shards that they are of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

struct WantedDocument {
  std::string sha256;
  int64_t tokens = 0;
  std::string where;  // in the list
};
using WantedDocuments = std::map<int64_t, WantedDocument>;  // by number

struct RedactList {
  std::string sha256;
  int64_t bytes = 0;
  int64_t elsewhere = 0;                          // documents of shards that were not given
  std::map<std::string, WantedDocuments> shards;  // by prefix
};

// The place of a prefix in the file system, whatever the way there.
std::string place_of(const std::string& prefix);

// Lines of `tokshard recheck`, plain or compressed; "-" is standard input. Kind usage when it
// contradicts itself, or names documents but none of these shards; corrupt.
Result<RedactList> read_redact_list(const std::string& path,
                                    const std::vector<std::string>& prefixes);

// Numbers of the documents that go, ascending: of those that are tombstones already, the ones that
// are to be removed, or to be forgotten and still have an address. Kind usage when the list was
// made for another shard, or another state of this one: it would take out the wrong documents.
Result<std::vector<int64_t>> documents_to_go(const std::string& prefix,
                                             const WantedDocuments& wanted, bool compact,
                                             bool forget);

}  // namespace ballast
