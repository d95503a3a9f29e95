// tokshard inspect: what is in a shard.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "libcore/corpus/lengths.h"
#include "libcore/io/utf8.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/shard_set.h"
#include "libcore/shard/sidecar.h"
#include "libcore/text/display_cells.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct Lengths {
  int64_t median = 0;
  LengthHistogram all;
};

Lengths lengths_of(const ShardReader& reader) {
  Lengths found;
  std::vector<int64_t> sorted;
  for (int64_t i = 0; i < reader.documents(); ++i) {
    sorted.push_back(reader.document_length(i));
    found.all.add(sorted.back());
  }
  if (sorted.empty()) return found;
  std::sort(sorted.begin(), sorted.end());
  found.median = sorted[sorted.size() / 2];
  return found;
}

Json counts_json(const ShardCounts& counts) {
  Json object = Json::object();
  for (const auto& [name, count] : counts)
    object[name] = {{"documents", count.documents}, {"tokens", count.tokens}};
  return object;
}

// Names come from documents: they may hold anything, at any length.
std::string name_column(const std::string& name) {
  constexpr size_t kNameCells = 24;  // of a line of 80
  return column_of(name.empty() ? "(none)" : printable(name), kNameCells);
}

std::string counts_text(const char* title, const ShardCounts& counts) {
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("  {:<10} {} {:>10} documents {:>14} tokens\n", title, name_column(name),
                        count.documents, count.tokens);
  return text;
}

struct Inspected {
  std::string prefix;
  ShardReader reader;
  Lengths lengths;
  std::optional<ShardManifest> manifest;
  std::optional<int64_t> hosts;
};

Result<Inspected> look_at(const std::string& prefix) {
  FileSystem& fs = posix_file_system();
  ShardReader reader = BALLAST_TRY(ShardReader::open(fs, prefix));
  const Lengths lengths = lengths_of(reader);
  Inspected found{prefix, std::move(reader), lengths, {}, {}};
  if (fs.exists(shard_manifest_path(prefix)))
    found.manifest = BALLAST_TRY(read_manifest(fs, prefix));
  if (fs.exists(shard_docs_path(prefix))) {
    const SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(fs, prefix));
    found.hosts = static_cast<int64_t>(sidecar.hosts().size());
  }
  return found;
}

Json record_of(const Inspected& shard) {
  Json histogram = Json::array();
  const LengthHistogram& lengths = shard.lengths.all;
  for (size_t k = 0; k + 1 < lengths.buckets.size(); ++k)
    if (lengths.buckets[k] > 0)
      histogram.push_back({{"below", int64_t{1} << k}, {"documents", lengths.buckets[k]}});
  Json record = {{"v", 1},
                 {"prefix", shard.prefix},
                 {"documents", shard.reader.documents()},
                 {"tokens", shard.reader.total_tokens()},
                 {"dtype", token_type_name(shard.reader.type())},
                 {"shortest", lengths.shortest},
                 {"median", shard.lengths.median},
                 {"mean", json_number(lengths.mean())},
                 {"longest", lengths.longest},
                 {"lengths", std::move(histogram)}};
  if (shard.hosts) record["hosts"] = *shard.hosts;
  if (!shard.manifest) return record;
  const ShardManifest& manifest = *shard.manifest;
  record["vocab_size"] = manifest.vocab_size;
  record["tokenizer_sha256"] = manifest.tokenizer_sha256;
  record["part"] = manifest.part;
  record["seed"] = manifest.seed;
  record["languages"] = counts_json(manifest.languages);
  record["licenses"] = counts_json(manifest.licenses);
  record["sources"] = counts_json(manifest.sources);
  record["filters"] = manifest.filters;
  return record;
}

std::string text_of(const Inspected& shard) {
  const LengthHistogram& lengths = shard.lengths.all;
  std::string text = fmt::format("{}\n  documents  {}\n  tokens     {}\n  dtype      {}\n",
                                 printable(shard.prefix), shard.reader.documents(),
                                 shard.reader.total_tokens(), token_type_name(shard.reader.type()));
  text += fmt::format("  lengths    {} shortest, {} median, {:.1f} mean, {} longest\n",
                      lengths.shortest, shard.lengths.median, lengths.mean(), lengths.longest);
  for (size_t k = 0; k + 1 < lengths.buckets.size(); ++k)
    if (lengths.buckets[k] > 0)
      text += fmt::format("  length     < {:<22} {:>10} documents\n", int64_t{1} << k,
                          lengths.buckets[k]);
  if (shard.hosts) text += fmt::format("  hosts      {}\n", *shard.hosts);
  if (!shard.manifest) return text + "  manifest   none\n";
  const ShardManifest& manifest = *shard.manifest;
  text += fmt::format("  vocabulary {}\n  tokenizer  sha256 {}\n  part       {}, seed {}\n",
                      manifest.vocab_size, printable(manifest.tokenizer_sha256),
                      printable(manifest.part), manifest.seed);
  text += counts_text("language", manifest.languages);
  text += counts_text("license", manifest.licenses);
  text += counts_text("source", manifest.sources);
  for (const auto& [name, documents] : manifest.filters)
    text += fmt::format("  {:<10} {} {:>10} documents\n", "filter", name_column(name), documents);
  return text;
}

Result<int> run_inspect(const std::vector<std::string>& words, const CommonOptions& common) {
  for (const std::string& prefix : BALLAST_TRY(shard_prefixes(posix_file_system(), words))) {
    const Inspected shard = BALLAST_TRY(look_at(prefix));
    print_out(common.json ? to_json_line(record_of(shard)) + "\n" : text_of(shard));
  }
  return kExitDone;
}

}  // namespace

VerbRun add_inspect(CLI::App& app, const CommonOptions& common) {
  auto prefixes = std::make_shared<std::vector<std::string>>();
  path_option(app.add_option("prefix", *prefixes, "shards, sets or folders of shards"))->required();
  return [prefixes, &common] { return run_inspect(*prefixes, common); };
}

}  // namespace ballast
