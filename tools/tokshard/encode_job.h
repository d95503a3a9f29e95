// What encoding makes of a document, and shards of all of them. Documents are put into an order
// that depends on their ids and the seed alone, so shards are equal whoever encoded which part.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libcore/base/hash.h"
#include "libcore/base/thread_pool.h"
#include "libcore/cli/tool.h"
#include "libcore/io/stream.h"
#include "libcore/parts/parts_folder.h"
#include "libcore/parts/share.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/record_sorter.h"
#include "libcore/text/document.h"
#include "libcore/text/tokenizer.h"

namespace ballast {

struct EncodeRule {
  const Tokenizer* tokenizer = nullptr;
  std::optional<int32_t> bos, eos;
  bool match_special = false;  // special tokens spelled out in a text are those tokens
  uint64_t seed = 0;
  double holdout = 0;  // fraction of the documents
};

// Between tokenising and writing. `bytes`: u8 held out, u32 tokens, the ids, the sidecar line.
struct EncodedDocument {
  Hash128 key;  // documents stand in its order
  std::string bytes;
};

Result<EncodedDocument> encode_document(const EncodeRule& rule, Document& document,
                                        Encoder& encoder);

// All documents of a shard, sorted in bounded memory.
class EncodedDocuments {
 public:
  // `spill_path`: a temporary file for what does not fit. With `keep_order` the documents stand in
  // the order of add().
  EncodedDocuments(const std::string& spill_path, bool keep_order);
  Result<void> add(const EncodedDocument& document);
  int64_t count() const { return count_; }
  Result<void> drain(const std::function<Result<void>(std::string_view bytes)>& visit);

 private:
  RecordSorter sorter_;
  bool keep_order_;
  int64_t count_ = 0;
};

// The lines of documents, each once.
struct EncodeCounts {
  int64_t documents = 0;  // encoded
  int64_t skipped = 0;    // malformed lines
  int64_t empty = 0;      // documents without text
  int64_t rejected = 0;   // documents that a filter dropped
  int64_t replaced = 0;   // ill-formed UTF-8 sequences, of encoded documents

  void add(const EncodeCounts& other) {
    documents += other.documents;
    skipped += other.skipped;
    empty += other.empty;
    rejected += other.rejected;
    replaced += other.replaced;
  }

  // For json_counts.h.
  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field("documents", self.documents);
    field("skipped", self.skipped);
    field("empty", self.empty);
    field("rejected", self.rejected);
    field("replaced", self.replaced);
  }
};

inline constexpr const char* kEncodedSuffix = ".encoded.zst";

struct EncodeWork {
  EncodeRule rule;
  bool skip_errors = false;
};

// Makes what is missing of a task's share; see filter_parts().
Result<void> encode_parts(const EncodeWork& work, const PartsFolder& folder, Share share,
                          ThreadPool& pool);
Result<void> write_encoded(ByteSink& sink, const EncodedDocument& document);
// The documents of a part, in the order of the input.
Result<void> read_encoded(const PartsFolder& folder, const PartRecord& part,
                          const std::function<Result<void>(const EncodedDocument&)>& visit);

using ShardsSealed = std::function<Result<void>(const std::vector<std::string>& prefixes)>;

struct WrittenShard {
  std::string prefix;
  ShardManifest manifest;
};

// Writes the documents as common.output and, when the manifest says so, a held-out part; with a
// limit of tokens both as sets of shards. `manifest` brings what the documents do not tell. Nothing
// appears before all is whole, and then `sealed` has been called, with the prefixes in the order in
// which the shards will appear, and did not fail.
Result<std::vector<WrittenShard>> write_shards(EncodedDocuments& documents, ShardManifest manifest,
                                               std::optional<int64_t> shard_tokens,
                                               const CommonOptions& common,
                                               const ShardsSealed& sealed = {});
// Kind usage when that would overwrite something, one of `inputs` most of all.
Result<void> check_shard_outputs(const CommonOptions& common, bool split,
                                 std::optional<int64_t> shard_tokens,
                                 std::vector<std::string> inputs);
void report_shards(const CommonOptions& common, const std::vector<WrittenShard>& shards,
                   const EncodeCounts& counts);

}  // namespace ballast
