#include "tools/tokshard/side_outputs.h"

#include "tools/tokshard/document_outputs.h"

namespace ballast {
Result<SideOutputs> SideOutputs::open(const CommonOptions& common, const std::string& rejects,
                                      const std::string& stats,
                                      const std::vector<std::string>& inputs) {
  FileSystem& fs = posix_file_system();
  CommonOptions look = common;
  look.dry_run = true;
  BALLAST_TRY(open_side_outputs(look, rejects, stats, inputs, files_of_shards(common.output)));
  SideOutputs outputs;
  if (common.dry_run) return outputs;
  if (!rejects.empty()) outputs.rejects = BALLAST_TRY(HeldOutput::open(fs, rejects, common.force));
  if (!stats.empty()) outputs.stats = BALLAST_TRY(HeldOutput::open(fs, stats, common.force));
  return outputs;
}

Result<void> SideOutputs::seal(const Json& summary) {
  if (rejects) BALLAST_TRY(rejects->sink().finish());
  if (!stats) return {};
  BALLAST_TRY(stats->sink().write(to_json_line(summary) + "\n"));
  return stats->sink().finish();
}

Result<void> SideOutputs::publish() {
  if (rejects) BALLAST_TRY(rejects->publish());
  return stats ? stats->publish() : Result<void>();
}

}  // namespace ballast
