// Where a verb over documents writes: the documents that stay, the rejected ones, the summary.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"

namespace ballast {

// Outputs that were not asked for are null.
struct DocumentOutputs {
  std::unique_ptr<ByteSink> kept, rejects, stats;
};

// Documents go to -o or standard output; `rejects` and `stats` may be empty. Nothing is opened by a
// dry run, which checks the same. Kind usage if two outputs are one file, or one is an input.
Result<DocumentOutputs> open_document_outputs(const CommonOptions& common,
                                              const std::string& rejects, const std::string& stats,
                                              const std::vector<std::string>& inputs);

// The same without documents: of a verb whose -o is something else, the files `others`, which it
// checks itself.
Result<DocumentOutputs> open_side_outputs(const CommonOptions& common, const std::string& rejects,
                                          const std::string& stats,
                                          const std::vector<std::string>& inputs,
                                          const std::vector<std::string>& others);

// Those of the shard `prefix` and of the documents that are held out of it.
std::vector<std::string> files_of_shards(const std::string& prefix);

// Writes the summary where it was asked for, and publishes everything, the documents last.
Result<void> finish_document_outputs(const CommonOptions& common, DocumentOutputs& outputs,
                                     const Json& summary, const std::vector<std::string>& lines);

}  // namespace ballast
