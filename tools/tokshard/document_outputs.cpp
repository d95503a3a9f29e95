#include "tools/tokshard/document_outputs.h"

#include "libcore/cli/message.h"

namespace ballast {

Result<DocumentOutputs> open_document_outputs(const CommonOptions& common,
                                              const std::string& rejects, const std::string& stats,
                                              const std::vector<std::string>& inputs) {
  FileSystem& fs = posix_file_system();
  const std::string kept = common.output.empty() ? "-" : common.output;
  std::vector<std::string> taken;
  for (const std::string& path : {kept, rejects, stats}) {
    if (path.empty()) continue;
    for (const std::string& other : taken) {
      if (other == path) return usage_error("two outputs have the same name", path);
    }
    taken.push_back(path);
    if (path != "-") BALLAST_TRY(refuse_output_over_input(fs, path, inputs));
  }
  DocumentOutputs outputs;
  if (common.dry_run) return outputs;
  outputs.kept = BALLAST_TRY(open_sink(fs, kept, common.force));
  if (!rejects.empty()) outputs.rejects = BALLAST_TRY(open_sink(fs, rejects, common.force));
  if (!stats.empty()) outputs.stats = BALLAST_TRY(open_sink(fs, stats, common.force));
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
