#include "libcore/shard/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "libcore/shard/set_builder.h"
#include "libcore/shard/whole_shard.h"

namespace ballast {
namespace {

std::string id_text(const std::optional<int32_t>& id) { return id ? std::to_string(*id) : "none"; }

Result<void> check_fit(const ShardManifest& first, const std::string& first_prefix,
                       const ShardManifest& next, const std::string& prefix) {
  const auto differ = [&](const char* what, const std::string& one, const std::string& other) {
    return usage_error(fmt::format("shards of different {}", what), prefix,
                       fmt::format("{}, {} has {}", other, first_prefix, one));
  };
  if (first.tokenizer_sha256 != next.tokenizer_sha256)
    return differ("tokenizers", first.tokenizer_sha256, next.tokenizer_sha256);
  if (first.vocab_size != next.vocab_size)
    return differ("vocabularies", std::to_string(first.vocab_size),
                  std::to_string(next.vocab_size));
  if (first.bos != next.bos)
    return differ("tokens before documents", id_text(first.bos), id_text(next.bos));
  if (first.eos != next.eos)
    return differ("tokens after documents", id_text(first.eos), id_text(next.eos));
  if ((first.part == "holdout") != (next.part == "holdout"))
    return differ("parts", first.part, next.part);
  return {};
}

// Of records of several redactions only what they have in common is said here; each is under
// made_from.
void join_redaction(std::optional<ShardRedaction>& all, const ShardRedaction& next) {
  if (!all) {
    all = next;
    all->tombstones.clear();
    all->documents = all->tokens = 0;  // the builder counts
    return;
  }
  all->compact = all->compact && next.compact;
  all->forget = all->forget && next.forget;
  if (all->list_sha256 != next.list_sha256) all->list_sha256.clear();
  if (all->manifest_sha256 != next.manifest_sha256) all->manifest_sha256.clear();
}

void join(ShardManifest& all, const ShardManifest& next) {
  if (all.part != next.part) all.part = "train";
  if (all.seed != next.seed) all.seed = 0;
  if (all.holdout != next.holdout) all.holdout = 0;
  all.skipped += next.skipped;
  all.empty += next.empty;
  all.replaced += next.replaced;
  all.inputs.insert(all.inputs.end(), next.inputs.begin(), next.inputs.end());
  if (next.redaction) join_redaction(all.redaction, *next.redaction);
}

// Pieces of one shard name the same inputs.
void drop_repeated(std::vector<OutputFile>& inputs) {
  std::set<std::tuple<std::string, uint64_t, uint64_t>> seen;
  std::erase_if(inputs, [&](const OutputFile& file) {
    return !seen.emplace(file.path, file.hash.high, file.hash.low).second;
  });
}

}  // namespace

Result<ShardManifest> joined_manifest(FileSystem& fs, std::span<const std::string> prefixes,
                                      const MergeOptions& options) {
  BALLAST_CHECK(!prefixes.empty());
  const ShardManifest first = BALLAST_TRY(manifest_of_whole(fs, prefixes.front()));
  ShardManifest all = first;
  all.redaction.reset();
  if (first.redaction) join_redaction(all.redaction, *first.redaction);
  for (const std::string& prefix : prefixes.subspan(1)) {
    const ShardManifest next = BALLAST_TRY(manifest_of_whole(fs, prefix));
    BALLAST_TRY(check_fit(first, prefixes.front(), next, prefix));
    join(all, next);
  }
  drop_repeated(all.inputs);
  all.tool = options.tool;
  all.run = options.run;
  if (first.run.is_object() && first.run.contains("tokenizer"))
    all.run["tokenizer"] = first.run.at("tokenizer");
  all.languages.clear();
  all.licenses.clear();
  all.sources.clear();
  all.filters.clear();
  all.outputs.clear();
  all.made_from.clear();
  return all;
}

Result<std::vector<ShardManifest>> merge_shards(FileSystem& fs,
                                                std::span<const std::string> prefixes,
                                                const std::string& target,
                                                const MergeOptions& options) {
  ShardManifest manifest = BALLAST_TRY(joined_manifest(fs, prefixes, options));
  BALLAST_TRY(
      refuse_existing_set(fs, target, options.shard_tokens, options.force, shard_paths(prefixes)));
  ShardSetBuilder builder(fs, target, std::move(manifest), options.shard_tokens, options.force);
  for (const std::string& prefix : prefixes) {
    WholeShard shard = BALLAST_TRY(WholeShard::open(fs, prefix));
    builder.begin_origin(shard.origin());
    BALLAST_TRY(visit_documents(shard, [&](ShardDocument document, const DocumentView& view) {
      return builder.append(std::move(document), view.tokens, view.tombstones);
    }));
  }
  return builder.finish();
}

}  // namespace ballast
