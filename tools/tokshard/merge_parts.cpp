#include "tools/tokshard/merge_parts.h"

#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/json_counts.h"
#include "libcore/parts/part_files.h"
#include "libcore/shard/manifest.h"
#include "libcore/text/filter_summary.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/filter_job.h"
#include "tools/tokshard/run_record.h"

namespace ballast {
namespace {

constexpr const char* kFilter = "filter";
constexpr const char* kEncode = "encode";

Result<int64_t> counted_by_filter(const PartRecord& part) {
  FilterSummary summary;
  BALLAST_TRY(add_counts(part.counts, summary, "counts"));
  return summary.kept() + summary.rejected() + summary.others();
}
Result<int64_t> counted_by_encode(const PartRecord& part) {
  EncodeCounts counts;
  BALLAST_TRY(add_counts(part.counts, counts, "counts"));
  return counts.documents + counts.skipped + counts.empty + counts.rejected;
}

Result<PartsAccount> account(const PartsFolder& folder, bool full) {
  const std::string& verb = folder.plan().verb;
  if (verb == kFilter) return account_parts(folder, counted_by_filter, full);
  if (verb == kEncode) return account_parts(folder, counted_by_encode, full);
  return corrupt_error("parts of an unknown verb", join_path(folder.directory(), kPlanName), verb);
}

std::string missing_text(const PartsFolder& folder, const PartsAccount::Missing& missing) {
  const std::string& path = folder.plan().inputs[static_cast<size_t>(missing.input)].path;
  return fmt::format("part {} of input {}: {}", missing.part, missing.input, path);
}

std::string totals_text(const PartsAccount& account) {
  return fmt::format("{} inputs, {} ({} decoded), {} parts, {} records", account.inputs.size(),
                     format_bytes(account.source_bytes()), format_bytes(account.decoded_bytes()),
                     account.parts(), account.records());
}

// Nothing is put together before everything is there.
Result<PartsAccount> complete_account(const PartsFolder& folder) {
  PartsAccount found = BALLAST_TRY(account(folder, false));
  if (!found.damage.empty()) return corrupt_error("damaged parts", found.damage.front());
  if (found.missing.empty()) return found;
  return insufficient_error(
      fmt::format("{} of {} inputs are not complete", found.missing.size(), found.inputs.size()),
      folder.directory(),
      "first: " + missing_text(folder, found.missing.front()) + "; run their tasks again");
}

Result<void> copy(const PartsFolder& folder, const PartRecord& part, const char* suffix,
                  ByteSink& sink) {
  PartFile file = BALLAST_TRY(PartFile::open(folder, part, suffix));
  BALLAST_TRY(file.read_all([&](Bytes piece) { return sink.write(piece); }));
  return file.check();
}

}  // namespace

Result<void> merge_filter_parts(const PartsFolder& folder, DocumentOutputs& outputs,
                                const CommonOptions& common) {
  const PartsAccount whole = BALLAST_TRY(complete_account(folder));
  const Json& options = folder.plan().options;
  const std::string where = join_path(folder.directory(), kPlanName);
  const Json* robots = BALLAST_TRY(member(options, "agents-asked", where));
  std::vector<std::string> agents;
  for (const Json& agent : *robots) {
    if (!agent.is_string()) return corrupt_error("'agents-asked' is not a list of names", where);
    agents.push_back(agent.get<std::string>());
  }
  FilterSummary summary;
  ProgressLine progress;
  int64_t merged = 0;
  const auto take = [&](const PartRecord& part) -> Result<void> {
    progress.update(fmt::format("merging: {} of {} parts", ++merged, whole.parts()));
    if (outputs.kept) BALLAST_TRY(copy(folder, part, kKeptSuffix, *outputs.kept));
    if (outputs.rejects) BALLAST_TRY(copy(folder, part, kRejectsSuffix, *outputs.rejects));
    return add_counts(part.counts, summary, folder.directory());
  };
  BALLAST_TRY(visit_parts(folder, take));
  progress.clear();
  print_note(totals_text(whole));
  return finish_document_outputs(common, outputs, summary.to_json(agents),
                                 summary.to_lines(agents));
}

Result<void> merge_encoded_parts(const PartsFolder& folder, const CommonOptions& common) {
  const PartsAccount whole = BALLAST_TRY(complete_account(folder));
  const std::string where = join_path(folder.directory(), kPlanName);
  const Json& options = folder.plan().options;
  const Json* planned = BALLAST_TRY(member(options, "manifest", where));
  ShardManifest manifest = BALLAST_TRY(parse_manifest(to_json_line(*planned), where));
  const std::string order = BALLAST_TRY(string_member(options, "order", where));
  std::vector<std::string> inputs;
  for (const InputAccount& input : whole.inputs) inputs.push_back(input.source.path);
  BALLAST_TRY(check_shard_outputs(common, manifest.holdout > 0, inputs));
  EncodedDocuments documents(common.output + ".tmp-shuffle", order == "input");
  EncodeCounts counts;
  ProgressLine progress;
  const auto take = [&](const PartRecord& part) -> Result<void> {
    progress.update(fmt::format("merging: {} documents", documents.count()));
    BALLAST_TRY(add_counts(part.counts, counts, folder.directory()));
    return read_encoded(folder, part,
                        [&](const EncodedDocument& document) { return documents.add(document); });
  };
  BALLAST_TRY(visit_parts(folder, take));
  progress.clear();
  if (documents.count() != counts.documents)
    return corrupt_error("parts hold another number of documents than they say",
                         folder.directory());
  if (documents.count() == 0)
    return insufficient_error("no documents to encode", folder.directory());
  Json run = run_record(common);
  for (const auto& item : manifest.run.items()) run[item.key()] = item.value();
  manifest.run = std::move(run);
  for (const InputAccount& input : whole.inputs) manifest.inputs.push_back(input.source);
  manifest.skipped = counts.skipped;
  manifest.empty = counts.empty;
  manifest.replaced = counts.replaced;
  print_note(totals_text(whole));
  const auto manifests = BALLAST_TRY(write_shards(documents, std::move(manifest), common));
  report_shards(common, manifests, counts);
  return {};
}

Result<int> merge_parts(const std::string& directory, const std::string& rejects,
                        const std::string& stats, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const PartsFolder folder = BALLAST_TRY(PartsFolder::open(fs, directory));
  if (folder.plan().verb == kEncode) {
    for (const auto& [name, value] : {std::pair("--rejects", &rejects), {"--stats", &stats}})
      if (!value->empty()) return usage_error("means nothing for encoded parts", name);
    if (common.dry_run) {
      print_note("would merge " + totals_text(BALLAST_TRY(complete_account(folder))));
      return kExitDone;
    }
    BALLAST_TRY(merge_encoded_parts(folder, common));
    return kExitDone;
  }
  const std::string where = join_path(directory, kPlanName);
  const Json* kept = BALLAST_TRY(member(folder.plan().options, "keep-rejects", where));
  if (!rejects.empty() && *kept != true)
    return usage_error("the parts hold no rejected documents", "--rejects",
                       "run the tasks with --keep-rejects");
  std::vector<std::string> inputs;
  for (const auto& input : folder.plan().inputs) inputs.push_back(input.path);
  DocumentOutputs outputs = BALLAST_TRY(open_document_outputs(common, rejects, stats, inputs));
  BALLAST_TRY(merge_filter_parts(folder, outputs, common));
  return kExitDone;
}

Result<int> verify_parts(const std::string& directory, bool full, const CommonOptions& common) {
  const PartsFolder folder = BALLAST_TRY(PartsFolder::open(posix_file_system(), directory));
  const PartsAccount found = BALLAST_TRY(account(folder, full));
  if (common.json) {
    Json missing = Json::array();
    for (const PartsAccount::Missing& one : found.missing)
      missing.push_back({{"file", folder.plan().inputs[static_cast<size_t>(one.input)].path},
                         {"part", one.part}});
    print_out(to_json_line({{"v", 1},
                            {"prefix", directory},
                            {"ok", found.complete()},
                            {"full", full},
                            {"inputs", found.inputs.size()},
                            {"source_bytes", found.source_bytes()},
                            {"decoded_bytes", found.decoded_bytes()},
                            {"parts", found.parts()},
                            {"records", found.records()},
                            {"missing", missing},
                            {"damage", found.damage}}) +
              "\n");
  } else {
    for (const std::string& line : found.damage)
      print_out(fmt::format("{}: {}\n", directory, line));
    for (const PartsAccount::Missing& one : found.missing)
      print_out(fmt::format("{}: missing from {}\n", directory, missing_text(folder, one)));
    if (found.complete()) print_out(fmt::format("{}: ok, {}\n", directory, totals_text(found)));
  }
  return found.complete() ? kExitDone : kExitNo;
}

}  // namespace ballast
