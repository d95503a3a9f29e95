// The quality stage of `tokshard filter`: which filters with which limits, in the order in which
// they were named; the first refusal wins. C4 rewrites the text, and what comes after it sees the
// new one. A plan is immutable and shared by threads; buffers are one per thread.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/json.h"
#include "libcore/text/quality/rules.h"

namespace ballast {

struct QualityVerdict {
  std::string_view filter;  // that refused: "gopher", "gopher_repetition", "c4", "fineweb"
  QualityDrop drop;
  bool rewritten = false;  // by C4; `lines` says how
  LineCounts lines;

  bool kept() const { return !drop.dropped(); }
  std::string reason() const { return std::string(filter) + "." + drop.rule; }
};

struct QualityBuffers {
  MeasuredText text;
  RuleBuffers rules;
  std::string rewritten;
};

class QualityPlan {
 public:
  // "gopher,c4:filter_no_terminal_punct=off,min_num_sentences=3,fineweb": names in any order, each
  // with its k=v behind a colon. Limits that are not given are the published ones; "off" switches a
  // rule off. Kind usage, naming `flag`.
  static Result<QualityPlan> parse(std::string_view text, const std::string& flag);

  bool empty() const { return filters_.empty(); }
  // `text` is rewritten only when it stays.
  QualityVerdict check(std::string& text, QualityBuffers& buffers) const;

 private:
  using Filter = std::variant<GopherLimits, RepetitionLimits, C4Limits, FineWebLimits>;
  std::vector<Filter> filters_;
};

// {"lines":..,"kept":..,"too_few_words":..,...}: counts that are not zero.
Json line_counts_json(const LineCounts& counts);

}  // namespace ballast
