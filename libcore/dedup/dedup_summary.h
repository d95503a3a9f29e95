// Counts of a deduplication: every document once, refusals by reason. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libcore/dedup/dedup_item.h"
#include "libcore/io/json.h"

namespace ballast {

class DedupSummary {
 public:
  void add(const DedupItem& item);

  // Keys `documents` to `bytes_kept` of ballast-documents(5), "Summaries".
  void to_json(Json& record) const;
  // For a person: one line of totals, then one per reason.
  std::vector<std::string> to_lines() const;

  int64_t documents() const { return documents_; }
  int64_t kept() const { return kept_; }

 private:
  int64_t documents_ = 0, kept_ = 0;
  int64_t bytes_in_ = 0, bytes_kept_ = 0;
  int64_t parts_ = 0, parts_removed_ = 0;   // of documents that were compared by parts
  std::map<std::string, int64_t> reasons_;  // "stage:reason"
};

}  // namespace ballast
