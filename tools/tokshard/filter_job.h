// The work of `tokshard filter`: records in, outcomes out, in the order of the inputs, to one set
// of outputs or to the parts of a folder. What comes out does not depend on the number of threads.
#pragma once

#include <string>
#include <vector>

#include "libcore/base/block_pipeline.h"
#include "libcore/parts/parts_folder.h"
#include "libcore/parts/share.h"
#include "libcore/text/filter.h"
#include "libcore/text/filter_summary.h"
#include "tools/tokshard/document_outputs.h"
#include "tools/tokshard/malformed_lines.h"

namespace ballast {

inline constexpr const char* kKeptSuffix = ".jsonl.zst";
inline constexpr const char* kRejectsSuffix = ".rejects.jsonl.zst";

struct FilterWork {
  FilterOptions options;
  bool skip_errors = false;  // malformed lines are warned about and counted, else they are errors
};

// The files of a part: the documents, and behind them what was rejected.
std::vector<std::string> part_suffixes(const FilterWork& work, const char* documents);
// Counts an outcome; a malformed line is an error unless such lines are skipped.
Result<void> count_outcome(const FilterWork& work, FilterOutcome& outcome, FilterSummary& summary,
                           MalformedLines& malformed);

// All inputs into `outputs`, which are not finished.
Result<FilterSummary> filter_inputs(const FilterWork& work, const std::vector<std::string>& inputs,
                                    DocumentOutputs& outputs, ThreadPool& pool);

// Makes what is missing of a task's share. An input that fails is left with the parts made so far,
// and the others are done; then the first error is returned.
Result<void> filter_parts(const FilterWork& work, const PartsFolder& folder, Share share,
                          ThreadPool& pool);

}  // namespace ballast
