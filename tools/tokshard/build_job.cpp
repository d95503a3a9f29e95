#include "tools/tokshard/build_job.h"

#include <memory>

#include "libcore/cli/message.h"
#include "libcore/io/json_counts.h"
#include "libcore/parts/part_reader.h"
#include "tools/tokshard/part_outputs.h"
#include "tools/tokshard/parts_job.h"

namespace ballast {
namespace {

constexpr size_t kBlockRecords = 64;
constexpr int64_t kBlockBytes = int64_t{1} << 20;

struct BuildBlock {
  PartBlock in;
  std::vector<FilterOutcome> outcomes;
  std::vector<EncodedDocument> documents;
  int64_t replaced = 0, empty = 0;
  Result<void> result;
};

// What a thread keeps between documents.
struct BuildBuffers {
  explicit BuildBuffers(const Tokenizer& tokenizer) : encoder(tokenizer) {}
  FilterBuffers filter;
  Encoder encoder;
};

class BuildStream final : public BlockStream<BuildBlock> {
 public:
  BuildStream(const FilterWork& filter, const EncodeRule& encode,
              std::vector<BuildBuffers>& buffers, const PartsFolder& folder, int64_t input,
              Share share, PartsProgress& progress)
      : filter_(filter),
        encode_(encode),
        buffers_(buffers),
        reader_(folder, input, share, kBlockRecords, kBlockBytes),
        progress_(progress),
        outputs_(folder, input, progress, part_suffixes(filter, kEncodedSuffix)) {}

  Result<bool> read(BuildBlock& block) override { return reader_.read(block.in); }

  void work(BuildBlock& block, int worker) override {
    BuildBuffers& buffers = buffers_[static_cast<size_t>(worker)];
    for (const InputRecord& record : block.in.records) {
      FilterOutcome outcome = filter_record(record, filter_.options, buffers.filter);
      if (outcome.document && outcome.document->text.empty()) {
        ++block.empty;  // redacted away
        outcome.document.reset();
      }
      if (outcome.document) {
        block.replaced += outcome.document->replaced;
        auto encoded = encode_document(encode_, *outcome.document, buffers.encoder);
        if (!encoded.ok()) {
          block.result = encoded.take_error();
          return;
        }
        block.documents.push_back(encoded.take_value());
        outcome.document.reset();
      }
      block.outcomes.push_back(std::move(outcome));
    }
    block.in.records.clear();
  }

  Result<void> take(BuildBlock& block) override {
    if (block.in.first) {
      BALLAST_TRY(outputs_.begin(block.in.part));
      counts_.emplace();
    }
    if (!block.result.ok()) return block.result.take_error();
    progress_.took(static_cast<int64_t>(block.outcomes.size()));
    ByteSink* const rejects = outputs_.sink(1);
    for (FilterOutcome& outcome : block.outcomes) {
      BALLAST_TRY(count_outcome(filter_, outcome, counts_->filter, progress_.malformed()));
      if (outcome.verdict == FilterVerdict::malformed) ++counts_->encode.skipped;
      if (rejects && !outcome.line.empty()) BALLAST_TRY(rejects->write(outcome.line));
    }
    for (const EncodedDocument& document : block.documents)
      BALLAST_TRY(write_encoded(*outputs_.sink(0), document));
    counts_->encode.documents += static_cast<int64_t>(block.documents.size());
    counts_->encode.replaced += block.replaced;
    counts_->encode.empty += block.empty;
    if (!block.in.end) return {};
    return outputs_.end(std::move(*block.in.end), counts_json(*counts_));
  }

 private:
  const FilterWork& filter_;
  const EncodeRule& encode_;
  std::vector<BuildBuffers>& buffers_;
  PartReader reader_;
  PartsProgress& progress_;
  PartOutputs outputs_;
  std::optional<BuildCounts> counts_;
};

}  // namespace

Result<void> build_parts(const FilterWork& filter, const EncodeRule& encode,
                         const PartsFolder& folder, Share share, ThreadPool& pool) {
  std::vector<BuildBuffers> buffers;
  for (int i = 0; i < pool.size(); ++i) buffers.emplace_back(*encode.tokenizer);
  return run_parts<BuildBlock>(folder, share, pool, [&](int64_t input, PartsProgress& progress) {
    return std::make_unique<BuildStream>(filter, encode, buffers, folder, input, share, progress);
  });
}

}  // namespace ballast
