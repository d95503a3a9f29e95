// Filtering and encoding in one pass, in parts.
#pragma once

#include "libcore/parts/parts_folder.h"
#include "libcore/parts/share.h"
#include "libcore/text/filter_summary.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/filter_job.h"

namespace ballast {

struct BuildCounts {
  FilterSummary filter;
  EncodeCounts encode;  // of what the filter kept

  // For json_counts.h.
  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("filter", self.filter);
    field("encode", self.encode);
  }
};

// Makes what is missing of a task's share; see filter_parts().
Result<void> build_parts(const FilterWork& filter, const EncodeRule& encode,
                         const PartsFolder& folder, Share share, ThreadPool& pool);

}  // namespace ballast
