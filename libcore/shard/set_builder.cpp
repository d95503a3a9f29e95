#include "libcore/shard/set_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/io/atomic_file.h"
#include "libcore/shard/shard_set.h"

namespace ballast {
namespace {

// The manifest first: without it the shard counts as unfinished.
Result<void> remove_shard(FileSystem& fs, const std::string& prefix, bool force) {
  const auto paths = shard_paths(prefix);
  for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
    if (!fs.exists(*path)) continue;
    if (!force) return usage_error("output exists", *path, "-f replaces it");
    BALLAST_TRY(fs.remove(*path));
  }
  return {};
}

}  // namespace

ShardSetBuilder::ShardSetBuilder(FileSystem& fs, std::string prefix, ShardManifest manifest,
                                 std::optional<int64_t> limit_tokens, bool force)
    : fs_(fs),
      prefix_(std::move(prefix)),
      manifest_(std::move(manifest)),
      limit_(limit_tokens),
      force_(force) {}

std::string ShardSetBuilder::name(int64_t number) const {
  return limit_ ? shard_set_member(prefix_, number) : prefix_;
}

std::vector<std::string> ShardSetBuilder::names() const {
  std::vector<std::string> all;
  for (int64_t number = 1; number <= std::ssize(shards_); ++number)
    all.push_back(name(number % std::ssize(shards_)));
  return all;
}

void ShardSetBuilder::name_origins() {
  for (ShardOrigin& origin : begun_) {
    shards_.back()->begin_origin(origin);
    origin_ = std::move(origin);
  }
  begun_.clear();
}

Result<void> ShardSetBuilder::begin_shard() {
  if (!shards_.empty()) {
    BALLAST_TRY(shards_.back()->seal());
    shards_.back()->drop_counts_and_inputs();
    manifest_.skipped = manifest_.empty = manifest_.replaced = 0;
  }
  shards_.push_back(
      std::make_unique<ShardBuilder>(fs_, name(std::ssize(shards_)), manifest_, force_));
  if (origin_ && begun_.empty()) shards_.back()->begin_origin(*origin_);
  ended_ = false;
  return {};
}

Result<void> ShardSetBuilder::append(ShardDocument document, std::span<const int32_t> tokens,
                                     std::span<const Tombstone> tombstones) {
  const auto is_full = [&](const ShardBuilder& shard) {
    return limit_ && shard.documents() > 0 && shard.tokens() + std::ssize(tokens) > *limit_;
  };
  if (shards_.empty() || ended_ || is_full(*shards_.back())) BALLAST_TRY(begin_shard());
  name_origins();
  return shards_.back()->append(std::move(document), tokens, tombstones);
}

Result<void> ShardSetBuilder::seal() {
  if (shards_.empty()) BALLAST_TRY(begin_shard());
  name_origins();
  BALLAST_TRY(shards_.back()->seal());
  shards_.back()->drop_counts_and_inputs();
  return {};
}

Result<std::vector<std::string>> ShardSetBuilder::stale() const {
  const ShardSetNumbers found = BALLAST_TRY(shard_set_numbers(fs_, prefix_));
  const int64_t made = limit_ ? std::ssize(shards_) : 0;
  for (const int64_t number : found.apart)
    if (limit_ && number >= made)
      return usage_error("would be taken for a shard of the set", shard_set_member(prefix_, number),
                         fmt::format("which ends with {}; move it or remove it",
                                     shard_set_member(file_name(prefix_), made - 1)));
  std::vector<std::string> names;
  if (limit_) names.push_back(prefix_);
  // The last one first, so that a death here leaves no gap behind which the rest would be apart.
  for (int64_t number = found.end; number-- > std::max(made, found.first);)
    names.push_back(shard_set_member(prefix_, number));
  return names;
}

Result<void> ShardSetBuilder::check() const {
  BALLAST_TRY(stale());
  return {};
}

Result<std::vector<ShardManifest>> ShardSetBuilder::publish() {
  for (const std::string& prefix : BALLAST_TRY(stale()))
    BALLAST_TRY(remove_shard(fs_, prefix, force_));
  // What stays of an earlier set is no whole set until the last shard is here.
  const std::string first = shard_manifest_path(name(0));
  if (limit_ && force_ && fs_.exists(first)) BALLAST_TRY(fs_.remove(first));
  std::vector<ShardManifest> manifests(shards_.size());
  for (size_t i = 1; i <= shards_.size(); ++i)
    manifests[i % shards_.size()] = BALLAST_TRY(shards_[i % shards_.size()]->publish());
  return manifests;
}

Result<std::vector<ShardManifest>> ShardSetBuilder::finish() {
  BALLAST_TRY(seal());
  return publish();
}

Result<void> refuse_existing_set(FileSystem& fs, const std::string& prefix,
                                 std::optional<int64_t> limit_tokens, bool force,
                                 std::span<const std::string> inputs) {
  if (force && inputs.empty() && !limit_tokens) return {};
  std::vector<std::string> names = {prefix};
  const ShardSetNumbers found = BALLAST_TRY(shard_set_numbers(fs, prefix));
  for (int64_t number = found.first; number < found.end; ++number)
    names.push_back(shard_set_member(prefix, number));
  const std::vector<std::string> paths = shard_paths(names);
  // Of all files first: -f would not help where one of them is an input.
  for (const std::string& path : paths) BALLAST_TRY(refuse_output_over_input(fs, path, inputs));
  for (const std::string& path : paths)
    if (!force && fs.exists(path)) return usage_error("output exists", path, "-f replaces it");
  if (limit_tokens && !found.apart.empty())
    return usage_error("would be taken for a shard of the set",
                       shard_set_member(prefix, found.apart.front()),
                       "it stands behind a gap; move it or remove it");
  return {};
}

}  // namespace ballast
