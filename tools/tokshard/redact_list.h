// The list of documents that `tokshard redact` takes out, by the shards that they are of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/base/sha256.h"

namespace ballast {

// There may be millions of them.
struct WantedDocument {
  int64_t number = 0;  // in its shard
  int64_t tokens = 0;
  int64_t line = 0;  // of the list
  Sha256Digest sha256 = {};
};
using WantedDocuments = std::vector<WantedDocument>;  // ascending, each number once

struct RedactList {
  std::string name;  // for messages
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
Result<std::vector<int64_t>> documents_to_go(const std::string& prefix, const RedactList& list,
                                             bool compact, bool forget);

}  // namespace ballast
