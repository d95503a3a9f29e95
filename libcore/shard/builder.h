// Builds one whole shard: tokens, index, sidecar and manifest. Documents come in their final order;
// counts are kept on the way. finish() writes everything, then publishes .bin, .idx, sidecar and,
// last, the manifest. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "libcore/base/result.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/writer.h"

namespace ballast {

// Adds a document of a shard to the counts of its manifest, whose token_counts cover the ids.
void count_document(ShardManifest& manifest, const ShardDocument& document,
                    std::span<const int32_t> tokens);

class ShardBuilder {
 public:
  // `manifest` brings what the documents cannot tell: tool, tokenizer, vocabulary, inputs, run.
  ShardBuilder(FileSystem& fs, const std::string& prefix, ShardManifest manifest, bool force);

  // document.tokens is set to the number of tokens. `tombstones` are in tokens of the document;
  // where there are any, the manifest has a redaction, to whose tombstones they are added.
  Result<void> append(ShardDocument document, std::span<const int32_t> tokens,
                      std::span<const Tombstone> tombstones = {});
  // The documents from here on come from that shard; they are counted. The record of a redaction
  // that the manifest has then counts the documents in tombstones.
  void begin_origin(ShardOrigin origin);
  int64_t documents() const { return writer_.documents(); }
  int64_t tokens() const { return writer_.tokens(); }
  // All files of the shard are written whole, but not yet visible: what can run out of space has.
  Result<void> seal();
  // After seal(): the file has them, and publish() returns a manifest without them. Of a set, they
  // would be there as often as it has shards.
  void drop_counts_and_inputs() {
    (void)std::exchange(manifest_.token_counts, {});  // `= {}` keeps memory
    (void)std::exchange(manifest_.inputs, {});
  }
  Result<ShardManifest> publish();  // after seal()
  Result<ShardManifest> finish();   // both

 private:
  ShardManifest manifest_;
  ShardWriter writer_;
  SidecarWriter sidecar_;
  AtomicFile manifest_file_;
};

}  // namespace ballast
