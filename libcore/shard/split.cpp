#include "libcore/shard/split.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <set>

#include "libcore/base/ascii.h"
#include "libcore/shard/set_builder.h"
#include "libcore/shard/whole_shard.h"

namespace ballast {
namespace {

const std::string& value_of(const ShardDocument& document, SplitKey key) {
  switch (key) {
    case SplitKey::language:
      return document.language;
    case SplitKey::source:
      return document.source;
    case SplitKey::license:
      return document.license;
    case SplitKey::host:
      break;
  }
  return document.host;
}

// Counted anew by the builders.
ShardManifest piece_manifest(const ShardManifest& whole, const SplitOptions& options) {
  ShardManifest manifest = whole;
  manifest.tool = options.tool;
  manifest.languages.clear();
  manifest.licenses.clear();
  manifest.sources.clear();
  manifest.filters.clear();
  manifest.outputs.clear();
  manifest.token_counts.clear();
  manifest.made_from.clear();
  manifest.run = options.run;
  if (whole.run.is_object() && whole.run.contains("tokenizer"))
    manifest.run["tokenizer"] = whole.run.at("tokenizer");
  if (manifest.redaction) {
    manifest.redaction->tombstones.clear();
    manifest.redaction->documents = manifest.redaction->tokens = 0;
  }
  return manifest;
}

Result<std::vector<SplitPiece>> pieces_of(ShardSetBuilder& set) {
  std::vector<SplitPiece> pieces;
  for (ShardManifest& manifest : BALLAST_TRY(set.finish()))
    pieces.push_back({set.name(std::ssize(pieces)), std::move(manifest)});
  return pieces;
}

Result<std::vector<SplitPiece>> split_by_size(FileSystem& fs, WholeShard& shard,
                                              const std::string& target,
                                              const SplitOptions& options) {
  BALLAST_TRY(refuse_existing_set(fs, target, options.shard_tokens, options.force,
                                  shard_paths(shard.reader.prefix())));
  ShardSetBuilder set(fs, target, piece_manifest(shard.manifest, options), options.shard_tokens,
                      options.force);
  set.begin_origin(shard.origin());
  BALLAST_TRY(visit_documents(shard, [&](ShardDocument document, const DocumentView& view) {
    return set.append(std::move(document), view.tokens, view.tombstones);
  }));
  return pieces_of(set);
}

// First documents of the parts: part k begins at the first document whose end passes k/parts of the
// tokens, but leaves every part a document.
std::set<int64_t> borders_of(const ShardReader& reader, int64_t parts) {
  std::set<int64_t> borders;
  int64_t document = 0;
  for (int64_t part = 1; part < parts; ++part) {
    const auto wanted =
        static_cast<int64_t>(static_cast<double>(reader.total_tokens()) /
                             static_cast<double>(parts) * static_cast<double>(part));
    const int64_t most = reader.documents() - (parts - part);
    ++document;
    while (document < most && reader.document_begin(document) < wanted) ++document;
    borders.insert(document);
  }
  return borders;
}

Result<std::vector<SplitPiece>> split_in_parts(FileSystem& fs, WholeShard& shard,
                                               const std::string& target,
                                               const SplitOptions& options) {
  const int64_t parts = *options.parts;
  if (parts > shard.reader.documents())
    return usage_error(fmt::format("--shards {}", parts), shard.reader.prefix(),
                       fmt::format("the shard has {} documents", shard.reader.documents()));
  BALLAST_TRY(
      refuse_existing_set(fs, target, parts, options.force, shard_paths(shard.reader.prefix())));
  const std::set<int64_t> borders = borders_of(shard.reader, parts);
  ShardSetBuilder set(fs, target, piece_manifest(shard.manifest, options),
                      shard.reader.total_tokens(), options.force);
  set.begin_origin(shard.origin());
  const auto add = [&](ShardDocument document, const DocumentView& view) {
    if (borders.contains(view.number)) set.end_shard();
    return set.append(std::move(document), view.tokens, view.tombstones);
  };
  BALLAST_TRY(visit_documents(shard, add));
  return pieces_of(set);
}

// Names of the pieces, from the sidecar alone.
Result<std::set<std::string>> values_in(WholeShard& shard, const SplitOptions& options) {
  std::set<std::string> values;
  BALLAST_TRY(shard.sidecar.for_each([&](int64_t, const ShardDocument& document) -> Result<void> {
    values.insert(split_name(value_of(document, *options.by)));
    if (std::ssize(values) > options.max_values)
      return usage_error("too many values to split by", shard.reader.prefix(),
                         fmt::format("at most {}", options.max_values));
    return {};
  }));
  return values;
}

Result<std::vector<SplitPiece>> split_by_key(FileSystem& fs, WholeShard& shard,
                                             const std::string& target,
                                             const SplitOptions& options) {
  using Builders = std::map<std::string, std::unique_ptr<ShardSetBuilder>>;
  Builders builders;
  std::vector<std::string> names;
  ShardManifest manifest = piece_manifest(shard.manifest, options);
  for (const std::string& value : BALLAST_TRY(values_in(shard, options))) {
    names.push_back(target + "-" + value);
    BALLAST_TRY(refuse_existing_set(fs, names.back(), std::nullopt, options.force,
                                    shard_paths(shard.reader.prefix())));
    auto& builder = builders[value];
    builder =
        std::make_unique<ShardSetBuilder>(fs, names.back(), manifest, std::nullopt, options.force);
    builder->begin_origin(shard.origin());
    manifest.skipped = manifest.empty = manifest.replaced = 0;
  }
  BALLAST_TRY(visit_documents(shard, [&](ShardDocument document, const DocumentView& view) {
    ShardSetBuilder& builder = *builders.at(split_name(value_of(document, *options.by)));
    return builder.append(std::move(document), view.tokens, view.tombstones);
  }));
  for (auto& [value, builder] : builders) BALLAST_TRY(builder->seal());
  std::vector<SplitPiece> pieces;
  for (auto& [value, builder] : builders) {
    auto made = BALLAST_TRY(builder->publish());
    pieces.push_back({names[pieces.size()], std::move(made.front())});
  }
  return pieces;
}

}  // namespace

std::string split_name(const std::string& value) {
  if (value.empty()) return "unknown";
  std::string name;
  for (const char c : value) {
    const bool plain = is_ascii_alnum(c) || c == '.' || c == '_' || c == '-';
    name += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return name;
}

Result<std::vector<SplitPiece>> split_shard(FileSystem& fs, const std::string& prefix,
                                            const std::string& target,
                                            const SplitOptions& options) {
  WholeShard shard = BALLAST_TRY(WholeShard::open(fs, prefix));
  if (options.by) return split_by_key(fs, shard, target, options);
  return options.parts ? split_in_parts(fs, shard, target, options)
                       : split_by_size(fs, shard, target, options);
}

}  // namespace ballast
