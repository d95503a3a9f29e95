#include "tools/tokshard/document_outputs.h"

#include "libcore/cli/message.h"

namespace ballast {

namespace {

Result<void> check_outputs(const std::vector<std::string>& outputs,
                           const std::vector<std::string>& inputs) {
  std::vector<std::string> taken;
  for (const std::string& path : outputs) {
    if (path.empty()) continue;
    for (const std::string& other : taken) {
      if (other == path) return usage_error("two outputs have the same name", path);
    }
    taken.push_back(path);
    if (path == "-") continue;
    BALLAST_TRY(refuse_output_over_input(posix_file_system(), path, inputs));
    // Found now, not when hours of work are done.
    const std::string folder = parent_directory(path);
    if (!posix_file_system().exists(folder))
      return io_error("cannot create, its folder is not there", path, folder);
  }
  return {};
}

}  // namespace

Result<DocumentOutputs> open_side_outputs(const CommonOptions& common, const std::string& rejects,
                                          const std::string& stats,
                                          const std::vector<std::string>& inputs) {
  FileSystem& fs = posix_file_system();
  BALLAST_TRY(check_outputs({rejects, stats}, inputs));
  DocumentOutputs outputs;
  if (common.dry_run) return outputs;
  if (!rejects.empty()) outputs.rejects = BALLAST_TRY(open_sink(fs, rejects, common.force));
  if (!stats.empty()) outputs.stats = BALLAST_TRY(open_sink(fs, stats, common.force));
  return outputs;
}

Result<DocumentOutputs> open_document_outputs(const CommonOptions& common,
                                              const std::string& rejects, const std::string& stats,
                                              const std::vector<std::string>& inputs) {
  const std::string kept = common.output.empty() ? "-" : common.output;
  BALLAST_TRY(check_outputs({kept, rejects, stats}, inputs));
  DocumentOutputs outputs = BALLAST_TRY(open_side_outputs(common, rejects, stats, inputs));
  if (!common.dry_run)
    outputs.kept = BALLAST_TRY(open_sink(posix_file_system(), kept, common.force));
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
