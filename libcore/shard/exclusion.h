// A document of a finished shard that is excluded now: one JSON line of `tokshard recheck`, read by
// `tokshard redact` and `tokshard seen`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

struct Exclusion {
  std::string shard;          // its prefix, as it was given
  int64_t document = 0;       // number in the shard, from 0
  std::string id, url, host;  // as in the sidecar
  std::string sha256;         // of the text, 64 hex digits
  int64_t tokens = 0;
  std::string reason = {};               // "robots", "takedown", or the signal
  std::string rule = {};                 // that decided: a line of robots.txt, an entry of the list
  std::vector<std::string> agents = {};  // robots that may not fetch it; empty for a takedown
  int64_t line = 0;                      // of the rule in its file; 0: there is none
  bool operator==(const Exclusion&) const = default;
};

std::string exclusion_line(const Exclusion& exclusion);  // without LF
// Kind corrupt, naming `where`. Unknown keys are ignored.
Result<Exclusion> parse_exclusion(std::string_view line, const std::string& where);

}  // namespace ballast
