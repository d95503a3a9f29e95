#include "tools/tokshard/build_job.h"

#include <memory>

#include "libcore/cli/message.h"
#include "libcore/io/json_counts.h"
#include "libcore/parts/part_reader.h"
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
        folder_(folder),
        input_(input),
        reader_(folder, input, share, kBlockRecords, kBlockBytes),
        progress_(progress) {
    suffixes_ = {kEncodedSuffix};
    if (filter.options.rejects) suffixes_.emplace_back(kRejectsSuffix);
  }

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
    if (block.in.first) BALLAST_TRY(begin(block.in.part));
    if (!block.result.ok()) return block.result.take_error();
    progress_.took(static_cast<int64_t>(block.outcomes.size()));
    for (FilterOutcome& outcome : block.outcomes) {
      if (outcome.verdict == FilterVerdict::malformed) {
        if (!filter_.skip_errors) return std::move(outcome.error);
        print_warning(outcome.error.message());
        ++counts_->encode.skipped;
      }
      counts_->filter.add(outcome);
      if (rejects_ && !outcome.line.empty()) BALLAST_TRY(rejects_->write(outcome.line));
    }
    for (const EncodedDocument& document : block.documents)
      BALLAST_TRY(write_encoded(*encoded_, document));
    counts_->encode.documents += static_cast<int64_t>(block.documents.size());
    counts_->encode.replaced += block.replaced;
    counts_->encode.empty += block.empty;
    if (!block.in.end) return {};
    BALLAST_TRY(encoded_->finish());
    if (rejects_) BALLAST_TRY(rejects_->finish());
    block.in.end->counts = counts_json(*counts_);
    BALLAST_TRY(folder_.write(std::move(*block.in.end), suffixes_));
    progress_.made();
    return {};
  }

 private:
  Result<void> begin(int64_t part) {
    FileSystem& fs = folder_.file_system();
    encoded_ = BALLAST_TRY(open_sink(fs, folder_.path(input_, part, kEncodedSuffix), true));
    if (suffixes_.size() > 1)
      rejects_ = BALLAST_TRY(open_sink(fs, folder_.path(input_, part, kRejectsSuffix), true));
    counts_.emplace();
    return {};
  }

  const FilterWork& filter_;
  const EncodeRule& encode_;
  std::vector<BuildBuffers>& buffers_;
  const PartsFolder& folder_;
  const int64_t input_;
  PartReader reader_;
  PartsProgress& progress_;
  std::vector<std::string> suffixes_;
  std::unique_ptr<ByteSink> encoded_, rejects_;
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
