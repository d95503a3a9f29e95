// What `tokshard filter` decides about one input record: page to text, robots.txt verdict, signals
// about training, licence, length, language, quality, scores, personal data; in this order, the
// first refusal wins. Pure per record, so the result depends neither on threads nor on neighbours.
// Nothing fails as a whole: a damaged record has its outcome too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/ai_signals.h"
#include "libcore/text/count_chars.h"
#include "libcore/text/document.h"
#include "libcore/text/language/language_policy.h"
#include "libcore/text/license/license_policy.h"
#include "libcore/text/pii.h"
#include "libcore/text/quality/quality.h"
#include "libcore/text/record_reader.h"
#include "libcore/text/robots_store.h"
#include "libcore/text/scores/score_plan.h"

namespace ballast {

struct FilterOptions {
  const RobotsStore* robots = nullptr;  // null: not asked
  bool keep_missing = true;             // documents of hosts without known robots.txt
  std::vector<std::string> agents;      // robots whose signals count
  std::vector<AiSignal> obeyed;         // signals that reject what they refuse
  LicensePolicy license;                // empty: not asked
  LanguagePolicy language;              // empty: not asked
  ScorePlan scores;                     // empty: not asked
  PiiPolicy pii;
  int64_t min_chars = 1;   // code points
  QualityPlan quality;     // empty: not asked
  bool rejects = false;    // write the lines of rejected documents
  bool documents = false;  // give kept documents as they are, not as lines
};

// A document was kept or rejected; `other` is a record that holds none (warcinfo, request, ...);
// `malformed` a JSON line that could not be read, whose `error` says why.
enum class FilterVerdict { kept, rejected, other, malformed };

struct FilterOutcome {
  FilterVerdict verdict = FilterVerdict::kept;
  std::string stage;           // extract, robots, ..., input: the stages of ballast-documents(5)
  std::string reason;          // "disallowed", "http_status", ...; of `other` its record type
  std::vector<int> agents;     // that may not fetch it, indexes into the list
  std::string robots;          // verdict on the URL, empty when not asked
  std::string host, language;  // of the document when robots.txt was asked
  std::string label;           // language by the model or as given; empty when not asked
  std::string source;          // as the document says; empty where it does not
  std::string license;         // SPDX, "missing" or "unrecognised"; empty when not asked
  AiSignals signals;           // of a document that robots.txt allows
  int64_t lines_dropped = 0;   // of a kept text, by C4's rules
  PiiCounts pii;
  int64_t replaced = 0;              // ill-formed sequences that became U+FFFD
  int64_t chars = 0;                 // of the text before redaction
  std::string line;                  // the JSON line, when one is to be written
  std::optional<Document> document;  // kept, where documents were asked for
  Error error;
};

// What filtering keeps between records; one per thread.
struct FilterBuffers {
  DocumentParser parser;
  QualityBuffers quality;
  ScoreBuffers scores;
};

FilterOutcome filter_record(const InputRecord& record, const FilterOptions& options,
                            FilterBuffers& buffers);

}  // namespace ballast
