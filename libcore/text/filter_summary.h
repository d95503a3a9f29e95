// Counts of a filter run: every record once, refusals by stage and reason, blocking robots,
// personal data. Plain counts, so the order of add() does not matter. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libcore/io/json.h"
#include "libcore/text/filter.h"
#include "libcore/text/robots_tally.h"

namespace ballast {

class FilterSummary {
 public:
  void add(const FilterOutcome& outcome);

  // {"v":1,"type":"filter","records",...}; ballast-documents(5) lists the keys.
  Json to_json(const std::vector<std::string>& agents) const;
  // For a person: one line of totals, then one per reason and per blocking robot.
  std::vector<std::string> to_lines(const std::vector<std::string>& agents) const;

  // For json_counts.h: all counts, so that summaries of parts add up to that of the whole.
  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("records", self.records_);
    field("kept", self.kept_);
    field("rejected", self.rejected_);
    field("chars", self.chars_in_);
    field("chars_kept", self.chars_kept_);
    field("replaced", self.replaced_);
    field("lines_dropped", self.lines_dropped_);
    field("pii_documents", self.pii_documents_);
    field("pii", self.pii_);
    field("reasons", self.reasons_);
    field("other_records", self.others_);
    field("robots", self.robots_);
    field("agents", self.agents_);
    field("signals", self.signals_);
    field("licenses", self.licenses_);
    field("languages", self.languages_);
    field("sources", self.sources_);
    field("robots_tally", self.robots_tally_);
  }

  int64_t records() const { return records_; }
  int64_t kept() const { return kept_; }
  int64_t rejected() const { return rejected_; }
  int64_t others() const;  // records that hold no document
  int64_t records_counted() const { return kept_ + rejected_ + others(); }
  // That are counted, which may be fewer than were asked about.
  size_t agents() const { return std::max(agents_.size(), robots_tally_.agents()); }

 private:
  int64_t said(AiSignal signal, Preference preference) const;
  Json signals_record() const;

  int64_t records_ = 0, kept_ = 0, rejected_ = 0;
  int64_t chars_in_ = 0, chars_kept_ = 0, replaced_ = 0;
  int64_t lines_dropped_ = 0;
  int64_t pii_documents_ = 0;
  PiiCounts pii_;
  std::map<std::string, int64_t> reasons_;  // "stage:reason"
  std::map<std::string, int64_t> others_;   // records without document, by type
  std::map<std::string, int64_t> robots_;   // verdicts on URLs
  std::vector<int64_t> agents_;             // documents each robot may not fetch
  // Documents by what is said about training on them: of each signal, by preference.
  std::array<std::array<int64_t, 3>, kAiSignals.size()> signals_{};
  struct Verdicts {
    int64_t kept = 0, rejected = 0;
    template <class Self, class Field>
    static void fields(Self& self, Field&& field) {
      field("kept", self.kept);
      field("rejected", self.rejected);
    }
  };
  using ByName = std::map<std::string, Verdicts>;
  static void count(ByName& counts, const std::string& name, bool kept);
  static Json verdicts_record(const ByName& counts);
  ByName licenses_, languages_;  // by the verdict of the rule about them
  ByName sources_;               // by that of all rules
  RobotsTally robots_tally_;     // the same by host and language
};

}  // namespace ballast
