// Builds a set of shards (shard_set.h) as ShardBuilder builds one: a shard ends before the document
// that would take it over the limit, so no document is cut, and one that is larger than the limit
// has a shard of its own. Nothing is visible before publish(), which shows the first shard last,
// the others in order. Of what the manifest counts once (lines skipped, empty documents,
// replacements) the first shard has all. Memory: that of one ShardBuilder. One thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libcore/shard/builder.h"

namespace ballast {

class ShardSetBuilder {
 public:
  // Without a limit there is one shard, PREFIX itself.
  ShardSetBuilder(FileSystem& fs, std::string prefix, ShardManifest manifest,
                  std::optional<int64_t> limit_tokens, bool force);

  Result<void> append(ShardDocument document, std::span<const int32_t> tokens,
                      std::span<const Tombstone> tombstones = {});
  // Where the documents from here on come from, for the manifest of every shard that has some. One
  // without documents is named by the shard that the next document, or the last one, is in.
  void begin_origin(ShardOrigin origin) { begun_.push_back(std::move(origin)); }
  // The next document begins a shard, whatever the limit.
  void end_shard() { ended_ = !shards_.empty(); }
  // All shards are written whole, but not yet visible.
  Result<void> seal();
  // After seal(), for who has more to publish: kind usage where publish() would refuse.
  Result<void> check() const;
  // After seal(). With `force` what the name stood for before goes: a shard PREFIX, and of a set
  // PREFIX the shards that this one does not have, which are all when one shard is made. Kind
  // usage, with `force` too, when a shard is there behind a gap that the new set would be read
  // with. The manifests are without token counts and inputs, which the files have.
  Result<std::vector<ShardManifest>> publish();
  Result<std::vector<ShardManifest>> finish();

  std::string name(int64_t number) const;  // prefix of a shard
  std::vector<std::string> names() const;  // in the order in which publish() shows them

 private:
  Result<void> begin_shard();
  void name_origins();
  Result<std::vector<std::string>> stale() const;

  FileSystem& fs_;
  std::string prefix_;
  ShardManifest manifest_;
  std::optional<int64_t> limit_;
  bool force_;
  bool ended_ = false;
  std::vector<ShardOrigin> begun_;                     // since the last document
  std::optional<ShardOrigin> origin_;                  // of the last document
  std::vector<std::unique_ptr<ShardBuilder>> shards_;  // all but the last are sealed
};

// What a builder of these arguments would replace or remove: kind usage, unless `force`, when a
// file of the shard or set PREFIX is there; always when such a file is one of `inputs`, and when a
// set would be read with a shard behind a gap, which nobody asked to remove.
Result<void> refuse_existing_set(FileSystem& fs, const std::string& prefix,
                                 std::optional<int64_t> limit_tokens, bool force,
                                 std::span<const std::string> inputs = {});

}  // namespace ballast
