#include "tools/tokshard/merge_parts.h"

#include <fmt/format.h>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/io/json_counts.h"
#include "libcore/parts/part_files.h"
#include "libcore/shard/manifest.h"
#include "libcore/text/filter_summary.h"
#include "tools/tokshard/build_job.h"
#include "tools/tokshard/counted.h"
#include "tools/tokshard/encode_job.h"
#include "tools/tokshard/filter_job.h"
#include "tools/tokshard/parts_flags.h"
#include "tools/tokshard/run_record.h"

namespace ballast {
namespace {

constexpr const char* kFilter = "filter";
constexpr const char* kEncode = "encode";
constexpr const char* kBuild = "build";

Result<std::vector<std::string>> agents_asked(const PartsFolder& folder) {
  const std::string where = join_path(folder.directory(), kPlanName);
  const Json* asked = BALLAST_TRY(member(folder.plan().options, "agents-asked", where));
  std::vector<std::string> agents;
  for (const Json& agent : *asked) {
    if (!agent.is_string()) return corrupt_error("'agents-asked' is not a list of names", where);
    agents.push_back(agent.get<std::string>());
  }
  return agents;
}

// Adds the counts of a part to those of its verb. What is added up is what the parts alone were
// checked for, so damage is found where it is.
template <class Counts>
Result<void> add_part(const PartsFolder& folder, const PartRecord& part, Counts& counts) {
  return add_counts(part.counts, counts, folder.path(part.input, part.part, ".json"));
}

Result<void> check_agents(const FilterSummary& summary, size_t asked, const std::string& where) {
  if (summary.agents() <= asked) return {};
  return corrupt_error("counts are damaged", where,
                       fmt::format("{} robots of {}", summary.agents(), asked));
}

// Of each verb: the files of a part, and how many records its counts account for.
struct PartRule {
  std::vector<std::string> suffixes;
  CountedRecords counted;
};

Result<PartRule> encode_rule(const PartsFolder& folder) {
  const auto counted = [&folder](const PartRecord& part) -> Result<int64_t> {
    EncodeCounts counts;
    BALLAST_TRY(add_part(folder, part, counts));
    return counts.documents + counts.skipped + counts.empty + counts.rejected;
  };
  return PartRule{{kEncodedSuffix}, counted};
}

Result<PartRule> filter_rule(const PartsFolder& folder) {
  const size_t asked = BALLAST_TRY(agents_asked(folder)).size();
  const auto counted = [&folder, asked](const PartRecord& part) -> Result<int64_t> {
    FilterSummary summary;
    BALLAST_TRY(add_part(folder, part, summary));
    BALLAST_TRY(check_agents(summary, asked, folder.path(part.input, part.part, ".json")));
    return summary.records_counted();
  };
  return PartRule{{kKeptSuffix}, counted};
}

// What the filter kept was encoded.
Result<PartRule> build_rule(const PartsFolder& folder) {
  const size_t asked = BALLAST_TRY(agents_asked(folder)).size();
  const auto counted = [&folder, asked](const PartRecord& part) -> Result<int64_t> {
    const std::string path = folder.path(part.input, part.part, ".json");
    BuildCounts counts;
    BALLAST_TRY(add_part(folder, part, counts));
    BALLAST_TRY(check_agents(counts.filter, asked, path));
    if (counts.encode.documents + counts.encode.empty != counts.filter.kept())
      return corrupt_error(fmt::format("{} documents were kept and {} encoded",
                                       counts.filter.kept(), counts.encode.documents),
                           path);
    return counts.filter.records_counted();
  };
  return PartRule{{kEncodedSuffix}, counted};
}

Result<bool> keeps_rejects(const PartsFolder& folder) {
  const std::string where = join_path(folder.directory(), kPlanName);
  const Json* kept = BALLAST_TRY(member(folder.plan().options, "keep-rejects", where));
  return *kept == true;
}

Result<PartRule> part_rule(const PartsFolder& folder) {
  const std::string& verb = folder.plan().verb;
  if (verb == kEncode) return encode_rule(folder);
  if (verb != kFilter && verb != kBuild)
    return corrupt_error("parts of an unknown verb", join_path(folder.directory(), kPlanName),
                         verb);
  PartRule rule = BALLAST_TRY(verb == kFilter ? filter_rule(folder) : build_rule(folder));
  if (BALLAST_TRY(keeps_rejects(folder))) rule.suffixes.emplace_back(kRejectsSuffix);
  return rule;
}

Result<PartsAccount> account(const PartsFolder& folder, bool full) {
  const PartRule rule = BALLAST_TRY(part_rule(folder));
  return account_parts(folder, rule.suffixes, rule.counted, full);
}

std::string missing_text(const PartsFolder& folder, const PartsAccount::Missing& missing) {
  const std::string& path = folder.plan().inputs[static_cast<size_t>(missing.input)].path;
  return fmt::format("part {} of input {}: {}", missing.part, missing.input, path);
}

std::string totals_text(const PartsAccount& account) {
  return fmt::format("{}, {} ({} decoded), {}, {}", counted(std::ssize(account.inputs), "input"),
                     format_bytes(account.source_bytes()), format_bytes(account.decoded_bytes()),
                     counted(account.parts(), "part"), counted(account.records(), "record"));
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

// The shards of all parts; `each` adds a part's counts, of which `counts` are those of encoding,
// and `sealed` writes what else there is when the shards are whole.
Result<std::vector<WrittenShard>> merge_documents(
    const PartsFolder& folder, const std::function<Result<void>(const PartRecord&)>& each,
    const EncodeCounts& counts, const CommonOptions& common, const ShardsSealed& sealed = {}) {
  const PartsAccount whole = BALLAST_TRY(complete_account(folder));
  const std::string where = join_path(folder.directory(), kPlanName);
  const Json& options = folder.plan().options;
  const Json* planned = BALLAST_TRY(member(options, "manifest", where));
  ShardManifest manifest = BALLAST_TRY(parse_manifest(to_json_line(*planned), where));
  const std::string order = BALLAST_TRY(string_member(options, "order", where));
  std::vector<std::string> inputs;
  for (const InputAccount& input : whole.inputs) inputs.push_back(input.source.path);
  std::optional<int64_t> limit;
  if (options.contains("shard_tokens"))
    limit = BALLAST_TRY(integer_member(options, "shard_tokens", where));
  BALLAST_TRY(check_shard_outputs(common, manifest.holdout > 0, limit, inputs));
  EncodedDocuments documents(common.output + ".tmp-shuffle", order == "input");
  const auto add = [&](const EncodedDocument& document) { return documents.add(document); };
  ProgressLine progress;
  const auto take = [&](const PartRecord& part) -> Result<void> {
    progress.update(fmt::format("merging: {} documents", documents.count()));
    BALLAST_TRY(each(part));
    return read_encoded(folder, part, add);
  };
  BALLAST_TRY(visit_parts(folder, take));
  progress.clear();
  if (documents.count() != counts.documents)
    return corrupt_error("parts hold another number of documents than they say",
                         folder.directory());
  if (documents.count() == 0) {
    print_note(totals_text(whole));
    return insufficient_error(
        "no documents to encode",
        inputs.size() == 1 ? inputs.front() : fmt::format("{} inputs", inputs.size()));
  }
  Json run = run_record(common);
  for (const auto& item : manifest.run.items()) run[item.key()] = item.value();
  manifest.run = std::move(run);
  for (const InputAccount& input : whole.inputs) manifest.inputs.push_back(input.source);
  manifest.skipped = counts.skipped;
  manifest.empty = counts.empty;
  manifest.replaced = counts.replaced;
  print_note(totals_text(whole));
  return write_shards(documents, std::move(manifest), limit, common, sealed);
}

}  // namespace

Result<void> merge_filter_parts(const PartsFolder& folder, DocumentOutputs& outputs,
                                const CommonOptions& common) {
  const PartsAccount whole = BALLAST_TRY(complete_account(folder));
  const std::vector<std::string> agents = BALLAST_TRY(agents_asked(folder));
  FilterSummary summary;
  ProgressLine progress;
  int64_t merged = 0;
  const auto take = [&](const PartRecord& part) -> Result<void> {
    progress.update(fmt::format("merging: {} of {} parts", ++merged, whole.parts()));
    if (outputs.kept) BALLAST_TRY(copy(folder, part, kKeptSuffix, *outputs.kept));
    if (outputs.rejects) BALLAST_TRY(copy(folder, part, kRejectsSuffix, *outputs.rejects));
    return add_part(folder, part, summary);
  };
  BALLAST_TRY(visit_parts(folder, take));
  progress.clear();
  print_note(totals_text(whole));
  return finish_document_outputs(common, outputs, summary.to_json(agents),
                                 summary.to_lines(agents));
}

Result<void> merge_encoded_parts(const PartsFolder& folder, const CommonOptions& common) {
  EncodeCounts counts;
  const auto add = [&](const PartRecord& part) { return add_part(folder, part, counts); };
  const auto shards = BALLAST_TRY(merge_documents(folder, add, counts, common));
  report_shards(common, shards, counts);
  return {};
}

Result<void> merge_built_parts(const PartsFolder& folder, SideOutputs& outputs,
                               const CommonOptions& common, const ShardsSealed& sealed) {
  BuildCounts counts;
  const auto add = [&](const PartRecord& part) -> Result<void> {
    if (outputs.rejects) BALLAST_TRY(copy(folder, part, kRejectsSuffix, outputs.rejects->sink()));
    return add_part(folder, part, counts);
  };
  const std::vector<std::string> agents = BALLAST_TRY(agents_asked(folder));
  const auto others = [&](const std::vector<std::string>& prefixes) -> Result<void> {
    BALLAST_TRY(outputs.seal(counts.filter.to_json(agents)));
    if (sealed) BALLAST_TRY(sealed(prefixes));
    return outputs.publish();
  };
  BALLAST_TRY(complete_account(folder));
  auto made = merge_documents(folder, add, counts.encode, common, others);
  const bool none_left = !made.ok() && made.error().kind == ErrorKind::insufficient;
  // What was rejected says also why nothing is left.
  if (none_left) {
    BALLAST_TRY(outputs.seal(counts.filter.to_json(agents)));
    BALLAST_TRY(outputs.publish());
  }
  if (made.ok() || none_left)
    for (const std::string& line : counts.filter.to_lines(agents)) print_note(line);
  const std::vector<WrittenShard> shards = BALLAST_TRY(std::move(made));
  report_shards(common, shards, counts.encode);
  return {};
}

Result<int> merge_parts(const std::string& directory, const std::string& rejects,
                        const std::string& stats, const CommonOptions& common) {
  FileSystem& fs = posix_file_system();
  const PartsFolder folder = BALLAST_TRY(PartsFolder::open(fs, directory));
  BALLAST_TRY(refuse_outputs_in_parts(
      directory, {{"--output", common.output}, {"--rejects", rejects}, {"--stats", stats}}));
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
  if (!rejects.empty() && !BALLAST_TRY(keeps_rejects(folder)))
    return usage_error("the parts hold no rejected documents", "--rejects",
                       "run the tasks with --keep-rejects");
  std::vector<std::string> inputs;
  for (const auto& input : folder.plan().inputs) inputs.push_back(input.path);
  if (folder.plan().verb == kBuild) {
    SideOutputs outputs = BALLAST_TRY(SideOutputs::open(common, rejects, stats, inputs));
    if (common.dry_run) {
      print_note("would merge " + totals_text(BALLAST_TRY(complete_account(folder))));
      return kExitDone;
    }
    BALLAST_TRY(merge_built_parts(folder, outputs, common));
    return kExitDone;
  }
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
