// What `tokshard filter` decides about one input record: page to text, robots.txt verdict, length,
// personal data; in this order, the first refusal wins. Pure per record, so the result depends
// neither on threads nor on neighbours. Nothing fails as a whole: a damaged record has its outcome
// too.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/document.h"
#include "libcore/text/pii.h"
#include "libcore/text/record_reader.h"
#include "libcore/text/robots_store.h"

namespace ballast {

enum class PiiMode { off, redact, drop };

struct FilterOptions {
  const RobotsStore* robots = nullptr;  // null: not asked
  bool keep_missing = true;             // documents of hosts without known robots.txt
  PiiMode pii = PiiMode::redact;
  int64_t min_chars = 1;  // code points
  bool rejects = false;   // write the lines of rejected documents
};

// A document was kept or rejected; `other` is a record that holds none (warcinfo, request, ...);
// `malformed` a JSON line that could not be read, whose `error` says why.
enum class FilterVerdict { kept, rejected, other, malformed };

struct FilterOutcome {
  FilterVerdict verdict = FilterVerdict::kept;
  std::string stage;        // extract, robots, length, pii, input
  std::string reason;       // "disallowed", "http_status", ...; of `other` its record type
  std::vector<int> agents;  // that may not fetch it, indexes into the list
  std::string robots;       // verdict on the URL, empty when not asked
  PiiCounts pii;
  int64_t replaced = 0;  // ill-formed sequences that became U+FFFD
  int64_t chars = 0;     // of the text before redaction
  std::string line;      // the JSON line, when one is to be written
  Error error;
};

FilterOutcome filter_record(const InputRecord& record, const FilterOptions& options,
                            DocumentParser& parser);

// Code points of valid UTF-8.
int64_t count_chars(std::string_view text);

}  // namespace ballast
