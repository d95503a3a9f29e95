#include "tools/tokshard/document_outputs.h"

#include "libcore/cli/message.h"
#include "libcore/io/atomic_file.h"
#include "libcore/io/output_check.h"
#include "libcore/shard/format.h"

namespace ballast {

Result<DocumentOutputs> open_side_outputs(const CommonOptions& common, const std::string& rejects,
                                          const std::string& stats,
                                          const std::vector<std::string>& inputs,
                                          const std::vector<std::string>& others) {
  FileSystem& fs = posix_file_system();
  std::vector<std::string> all = others;
  for (const std::string& path : {rejects, stats}) {
    all.push_back(path);
    if (path.empty() || path == "-") continue;
    BALLAST_TRY(refuse_output_over_input(fs, path, inputs));
  }
  BALLAST_TRY(refuse_same_outputs(fs, all));
  for (const std::string& path : {rejects, stats})
    if (!path.empty()) BALLAST_TRY(check_output(fs, path, common.force));
  DocumentOutputs outputs;
  if (common.dry_run) return outputs;
  if (!rejects.empty()) outputs.rejects = BALLAST_TRY(open_sink(fs, rejects, common.force));
  if (!stats.empty()) outputs.stats = BALLAST_TRY(open_sink(fs, stats, common.force));
  return outputs;
}

std::vector<std::string> files_of_shards(const std::string& prefix) {
  std::vector<std::string> files;
  for (const std::string& shard : {prefix, prefix + "-holdout"})
    for (const auto path : {shard_bin_path, shard_idx_path, shard_docs_path, shard_manifest_path})
      files.push_back(path(shard));
  return files;
}

Result<DocumentOutputs> open_document_outputs(const CommonOptions& common,
                                              const std::string& rejects, const std::string& stats,
                                              const std::vector<std::string>& inputs) {
  FileSystem& fs = posix_file_system();
  const std::string kept = common.output.empty() ? "-" : common.output;
  if (kept != "-") BALLAST_TRY(refuse_output_over_input(fs, kept, inputs));
  DocumentOutputs outputs = BALLAST_TRY(open_side_outputs(common, rejects, stats, inputs, {kept}));
  BALLAST_TRY(check_output(fs, kept, common.force));
  if (!common.dry_run) outputs.kept = BALLAST_TRY(open_sink(fs, kept, common.force));
  return outputs;
}

Result<void> finish_document_outputs(const CommonOptions& common, DocumentOutputs& outputs,
                                     const Json& summary, const std::vector<std::string>& lines) {
  if (outputs.rejects) BALLAST_TRY(outputs.rejects->finish());
  if (outputs.stats) {
    BALLAST_TRY(outputs.stats->write(to_json_line(summary) + "\n"));
    BALLAST_TRY(outputs.stats->finish());
  }
  if (outputs.kept) BALLAST_TRY(outputs.kept->finish());
  const bool stdout_free = common.dry_run || (!common.output.empty() && common.output != "-");
  if (common.json && stdout_free) print_out(to_json_line(summary) + "\n");
  for (const std::string& line : lines) print_note(line);
  return {};
}

}  // namespace ballast
