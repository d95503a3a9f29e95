// What tasks made of a job's inputs, put together: the outputs that one process would have written.
#pragma once

#include <string>

#include "libcore/cli/tool.h"
#include "libcore/parts/accounting.h"
#include "libcore/parts/parts_folder.h"
#include "tools/tokshard/document_outputs.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/side_outputs.h"

namespace ballast {

// Writes and finishes `outputs`, and reports. Kind insufficient when parts are missing, corrupt
// when one is not what its record says.
Result<void> merge_filter_parts(const PartsFolder& folder, DocumentOutputs& outputs,
                                const CommonOptions& common);
// The shards of common.output.
Result<void> merge_encoded_parts(const PartsFolder& folder, const CommonOptions& common);
// The shards, and what `outputs` has of rejects and summary. When all is whole and nothing has
// appeared yet, `sealed` is called. When no document is left, which is kind insufficient, `outputs`
// appear alone.
Result<void> merge_built_parts(const PartsFolder& folder, SideOutputs& outputs,
                               const CommonOptions& common, const ShardsSealed& sealed = {});

// `tokshard merge FOLDER`; `rejects` and `stats` may be empty.
Result<int> merge_parts(const std::string& directory, const std::string& rejects,
                        const std::string& stats, const CommonOptions& common);
// `tokshard verify FOLDER`.
Result<int> verify_parts(const std::string& directory, bool full, const CommonOptions& common);

}  // namespace ballast
